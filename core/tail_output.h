/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_output.h -- the sink of `leat tail`: records as lines on a file descriptor.
 *
 * It is an ordinary sink to its worker, but part of the program: back-pressure, encoding, routes
 * and bounds are those of every other one.  It never keeps a record beyond what the reader of the
 * descriptor has left, and never blocks in write(2), so that the worker can be stopped.
 */
#ifndef LEAT_TAIL_OUTPUT_H
#define LEAT_TAIL_OUTPUT_H

#include "doorbell.h"
#include "plugin_load.h"

#include <stdatomic.h>

/* Which records are shown; none of a list: all of them.  Globs as in a route's match. */
struct tail_filter {
    struct tail_table {
        const char *schema, *table;
    } * tables;
    size_t table_count;
    uint32_t ops;   /* bits 1 << LEAT_INSERT ...; 0: all */
    uint64_t count; /* end after so many; 0: never */
};

struct tail_output {
    int fd;
    bool binary;   /* msgpack: nothing between records */
    bool terminal; /* DEL and the C1 controls are written as \u00XX: it would obey them */
    bool routes;   /* the route and a tab in front of each record */
    const struct tail_filter *filter;
    struct doorbell *bell; /* rung when `ended` is set */
    leat_sink_ops ops;
    struct plugin plugin; /* what a config_sink has to name */
    atomic_int ended;     /* enum tail_end; set by the worker, once */
    atomic_int came;      /* enum tail_came; set by the worker, never back */
};

enum tail_came { TAIL_NOTHING = 0, TAIL_OTHERS /* than those that are shown */, TAIL_CHOSEN };

enum tail_end { TAIL_RUNS = 0, TAIL_COUNTED, TAIL_CLOSED, TAIL_BROKEN };

/* [main] rules: of the sink whose routes are shown, or NULL.  The output outlives its pipeline. */
void tail_output_init(struct tail_output *output, const leat_route_rules *rules);

#endif
