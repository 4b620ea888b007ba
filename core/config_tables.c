/* SPDX-License-Identifier: Apache-2.0
 *
 * config_tables.c -- the core's own options.  See config_tables.h.
 */
#include "config_tables.h"

#include "encode.h"
#include "options.h"
#include "tally.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define TABLE(name, rows)                                                                          \
    {                                                                                              \
        name, rows, sizeof(rows) / sizeof *(rows)                                                  \
    }

static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const formats[] = {"json", "msgpack", NULL};
static const char *const number_or_string[] = {"number", "string", NULL};
static const char *const byte_forms[] = {"hex", "base64", NULL};
static const char *const timestamp_forms[] = {"text", "extension", NULL};
static const char *const rejections[] = {"stop", "dead_letter", NULL};

_Static_assert(LEAT_LOG_ERROR == 0 && LEAT_LOG_DEBUG == 3, "log_levels is in this order");
_Static_assert(CONFIG_LOG_TEXT == 0 && CONFIG_LOG_JSON == 1, "log_formats is in this order");
_Static_assert(ENCODE_JSON == 0 && ENCODE_MSGPACK == 1, "formats is in this order");
_Static_assert(ENCODE_HEX == 0 && ENCODE_BASE64 == 1, "byte_forms is in this order");
_Static_assert(ENCODE_TEXT == 0 && ENCODE_EXTENSION == 1, "timestamp_forms is in this order");
_Static_assert(CONFIG_REJECT_STOP == 0 && CONFIG_REJECT_DEAD_LETTER == 1, "rejections, too");

#define T struct config_top_file
static const leat_option top_rows[] = {
    LEAT_OPTION_STRING("state_directory", T, config.state_directory, "/var/lib/leat", 0,
                       "Where the positions are kept; the daemon locks it. "
                       "A relative path begins at this file's folder; without it "
                       "systemd's $STATE_DIRECTORY is used, or /var/lib/leat/NAME for "
                       "/etc/leat/NAME.yaml."),
    LEAT_OPTION_STRING("plugins", T, config.plugins, NULL, 0,
                       "The folder with the descriptions of the plugins. "
                       "A relative path begins at this file's folder; without it the folder that "
                       "belongs to the program is used."),
    LEAT_OPTION_SIZE("memory", T, config.memory, "256MiB", 16 * MIB, INT64_MAX, 0,
                     "For all batches of all pipelines. "
                     "Each source and each sink needs 4MiB of its pipeline's share."),
    LEAT_OPTION_BOOL("mlock", T, config.mlock, "false", 0, "Lock that memory into RAM."),
    LEAT_OPTION_DURATION("shutdown_timeout", T, config.shutdown_timeout_ms, "30s", 0, HOUR, 0,
                         "How long to wait for the sinks when asked to stop."),
    LEAT_OPTION_ENUM("log.level", T, config.log_level, "info", log_levels, 0,
                     "The least important lines that are still written."),
    LEAT_OPTION_ENUM("log.format", T, config.log_format, "text", log_formats, 0,
                     "Lines of key=value, or one JSON object a line."),
    LEAT_OPTION_PAIRS("log.levels", T, config.log_levels, 0,
                      "Levels of their own: core, source, a sink's name, or PIPELINE/source and "
                      "PIPELINE/SINK, each with its level."),
    LEAT_OPTION_DURATION("log.metrics", T, config.log_metrics_ms, "0s", 0, 24 * HOUR, 0,
                         "How often the log has a line of figures for each pipeline and sink; 0s: "
                         "never."),
    LEAT_OPTION_INT("metrics.tables", T, config.metrics_tables, "100", 0, TALLY_TABLES_MAX, 0,
                    "How many tables of a pipeline are counted one by one; the rest together, as "
                    "the table other."),
    LEAT_OPTION_STRINGS("http.listen", T, config.http_listen, "unix:/run/leat/leat.sock", 0,
                        "The admin endpoint, one address or a list: unix:/PATH or HOST:PORT; none "
                        "for none.  Without it leat.sock in systemd's $RUNTIME_DIRECTORY is used, "
                        "or in /run/leat-NAME for /etc/leat/NAME.yaml."),
    OPTION_NODE_ROW("pipelines", T, pipelines, LEAT_OPT_REQUIRED,
                    "One source and its sinks each; a list."),
};
#undef T

