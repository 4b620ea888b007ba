/* SPDX-License-Identifier: Apache-2.0
 *
 * config_tables.h -- the core's own options, declared once: what a file is checked against, and
 * what the manual page and the sample are printed from.  [any]; all static.
 */
#ifndef LEAT_CONFIG_TABLES_H
#define LEAT_CONFIG_TABLES_H

#include "config.h"

struct tree_node;

struct config_table {
    const char *name; /* "core", "pipeline", "sink", "route" */
    const leat_option *rows;
    size_t count;
};

/* What each table fills. */
struct config_top_file {
    struct config config;
    const struct tree_node *pipelines;
};

struct config_pipeline_file {
    struct config_pipeline pipeline;
    const struct tree_node *source, *sinks;
};

struct config_source_file {
    const char *plugin;
};

struct config_sink_file {
    struct config_sink sink;
    const char *plugin;
    const struct tree_node *routes;
};

struct config_route_file {
    const struct tree_node *match;
    leat_strings op, changed;
    const char *route;
};

extern const struct config_table config_top_table;
extern const struct config_table config_pipeline_table;
extern const struct config_table config_source_table;
extern const struct config_table config_sink_table;
extern const struct config_table config_route_table;

#endif
