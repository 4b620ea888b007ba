/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor_pipeline.c -- what a daemon says of one of its pipelines, as findings.  [main]
 */
#include "doctor_internal.h"
#include "plural.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define LAG_BYTES (INT64_C(256) * 1024 * 1024)
#define LAG_MS 60000
#define POOL_FULL 0.9

/* A command for the daemon, such as "leat resume -c FILE --pipeline shop --sink bus". */
static const char *command(const struct patient *patient, char *out, size_t size, const char *verb)
{
    bool sink = *patient->instance && strcmp(patient->instance, "source") != 0;

    (void)snprintf(out, size, "leat %s %s --pipeline %s%s%s", verb, patient->reach,
                   patient->pipeline, sink ? " --sink " : "", sink ? patient->instance : "");
    return out;
}

static int64_t number(const struct tree_node *mapping, const char *dotted)
{
    return strtoll(admin_client_text(mapping, dotted), NULL, 10);
}

/* What helps against one of the reasons why it is not ready. */
static const char *advice(const struct patient *patient, const char *reason, char *out, size_t size)
{
    char resume[512], drop[512];

    if (strstr(reason, "paused"))
        return command(patient, out, size, "resume");
    if (strstr(reason, "dropped")) {
        (void)snprintf(out, size,
                       "%s\nand, where it says that a gap is possible: the same with "
                       "--accept-gap",
                       command(patient, resume, sizeof resume, "resume"));
        return out;
    }
    if (strstr(reason, "draining"))
        return "wait: it ends when all that is in flight is durable and confirmed";
    if (strstr(reason, "recorded"))
        return "make room in state_directory, or give it back to the daemon's user; nothing is "
               "confirmed until then, and nothing is lost";
    if (strstr(reason, "stuck: its thread"))
        return "the plugin, or a library in it, waits without an end: look at its server first; a "
               "restart of the daemon (kill -9 where it does not end) loses nothing and sends "
               "again what was not confirmed";
    if (strstr(reason, "connection released"))
        return "leat let go of the slot, so that the server is not kept from stopping; it takes it "
               "again by itself when the server is back, or a sink takes records again";
    if (strncmp(reason, "the source is waiting", 21) == 0)
        return "somebody else reads the slot: if that is the other daemon of a pair, all is well; "
               "else find it:\nSELECT slot_name, active_pid FROM pg_replication_slots WHERE active";
    if (strncmp(reason, "the source is", 13) == 0)
        return "mend what the line says, or the server; the daemon tries again by itself";
    if (strncmp(reason, "sink ", 5) != 0)
        return NULL;
    (void)snprintf(out, size,
                   "mend what the line says, or the sink's server; the daemon tries again by "
                   "itself\nif that takes long and PostgreSQL's disk fills: %s",
                   command(patient, drop, sizeof drop, "drop"));
    return out;
}

/* One line of `reasons`, "pipeline shop: sink bus is down: why". */
static void look_at_reason(struct patient *patient, const char *line, size_t length)
{
    char text[1024], name[64] = "", fix[2048];
    const char *at = text;
    size_t head;

    (void)snprintf(text, sizeof text, "%.*s", (int)length, line);
    head = strlen("pipeline ") + strlen(patient->pipeline);
    if (strncmp(text, "pipeline ", 9) == 0 && strncmp(text + head, ": ", 2) == 0)
        at = text + head + 2;
    patient->instance = strncmp(at, "the source", 10) == 0 ? "source" : "";
    if (sscanf(at, "sink %63[a-z0-9_-]", name) == 1)
        patient->instance = name;
    bool wanted = strstr(at, "paused") || strstr(at, "dropped") || strstr(at, "draining");
    doctor__find(patient, wanted ? LEAT_FINDING_WARNING : LEAT_FINDING_ERROR, EX_UNAVAILABLE,
                 advice(patient, at, fix, sizeof fix), "%s", at);
    patient->instance = "";
}

static void look_at_reasons(struct patient *patient, const struct tree_node *pipeline)
{
    const char *reasons = admin_client_text(pipeline, "reasons");

    while (*reasons) {
        size_t length = strcspn(reasons, "\n");
        if (length > 0)
            look_at_reason(patient, reasons, length);
        reasons += length + (reasons[length] == '\n');
    }
}