#define T struct config_pipeline_file
static const leat_option pipeline_rows[] = {
    LEAT_OPTION_STRING("name", T, pipeline.name, NULL, LEAT_OPT_REQUIRED,
                       "Names the pipeline in logs, metrics and the state directory: a-z, 0-9, _ "
                       "and -, at most 63."),
    LEAT_OPTION_DURATION("batch.max_delay", T, pipeline.batch_max_delay_ms, "5ms", 0, 10 * SECOND,
                         0, "A change waits no longer for others to travel with."),
    LEAT_OPTION_SIZE("batch.size", T, pipeline.batch_size, "256KiB", 4 * KIB, 64 * MIB, 0,
                     "A batch that has grown to this travels at once."),
    LEAT_OPTION_DURATION("confirm_interval", T, pipeline.confirm_interval_ms, "1s", 10, 10 * MINUTE,
                         0, "How often the position is recorded and confirmed to the source."),
    OPTION_NODE_ROW("source", T, source, LEAT_OPT_REQUIRED,
                    "Where changes come from: a plugin and its options."),
    OPTION_NODE_ROW("sinks", T, sinks, LEAT_OPT_REQUIRED,
                    "Where changes go: a list of plugins with their options."),
};
#undef T

#define T struct config_source_file
static const leat_option source_rows[] = {
    LEAT_OPTION_STRING("plugin", T, plugin, NULL, LEAT_OPT_REQUIRED, "The source plugin's name."),
};
#undef T

#define T struct config_sink_file
static const leat_option sink_rows[] = {
    LEAT_OPTION_STRING("name", T, sink.name, NULL, 0,
                       "Names the sink in logs, metrics and the state directory. "
                       "It is unique in its pipeline; without it the plugin's name is taken."),
    LEAT_OPTION_STRING("plugin", T, plugin, NULL, LEAT_OPT_REQUIRED, "The sink plugin's name."),
    LEAT_OPTION_STRING("route", T, sink.route, NULL, 0,
                       "Where each record goes, with {schema}, {table}, {op}, {prefix} and "
                       "{key.COLUMN} in it."),
    OPTION_NODE_ROW("routes", T, routes, 0,
                    "A list of {match, op, changed, route}, tried in order before route."),
    LEAT_OPTION_ENUM("format", T, sink.format, "json", formats, 0, "How a record is encoded."),
    LEAT_OPTION_ENUM("numeric", T, sink.numeric, "number", number_or_string, 0,
                     "How exact decimals are written."),
    LEAT_OPTION_ENUM("int8", T, sink.int8, "number", number_or_string, 0,
                     "How 64-bit integers are written."),
    LEAT_OPTION_ENUM("bytea", T, sink.bytea, "hex", byte_forms, 0, "How bytes are written."),
    LEAT_OPTION_ENUM("timestamp", T, sink.timestamp, "text", timestamp_forms, 0,
                     "How msgpack writes timestamps: ISO 8601, or its own extension type."),
    LEAT_OPTION_ENUM("on_reject", T, sink.on_reject, "stop", rejections, 0,
                     "What to do with a record that the sink will never take."),
    LEAT_OPTION_STRING("dead_letter", T, sink.dead_letter, NULL, 0,
                       "The folder for such records, with on_reject: dead_letter."),
    LEAT_OPTION_DURATION("retry_max", T, sink.retry_max_ms, "30s", 100, HOUR, 0,
                         "The longest wait between two tries."),
    LEAT_OPTION_DURATION("stall_warning", T, sink.stall_warning_ms, "60s", SECOND, 24 * HOUR, 0,
                         "Warn when the oldest record without acknowledgement is older."),
    LEAT_OPTION_BOOL(
        "isolate", T, sink.isolate, "false", 0,
        "Run the plugin in a process of its own, so that a crash of it ends only that; "
        "it is started again, and nothing is lost."),
    LEAT_OPTION_DURATION("isolate_timeout", T, sink.isolate_timeout_ms, "30s", SECOND, HOUR, 0,
                         "With isolate: kill and start again a process that has not turned for so "
                         "long, because a call of the plugin hangs."),
    LEAT_OPTION_SIZE("isolate_memory", T, sink.isolate_memory, "512MiB", 0, INT64_C(1) << 40, 0,
                     "With isolate: kill and start again a process that has taken more memory for "
                     "itself, as one that leaks does; 0: no bound."),
};
#undef T

#define T struct config_route_file
static const leat_option route_rows[] = {
    OPTION_NODE_ROW("match", T, match, 0,
                    "\"SCHEMA.TABLE\", or {schema, table}, with * and ? in it; without it every "
                    "table."),
    LEAT_OPTION_STRINGS("op", T, op, NULL, 0,
                        "The operations: insert, update, delete, truncate, message, read; without "
                        "it all."),
    LEAT_OPTION_STRINGS("changed", T, changed, NULL, 0,
                        "Columns, one of which an update must have changed."),
    LEAT_OPTION_STRING("route", T, route, NULL, LEAT_OPT_REQUIRED, "Where such records go."),
};
#undef T

const struct config_table config_top_table = TABLE("core", top_rows);
const struct config_table config_pipeline_table = TABLE("pipeline", pipeline_rows);
const struct config_table config_source_table = TABLE("source", source_rows);
const struct config_table config_sink_table = TABLE("sink", sink_rows);
const struct config_table config_route_table = TABLE("route", route_rows);
