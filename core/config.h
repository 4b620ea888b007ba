/* SPDX-License-Identifier: Apache-2.0
 *
 * config.h -- a configuration file, checked whole and turned into plain structs.  [main]
 *
 * The file is loaded into a tree with line numbers (tree.h), the tree is checked against option
 * tables (options.h): the core's own and each plugin's.  Every error of the file is reported in one
 * run.  What config_load returns is immutable until config_destroy.
 */
#ifndef LEAT_CONFIG_H
#define LEAT_CONFIG_H

#include <leat/plugin.h>

#include <stdio.h>

struct plugin;           /* plugins.h: one loaded plugin */
struct plugins;          /* plugins.h: what is installed */
struct option_templates; /* options.h: secrets as written, for options_expand */

enum { CONFIG_PIPELINES_MAX = 64 };
enum { CONFIG_LOG_TEXT = 0, CONFIG_LOG_JSON };

/* One entry of `routes:`, tried in order. */
struct config_route {
    leat_strings schema; /* globs; none: any.  From match: "schema.table" or {schema, table} */
    leat_strings table;
    leat_strings op;      /* none: any */
    leat_strings changed; /* columns, any of which an update must have changed; none: any change */
    const char *route;    /* the template */
    int line, column;     /* of the template, for errors */
};

/* What every sink has beside the plugin's own options. */
struct config_sink {
    const char *name;
    const struct plugin *plugin;
    const void *options; /* the plugin's own struct */
    const char *route;   /* NULL: none */
    int route_line, route_column;
    const struct config_route *routes;
    size_t route_count;
    int64_t format;          /* enum encode_format */
    int64_t numeric;         /* enum encode_...: number, string */
    int64_t int8;            /* number, string */
    int64_t bytea;           /* hex, base64 */
    int64_t timestamp;       /* msgpack: text, extension */
    int64_t on_reject;       /* enum config_on_reject */
    const char *dead_letter; /* directory, with on_reject: dead_letter */
    int64_t retry_max_ms;    /* the longest back-off between two tries */
    bool isolate;            /* in a process of its own */
    int64_t isolate_timeout_ms;
    int64_t isolate_memory;   /* bytes; 0: no bound */
    int64_t stall_warning_ms; /* warn when the oldest unacknowledged record is older */
    const struct option_templates *templates;
};

enum config_on_reject { CONFIG_REJECT_STOP = 0, CONFIG_REJECT_DEAD_LETTER };

struct config_pipeline {
    const char *name;
    const struct plugin *source;
    const void *source_options;
    const struct config_sink *sinks;
    size_t sink_count;
    int64_t batch_max_delay_ms;
    int64_t batch_size; /* bytes: a batch is published at the latest when it has these */
    int64_t confirm_interval_ms;
    const struct option_templates *source_templates;
};

struct config {
    const char *path;            /* as given */
    const char *state_directory; /* relative ones are against the file's folder: absolute here */
    const char *plugins;         /* the plugins.d folder in use, absolute */
    int64_t memory;              /* bytes, for all batches of all pipelines */
    bool mlock;
    int64_t shutdown_timeout_ms;
    int64_t log_level;      /* LEAT_LOG_... */
    int64_t log_format;     /* CONFIG_LOG_... */
    int64_t metrics_tables; /* how many tables of a pipeline have counters of their own */
    int64_t log_metrics_ms; /* how often the log has a line of figures; 0: never */
    leat_pairs log_levels;  /* of components; checked */
    leat_strings http_listen;
    bool http_written; /* http.listen stands in the file: not its default */
    const struct config_pipeline *pipelines;
    size_t pipeline_count;
    const struct plugins *installed;
};

/* Loads and checks.  On failure every error has been written to `errors`, one line each,
 * "file:line:column: what; what to do", NULL is returned, and *exit_code is of sysexits.h (78, or
 * 77 where a file may not be read).  Plugins named by the file are loaded on the way. */
struct config *config_load(const char *path, FILE *errors, int *exit_code);

/* NULL is allowed. */
void config_destroy(struct config *config);

#endif