/* The sink that has most before it. */
static const char *slowest(const struct tree_node *pipeline)
{
    const struct tree_node *sinks = tree_find(pipeline, "sinks");
    const char *name = "";
    int64_t most = -1;

    for (const struct tree_node *at = sinks ? sinks->first : NULL; at; at = at->next) {
        int64_t waits = number(at, "waiting_batches") + number(at, "encoded_parts");
        if (waits > most) {
            most = waits;
            name = admin_client_text(at, "name");
        }
    }
    return name;
}

static void look_at_lag(struct patient *patient, const struct tree_node *pipeline)
{
    int64_t lag = number(pipeline, "positions.lag_bytes");
    int64_t unconfirmed = number(pipeline, "positions.unconfirmed_bytes");
    int64_t age_ms = number(pipeline, "positions.oldest_commit_ms");
    double pool = (double)number(pipeline, "pool_bytes");
    bool full = pool > 0 && (double)number(pipeline, "pool_used_bytes") / pool > POOL_FULL;
    char fix[512];

    if (unconfirmed > lag)
        lag = unconfirmed;
    if (lag < LAG_BYTES && age_ms < LAG_MS)
        return;
    if (full)
        (void)snprintf(fix, sizeof fix,
                       "sink %s is the slowest, its batches fill the memory: see what it waits for "
                       "(leat status %s)",
                       slowest(pipeline), patient->reach);
    else
        (void)snprintf(fix, sizeof fix, "see that it falls: leat status %s --watch",
                       patient->reach);
    doctor__find(patient, LEAT_FINDING_WARNING, 0, fix,
                 "%" PRId64 " MiB of WAL are not confirmed, the oldest commit in flight is %" PRId64
                 " s old",
                 lag / (1024 * 1024), age_ms / 1000);
}

static void look_at_note(struct patient *patient, const struct tree_node *of)
{
    const char *text = admin_client_text(of, "last_error.text");

    if (*text)
        doctor__find(patient, LEAT_FINDING_NOTE, 0, NULL, "last warning, %s, %" PRId64 " %s: %s",
                     admin_client_text(of, "last_error.time"), number(of, "last_error.count"),
                     plural((uint64_t)number(of, "last_error.count"), "time", "times"), text);
}

static void look_at_sink(struct patient *patient, const struct tree_node *sink)
{
    patient->instance = admin_client_text(sink, "name");
    if (number(sink, "rejects") > 0)
        doctor__find(patient, LEAT_FINDING_WARNING, 0,
                     "see why in the dead letters, and in the log: record rejected",
                     "%" PRId64 " %s rejected and lie%s in its dead letters",
                     number(sink, "rejects"),
                     plural((uint64_t)number(sink, "rejects"), "record was", "records were"),
                     plural((uint64_t)number(sink, "rejects"), "s", ""));
    look_at_note(patient, sink);
    patient->instance = "";
}

void doctor__look_at_pipeline(struct patient *patient, const struct tree_node *pipeline)
{
    const struct tree_node *sinks = tree_find(pipeline, "sinks");
    size_t before = patient->findings->counts[LEAT_FINDING_ERROR] +
                    patient->findings->counts[LEAT_FINDING_WARNING];

    patient->pipeline = admin_client_text(pipeline, "name");
    if (doctor__is(pipeline, "state", "ended"))
        doctor__find(patient, LEAT_FINDING_WARNING, 0,
                     "it begins again with the daemon: systemctl restart leat",
                     "it was drained, and has ended");
    look_at_reasons(patient, pipeline);
    look_at_lag(patient, pipeline);
    if (tree_find(pipeline, "source")) {
        patient->instance = "source";
        look_at_note(patient, tree_find(pipeline, "source"));
        patient->instance = "";
    }
    for (const struct tree_node *at = sinks ? sinks->first : NULL; at; at = at->next)
        look_at_sink(patient, at);
    if (before == patient->findings->counts[LEAT_FINDING_ERROR] +
                      patient->findings->counts[LEAT_FINDING_WARNING])
        doctor__find(patient, LEAT_FINDING_OK, 0, NULL,
                     "runs: %s changes a second, confirmed up to %s",
                     admin_client_text(pipeline, "source.changes_per_second"),
                     admin_client_text(pipeline, "positions.recorded"));
    patient->pipeline = "";
}
