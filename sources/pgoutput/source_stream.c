/* SPDX-License-Identifier: Apache-2.0
 *
 * source_stream.c -- STREAMING and RELEASED: how the stream begins, when it ends, and when it is let
 * go so that the server can stop.  [worker]  The reading itself is in replication.c.
 */
#include "source_internal.h"
#include "fault.h"

#include <stdio.h>

#define STEADY_NS (10000 * MS) /* a stream that lasted this long was a good one */
#define SERVER_WAITS_MS 10000
#define SERVER_ASKS 5 /* in a row */
#define TRIES 3       /* of one place in the WAL that the server cannot send */

static void say_taken_over(leat_source *source)
{
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_LSN("recorded", source->memory.position),
                                 LEAT_F_LSN("position", source->start)};
    if (source->prove)
        source_say(
            source, LEAT_LOG_WARN,
            "the slot begins behind the recorded position: the sinks have to show that they hold "
            "what lies between",
            fields, 3);
    else if (source->memory.observed)
        source_say(source, LEAT_LOG_INFO, "taking over where the daemon before us left off", fields,
                   3);
    else
        source_say(source, LEAT_LOG_WARN, "a gap is accepted, as accept_gap says", fields, 3);
}

void source_begin_streaming(leat_source *source)
{
    const leat_host *host = source->host;
    uint64_t newest = slot_newest(&source->memory, &source->facts);
    if (source->memory.position && source->start > source->memory.position)
        say_taken_over(source);
    slot_remember(&source->memory, source->options, &source->facts);
    if (source->memory.position < source->start)
        source->memory.position = source->start;
    catalog_limit(source->catalog, source->facts.wal_sender_timeout_ms);
    const leat_pair facts[] = {
        {"slot", source->memory.slot},
        {"system_identifier", source->memory.system_identifier},
        {"timeline", source->memory.timeline},
        {"database", source->memory.database},
    };
    /* What was handed over but is not durable yet is the host's to count: on a reconnection the
     * stream may begin behind it, while only this much is durable. */
    uint64_t durable = source->durable.lsn ? source->durable.lsn : source->start;
    const leat_origin origin = {
        .size = sizeof origin,
        .fact_count = sizeof facts / sizeof *facts,
        .position = durable < source->start ? durable : source->start,
        .name_space = source->options->slot,
        .facts = facts,
        .newest = newest,
    };
    source->durable.lsn =
        origin.position > source->durable.lsn ? origin.position : source->durable.lsn;
    replication_begin(source);
    if (source->prove)
        source->proof->demand(host, source->prove, source->prove_why);
    host->begin(host, &origin);
    source->begun = true;
    source->standing_by = source->told_making = false;
    source->own_pid = PQbackendPID(source->conn);
    if (source->guard)
        guard_found(source->guard, source->conn);
    source->moved_ns = source_now(source);
    source->state = SOURCE_STREAMING;
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_LSN("position", source->start)};
    source_say(source, LEAT_LOG_INFO, "streaming", fields, 2);
}

/* The same place failed again: sooner or later that is for ever. */
static leat_status give_up(leat_source *source, const char *why, leat_error *error)
{
    const char *slot = source->options->slot;
    char from[WAL_TEXT], at[WAL_TEXT], commit[WAL_TEXT];
    (void)wal_print(source->failed_start, from);
    (void)wal_print(source->stream.last_lsn, at);
    if (source->publication_error)
        (void)fault_set(
            error, LEAT_ECONFIG, 78,
            "%.160s: it exists now, but not yet where slot \"%s\" stands (%s), and "
            "PostgreSQL decodes with the catalogue of that time; skip what lies between: "
            "SELECT pg_replication_slot_advance('%s', pg_current_wal_lsn()), and set accept_gap "
            "to the position that it returns",
            why, slot, from, slot);
    else if (source->stream.begin_lsn > source->failed_start)
        (void)fault_set(
            error, LEAT_EFATAL, 74,
            "the server cannot send a change at or behind %s of the transaction at %s: "
            "%.150s; to give that transaction up: SELECT pg_replication_slot_advance('%s',"
            " pg_lsn '%s' + 1), and set accept_gap to the position that it returns",
            at, wal_print(source->stream.begin_lsn, commit), why, slot, commit);
    else
        (void)fault_set(
            error, LEAT_EFATAL, 74,
            "the stream fails %d times in a row behind %s: %.200s; to give up what the "
            "server cannot send: SELECT pg_replication_slot_advance('%s', <the end of that "
            "transaction>), and set accept_gap to the position that it returns",
            TRIES, from, why, slot);
    return source_fail(source, error);
}

