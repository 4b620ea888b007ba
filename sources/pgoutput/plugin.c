/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c -- what the pgoutput source is to the host: its descriptor and its option table.  [main]
 */
#include "pgoutput_options.h"
#include "source.h"

#include <stdio.h>

LEAT_ELF_NOTE(0);

static const char *const json_choices[] = {"nested", "text", NULL};
static const char *const array_choices[] = {"nested", "text", NULL};
static const char *const composite_choices[] = {"text", "nested", NULL};
static const char *const action_choices[] = {"log", "drop_sink", "stop", NULL};

#define T struct pgoutput_options

static const leat_option options[] = {
    LEAT_OPTION_STRING("dsn", T, dsn, NULL, LEAT_OPT_REQUIRED | LEAT_OPT_SECRET,
                       "The libpq connection string or URI of the database; it may name several "
                       "hosts, unix sockets and TLS, and a ${file:...} in it is read anew at each "
                       "connection."),
    LEAT_OPTION_STRING("slot", T, slot, NULL, LEAT_OPT_REQUIRED,
                       "The logical replication slot to read from: 1 to 63 characters of a-z, 0-9 "
                       "and _."),
    {"publication", NULL, "The publication, or a list of them, whose tables are read.", NULL, 1,
     1024, LEAT_OFFSET(T, publication, leat_strings), LEAT_OPT_STRINGS, LEAT_OPT_REQUIRED, 0},
    LEAT_OPTION_BOOL(
        "create_slot", T, create_slot, "true", 0,
        "Creates the slot at the very first start, when neither the slot nor a recorded "
        "position exists; a slot that was lost is never created again."),
    LEAT_OPTION_BOOL(
        "failover", T, failover, "false", 0,
        "Makes the slot a failover slot (PostgreSQL 17 and newer), which standbys with "
        "sync_replication_slots keep a copy of; one that exists already is altered."),
    LEAT_OPTION_STRING(
        "accept_gap", T, accept_gap, NULL, 0,
        "A position in the WAL, as 0/15D5C98: a slot that was recreated or advanced and "
        "begins exactly there is accepted, with the gap in front of it."),
    LEAT_OPTION_DURATION("status_interval", T, status_interval_ms, "10s", 10, 3600000, 0,
                         "The longest time between two status messages to the server; a quarter of "
                         "the server's wal_sender_timeout where that is shorter."),
    LEAT_OPTION_DURATION("connect_timeout", T, connect_timeout_ms, "10s", 100, 600000, 0,
                         "How long one attempt to connect may take; then the next host of dsn is "
                         "tried."),
    LEAT_OPTION_DURATION(
        "reconnect_max", T, reconnect_max_ms, "30s", 100, 3600000, 0,
        "The longest pause between two attempts to connect; pauses double up to it "
        "and are shortened at random by up to a half."),
    LEAT_OPTION_DURATION(
        "liveness_timeout", T, liveness_timeout_ms, "0s", 0, 3600000, 0,
        "A connection on which nothing at all was heard for so long, pings included, "
        "is given up; 0s means twice the status_interval, at least 30s."),
    LEAT_OPTION_DURATION(
        "release_after", T, release_after_ms, "60s", 0, 86400000, 0,
        "When the sinks have taken nothing for so long the connection is closed, so "
        "that the server can shut down, and opened again when they do; 0s means "
        "never."),
    LEAT_OPTION_DURATION(
        "heartbeat", T, heartbeat_ms, "0s", 0, 86400000, 0,
        "How often a small message is written to the database, so that its slot moves although its "
        "own tables are idle; it is never delivered; 0s means never."),
    LEAT_OPTION_DURATION("guard.interval", T, guard_interval_ms, "10s", 0, 3600000, 0,
                         "How often the guard looks at the slot, over a connection of its own that "
                         "it closes again; 0s means never."),
    LEAT_OPTION_SIZE("guard.warn", T, guard_warn_bytes, "4GiB", 0, 0, 0,
                     "WAL kept for the slot that is worth a warning; 0 means never."),
    LEAT_OPTION_SIZE("guard.critical", T, guard_critical_bytes, "16GiB", 0, 0, 0,
                     "WAL kept for the slot that is critical; 0 means never."),
    LEAT_OPTION_INT(
        "guard.warn_percent", T, guard_warn_percent, "50", 0, 100, 0,
        "The used part of the server's max_slot_wal_keep_size, where it has one, that is "
        "worth a warning; 0 means never."),
    LEAT_OPTION_INT("guard.critical_percent", T, guard_critical_percent, "80", 0, 100, 0,
                    "The used part of max_slot_wal_keep_size that is critical; 0 means never."),
    LEAT_OPTION_ENUM("guard.action", T, guard_action, "log", action_choices, 0,
                     "What is done when the slot becomes critical, besides a line in the log: "
                     "nothing, the sink that holds it back is dropped (never the last one), or the "
                     "daemon ends with status 69."),
    LEAT_OPTION_STRING(
        "guard.run", T, guard_run, NULL, 0,
        "A command for /bin/sh that is run once for each change of the slot's level; "
        "its environment says what happened: LEAT_PIPELINE, LEAT_SLOT, LEAT_STATE, "
        "LEAT_STATE_BEFORE, LEAT_WAL_STATUS, LEAT_RETAINED_BYTES, LEAT_SAFE_BYTES, "
        "LEAT_LAG_BYTES, LEAT_LAG_SECONDS, LEAT_CONFIRMED_LSN, LEAT_SINK."),
    LEAT_OPTION_DURATION("guard.run_timeout", T, guard_run_timeout_ms, "60s", 100, 3600000, 0,
                         "The longest time that command may take; then it is killed."),
    LEAT_OPTION_ENUM("json", T, json, "nested", json_choices, 0,
                     "How json and jsonb values are written: nested in the record, or as text."),
    LEAT_OPTION_ENUM("array", T, array, "nested", array_choices, 0,
                     "How arrays are written: as nested JSON arrays, or as PostgreSQL's text."),
    LEAT_OPTION_ENUM(
        "composite", T, composite, "text", composite_choices, 0,
        "How composite values are written: as PostgreSQL's text, or as JSON objects with "
        "the attribute names that the catalogue had when the type was first seen (a value "
        "that these attributes do not fit, because the type has changed, as its text)."),
    LEAT_OPTION_INT("types_max", T, types_max, "10000", 16, 1000000, 0,
                    "The most looked-up types that are kept in memory."),
    LEAT_OPTION_INT("relations_max", T, relations_max, "100000", 1, 10000000, 0,
                    "The most tables of one connection; more end the pipeline."),
};

static const char *libraries(void)
{
    static char text[32];
    int version = PQlibVersion();
    (void)snprintf(text, sizeof text, "libpq %d.%d", version / 10000, version % 10000);
    return text;
}

const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC,
    .abi_major = LEAT_ABI_MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof(leat_plugin),
    .abi_minor_needed = 0,
    .kind = LEAT_KIND_SOURCE,
    .name = "pgoutput",
    .version = LEAT_VERSION,
    .license = "Apache-2.0",
    .summary = "reads committed changes from a PostgreSQL logical replication slot",
    .ops = &source_ops,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_stride = sizeof *options,
    .config_size = sizeof(struct pgoutput_options),
    .libraries = libraries,
};
