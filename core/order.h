/* SPDX-License-Identifier: Apache-2.0
 *
 * order.h -- one command on its way from the admin endpoint to the control thread and back.
 *
 * The endpoint's thread makes it and gives it to the registry; from then on it is the control
 * thread's, which fills in code and answer and calls done exactly once.  Then it is the endpoint's
 * again.
 */
#ifndef LEAT_ORDER_H
#define LEAT_ORDER_H

#include "text_buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum order_kind {
    ORDER_SHUTDOWN = 0,
    ORDER_RELOAD,
    ORDER_PAUSE, /* of a pipeline, as the next two */
    ORDER_RESUME,
    ORDER_DRAIN,
    ORDER_SINK_PAUSE, /* of one sink, as the next two */
    ORDER_SINK_RESUME,
    ORDER_SINK_DROP
};

struct order {
    enum order_kind kind;
    char pipeline[64], sink[64];
    bool accept_gap;   /* of ORDER_SINK_RESUME */
    bool drop_removed; /* of ORDER_RELOAD: sinks and pipelines that are gone are not waited for */
    int64_t since_ns;
    unsigned code; /* of HTTP */
    struct text_buffer answer;
    void (*done)(struct order *order); /* [main] */
    struct order *next;
};

#endif