static leat_status end_of_stream(leat_source *source, bool server_error, leat_error *error)
{
    uint64_t restart = decoder_restart_position(source->decoder);
    if (restart < source->start)
        restart = source->start;
    if (!server_error) {
        source->failed_count = 0;
    } else {
        source->failed_count = restart == source->failed_start ? source->failed_count + 1 : 1;
        source->failed_start = restart;
        if (source->failed_count >= (source->publication_error ? 2 : TRIES)) {
            char why[FAULT_TEXT];
            return give_up(source, fault_line(why, sizeof why, error->text), error);
        }
    }
    if (source_now(source) - source->stream.begun_ns > STEADY_NS || source->publication_error)
        source->delay_ms = 0;
    source_lose(source, "connection lost", error->text, NULL);
    return LEAT_OK;
}

/* Sinks that stand still for long must not keep PostgreSQL from shutting down: the slot is enough
 * to hold our place.  The message in hand is offered on, and taken when there is room again. */
static void release(leat_source *source, const char *why)
{
    const leat_field fields[] = {LEAT_F_INT("after_ms", source->options->release_after_ms)};
    source_report(source, LEAT_STATE_WAITING, why);
    source_say(source, LEAT_LOG_WARN, why, fields, 1);
    source->released_serial = source->returned_serial;
    source->released_lsn = source->durable;
    replication_finish(source, source_now(source));
    source_close(source);
    source->state = SOURCE_RELEASED;
}

/* Batches are out, or there is no memory for one, and none has come back for release_after. */
static bool sinks_stand_still(leat_source *source, int64_t now)
{
    if (!source->stream.pending && decoder_published(source->decoder) <= source->returned_serial)
        source->moved_ns = now;
    return now - source->moved_ns > source->options->release_after_ms * MS;
}

/* A server that shuts down asks again and again for what cannot be confirmed yet. */
static bool server_waits(const leat_source *source, int64_t now)
{
    const struct replication *stream = &source->stream;
    int64_t limit_ms = source->options->release_after_ms;
    if (limit_ms > SERVER_WAITS_MS)
        limit_ms = SERVER_WAITS_MS;
    return stream->asked_times >= SERVER_ASKS && stream->asked.lsn > source->durable.lsn &&
           now - stream->asked_since_ns > limit_ms * MS;
}

leat_status source_step_streaming(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    bool server_error = false;
    leat_status status = replication_round(source, max_wait_ms, &server_error, error);
    if (status == LEAT_ERETRY)
        return end_of_stream(source, server_error, error);
    if (status)
        return source_fail(source, error);
    if (source->options->release_after_ms == 0)
        return LEAT_OK;
    int64_t now = source_now(source);
    if (source->watch.on && (sinks_stand_still(source, now) || server_waits(source, now)))
        return source_fail(source, watch_too_slow(&source->watch, error));
    if (sinks_stand_still(source, now))
        release(source, "the sinks take nothing: connection released until they do");
    else if (server_waits(source, now))
        release(source, "the server waits for what is not durable yet: connection released");
    return LEAT_OK;
}

leat_status source_step_released(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    bool waited = source->stream.pending != NULL;
    leat_status status = replication_offer(source, error);
    bool moved = (waited && status == LEAT_OK) ||
                 source->returned_serial > source->released_serial ||
                 source->durable.lsn > source->released_lsn.lsn;
    if (status == LEAT_AGAIN || (status == LEAT_OK && !moved)) {
        (void)source_wait(source, -1, 0, source_now(source) + 1000 * MS, max_wait_ms);
        return LEAT_OK;
    }
    /* Not the protocol or the catalogue: the next connection will tell. */
    if (status && status != LEAT_EFATAL && status != LEAT_ERETRY)
        return source_fail(source, error);
    source->moved_ns = source_now(source);
    source->delay_ms = 0;
    source->state = SOURCE_WAITING;
    source->retry_ns = source_now(source);
    return LEAT_OK;
}
