/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c -- the life cycle of one source: connect, ask, stream, and again.  [worker] but for
 * create and destroy.  The states and their ways are in source.h.
 *
 * A lost connection is mended for ever, with back-off; only a gap in the data, a configuration that
 * cannot work, or a place that the server can never send ends the pipeline.
 */
#include "source.h"
#include "certificate.h"
#include "check.h"
#include "connect.h"
#include "fault.h"
#include "setup.h"
#include "slot_command.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define DELAY_FIRST_MS 100
#define STANDBY_MS 500 /* between two looks at a slot that somebody else has */
#define ASK_MS 30000
#define CREATE_MS (24 * 3600 * 1000) /* it waits for every transaction that runs now */
#define STEADY_NS (10000 * MS)       /* a stream that lasted this long was a good one */
#define GOODBYE_MS 5000
#define TIMER_SLACK_NS 5000
#define SERVER_WAITS_MS 10000
#define SERVER_ASKS 5 /* in a row */
#define TRIES 3       /* of one place in the WAL that the server cannot send */

static int64_t now_of(const leat_source *source)
{
    return source->host->now_ns(source->host);
}

static void say(const leat_source *source, int32_t level, const char *message,
                const leat_field *fields, size_t count)
{
    source->host->log(source->host, level, message, fields, count);
}

static void report(const leat_source *source, int32_t state, const char *detail)
{
    if (source->reporting)
        source->reporting->state(source->host, state, detail);
}

/* ---- waiting --------------------------------------------------------------------------------- */

const struct timespec *source_wait_time(const leat_source *source, int64_t until_ns, int32_t max_ms,
                                        struct timespec *out)
{
    int64_t left = until_ns == INT64_MAX ? INT64_MAX : until_ns - now_of(source);
    if (max_ms >= 0 && max_ms * MS < left)
        left = max_ms * MS;
    if (left == INT64_MAX)
        return NULL;
    if (left < 0)
        left = 0;
    *out = (struct timespec){.tv_sec = left / (1000 * MS), .tv_nsec = (long)(left % (1000 * MS))};
    return out;
}

short source_wait(const leat_source *source, int fd, short events, int64_t until_ns, int32_t max_ms)
{
    struct timespec time;
    struct pollfd fds[] = {
        {.fd = fd, .events = events}, {.fd = source->host->wake_fd, .events = POLLIN}, {.fd = -1}};
    if (source->guard) {
        int64_t guard_ns;
        fds[2].fd = guard_wait(source->guard, &fds[2].events, &guard_ns);
        if (guard_ns < until_ns)
            until_ns = guard_ns;
    }
    int ready = ppoll(fds, 3, source_wait_time(source, until_ns, max_ms, &time), NULL);
    return ready > 0 ? fds[0].revents : (short)0;
}

/* xorshift64: only so that two daemons do not knock in step. */
static int64_t jitter(leat_source *source, int64_t delay_ms)
{
    uint64_t x = source->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    source->random = x;
    return delay_ms / 2 + (int64_t)(x % (uint64_t)(delay_ms / 2 + 1));
}

/* ---- going back to WAITING, or for good ------------------------------------------------------ */

static void close_connection(leat_source *source)
{
    PQfinish(source->conn);
    source->conn = NULL;
}

/* Returns how long, in milliseconds. */
static int64_t wait_and_retry(leat_source *source, int64_t max_ms)
{
    close_connection(source);
    replication_end(source);
    source->delay_ms = source->delay_ms ? source->delay_ms * 2 : DELAY_FIRST_MS;
    if (source->delay_ms > max_ms)
        source->delay_ms = max_ms;
    int64_t delay_ms = jitter(source, source->delay_ms);
    source->retry_ns = now_of(source) + delay_ms * MS;
    source->state = SOURCE_WAITING;
    return delay_ms;
}

static leat_status fail(leat_source *source, leat_error *error)
{
    close_connection(source);
    replication_end(source);
    source->failure = *error;
    source->state = SOURCE_FAILED;
    report(source, LEAT_STATE_FAILED, error->text);
    return error->status;
}

/* A watcher's slot went with its connection: what follows would have a hole before it. */
static void lose_watched(leat_source *source, const char *message, const char *why,
                         const char *advice)
{
    leat_error error = {.size = sizeof error};
    (void)fault_set(&error, LEAT_EFATAL, 69, "%s: %s%s%s", message, why, advice ? "; " : "",
                    advice ? advice : "");
    (void)fail(source, &error);
}

static void lose(leat_source *source, const char *message, const char *why, const char *advice)
{
    if (source->watch.on) {
        lose_watched(source, message, why, advice);
        return;
    }
    int64_t delay_ms = wait_and_retry(source, source->options->reconnect_max_ms);
    const leat_field fields[] = {LEAT_F_STR("error", why), LEAT_F_INT("retry_ms", delay_ms),
                                 LEAT_F_STR("advice", advice)};
    report(source, LEAT_STATE_BACKING_OFF, why);
    say(source, LEAT_LOG_WARN, message, fields, advice ? 3 : 2);
}

static void lose_connecting(leat_source *source)
{
    char text[FAULT_TEXT];
    const char *why = fault_line(text, sizeof text, PQerrorMessage(source->conn));
    lose(source, "cannot connect", why, fault_connection(text).text);
}

/* ---- CONNECTING ------------------------------------------------------------------------------ */

static leat_status begin_connecting(leat_source *source, leat_error *error)
{
    const char *dsn = connect_dsn(source->host, source->options, source->dsn);
    leat_status status =
        connect_begin(dsn, CONNECT_REPLICATION, source->attempt++, &source->conn, error);
    explicit_bzero(source->dsn, sizeof source->dsn);
    if (status == LEAT_ECONFIG)
        return fail(source, error);
    if (status) {
        lose(source, "cannot connect", error->text, NULL);
        return LEAT_OK;
    }
    source->events = POLLOUT;
    source->deadline_ns = now_of(source) + source->options->connect_timeout_ms * MS;
    source->state = SOURCE_CONNECTING;
    report(source, LEAT_STATE_CONNECTING, NULL);
    return LEAT_OK;
}

static leat_status ask(leat_source *source, enum question question)
{
    source->question = question;
    source->deadline_ns = now_of(source) + (question == ASK_CREATE ? CREATE_MS : ASK_MS) * MS;
    source->state = SOURCE_ASKING;
    uint64_t number =
        question == ASK_HISTORY ? strtoull(source->facts.timeline, NULL, 10) : source->start;
    if (question == ASK_CREATE && source->watch.on)
        watch_ask(&source->watch, source->sql);
    else
        inquiry_ask(question, source->conn, source->options, number, source->sql);
    if (text_broken(source->sql) || !PQsendQuery(source->conn, source->sql->data))
        lose_connecting(source);
    return LEAT_OK;
}

static leat_status step_connecting(leat_source *source, int32_t max_wait_ms)
{
    if (PQstatus(source->conn) == CONNECTION_BAD) {
        lose_connecting(source);
        return LEAT_OK;
    }
    short ready = source_wait(source, PQsocket(source->conn), source->events, source->deadline_ns,
                              max_wait_ms);
    if (!ready) {
        if (now_of(source) >= source->deadline_ns)
            lose(source, "cannot connect", "no answer within connect_timeout",
                 "start the server, or correct host and port in dsn");
        return LEAT_OK;
    }
    leat_status status = connect_step(source->conn, &source->events);
    if (status == LEAT_ERETRY)
        lose_connecting(source);
    else if (status == LEAT_OK)
        return ask(source, ASK_SYSTEM);
    return LEAT_OK;
}

/* ---- ASKING ---------------------------------------------------------------------------------- */

static void say_connected(leat_source *source)
{
    const leat_field fields[] = {
        LEAT_F_STR("host", PQhost(source->conn)),
        LEAT_F_STR("port", PQport(source->conn)),
        LEAT_F_STR("database", source->facts.database),
        LEAT_F_INT("server_version", source->facts.version),
        LEAT_F_STR("tls",
                   PQsslInUse(source->conn) ? PQsslAttribute(source->conn, "protocol") : "no"),
    };
    say(source, LEAT_LOG_INFO, "connected", fields, 5);
    certificate_tell(source->host, PQsslStruct(source->conn, "OpenSSL"));
}

/* ---- STANDBY: somebody else has the slot ----------------------------------------------------- */

static void tell_standby(leat_source *source)
{
    const struct slot_facts *slot = &source->facts.slot;
    char detail[256];
    (void)snprintf(detail, sizeof detail, "slot \"%s\" is active for PID %lld (%s)",
                   source->options->slot, (long long)slot->active_pid,
                   slot->reader_is_us ? "a daemon of this configuration"
                   : *slot->reader    ? slot->reader
                                      : "unknown");
    report(source, LEAT_STATE_WAITING, detail);
    if (source->standing_by)
        return;
    source->standing_by = true;
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_INT("active_pid", slot->active_pid),
                                 LEAT_F_STR("reader", slot->reader)};
    say(source, slot->reader_is_us ? LEAT_LOG_INFO : LEAT_LOG_WARN,
        slot->reader_is_us ? "the slot is active elsewhere, waiting for it as the standby"
                           : "the slot is active elsewhere, for a stranger, waiting for it",
        fields, 3);
}

/* The connection stays, so that a look costs one query and the slot can be taken at once. */
static leat_status stand_by(leat_source *source)
{
    const struct slot_facts *slot = &source->facts.slot;
    source->memory.seen = source->stale = true;
    if (!slot->reader_is_us)
        source->memory.observed = 0;
    else if (slot->confirmed_lsn > source->memory.observed)
        source->memory.observed = slot->confirmed_lsn;
    tell_standby(source);
    source->retry_ns = now_of(source) + jitter(source, STANDBY_MS) * MS;
    source->state = SOURCE_STANDBY;
    return LEAT_OK;
}

static leat_status step_standby(leat_source *source, int32_t max_wait_ms)
{
    if (now_of(source) >= source->retry_ns)
        return ask(source, ASK_SLOT);
    if (source_wait(source, PQsocket(source->conn), POLLIN, source->retry_ns, max_wait_ms) &&
        !PQconsumeInput(source->conn))
        lose_connecting(source);
    return LEAT_OK;
}

/* ---- what the answers mean ------------------------------------------------------------------- */

/* This run's sinks hold what this run gave them, and they are told by nobody that the world has
 * changed: the host makes them anew, and the rules of a first connection decide. */
static leat_status begin_anew(leat_source *source, const char *why, leat_error *error)
{
    (void)fault_set(error, LEAT_ERETRY, 0, "%s", why);
    source->failure = *error;
    close_connection(source);
    replication_end(source);
    source->state = SOURCE_FAILED;
    report(source, LEAT_STATE_CONNECTING, why);
    return LEAT_ERETRY;
}

static const char *world_changed(const leat_source *source, enum slot_verdict verdict)
{
    if (!source->begun)
        return NULL;
    if (slot_timeline_changed(&source->memory, &source->facts))
        return "the server was promoted to another timeline";
    if (verdict == SLOT_WAIT && source->facts.slot.active_pid != source->own_pid)
        return "the slot was taken over while it was not read from";
    if (verdict == SLOT_PROVE)
        return "the slot was moved on while it was not read from";
    return NULL;
}

static leat_status create_slot(leat_source *source)
{
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot)};
    say(source, LEAT_LOG_INFO, "creating the slot, once the transactions that run now have ended",
        fields, 1);
    return ask(source, ASK_CREATE);
}

static leat_status demand_proof(leat_source *source, leat_error *error)
{
    if (!source->proof)
        return fail(source, error);
    source->prove = source->start;
    (void)snprintf(source->prove_why, sizeof source->prove_why, "%s", error->text);
    return LEAT_OK;
}

static leat_status judge(leat_source *source, leat_error *error)
{
    struct slot_memory *memory = &source->memory;
    uint64_t restart = decoder_restart_position(source->decoder);
    if (memory->position < restart)
        memory->position = restart;
    if (memory->position < source->durable.lsn)
        memory->position = source->durable.lsn;
    source->prove = 0;
    enum slot_verdict verdict =
        slot_judge(source->options, &source->facts, memory, &source->start, error);
    const char *changed = world_changed(source, verdict);
    if (changed)
        return begin_anew(source, changed, error);
    leat_status status = LEAT_OK;
    switch (verdict) {
    case SLOT_REFUSE:
        return fail(source, error);
    case SLOT_CREATE:
        return create_slot(source);
    case SLOT_WAIT:
        return stand_by(source);
    case SLOT_PROVE:
        status = demand_proof(source, error);
        break;
    case SLOT_STREAM:
        break;
    }
    if (status)
        return status;
    memory->seen = true;
    if (source->options->failover && !source->facts.slot.failover && !source->facts.in_recovery)
        return ask(source, ASK_ALTER);
    return ask(source, ASK_START);
}

/* The slot's row is there. */
static leat_status weigh(leat_source *source, leat_error *error)
{
    if (source->facts.slot.exists)
        source->memory.seen = true;
    if (source->stale && !source->facts.slot.active)
        return ask(source, ASK_SYSTEM);
    if (slot_timeline_changed(&source->memory, &source->facts) &&
        strtoull(source->facts.timeline, NULL, 10) > 1 && !source->facts.has_history &&
        !source->begun)
        return ask(source, ASK_HISTORY);
    return judge(source, error);
}

static leat_status answer(leat_source *source, const PGresult *result, leat_error *error)
{
    bool read = source->question == ASK_HISTORY
                    ? inquiry_read_history(result, source->memory.timeline, &source->facts)
                    : inquiry_read(source->question, result, &source->facts);
    if (!read) {
        lose(source, "cannot begin", "the server's answer has not the expected shape", NULL);
        return LEAT_OK;
    }
    switch (source->question) {
    case ASK_SYSTEM:
        source->stale = false;
        source->facts.has_history = false;
        source->facts.fork_lsn = 0;
        return ask(source, ASK_SETTINGS);
    case ASK_SETTINGS:
        say_connected(source);
        return ask(source, ASK_PUBLICATIONS);
    case ASK_PUBLICATIONS:
        return ask(source, ASK_SLOT);
    case ASK_SLOT:
        return weigh(source, error);
    case ASK_HISTORY:
        return judge(source, error);
    case ASK_ALTER: {
        const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot)};
        say(source, LEAT_LOG_INFO, "made the slot a failover slot", fields, 1);
        source->facts.slot.failover = true;
        return ask(source, ASK_START);
    }
    case ASK_CREATE: {
        const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                     LEAT_F_LSN("position", source->facts.slot.confirmed_lsn)};
        say(source, LEAT_LOG_INFO, "slot created", fields, 2);
        source->facts.slot.failover = source->options->failover;
        return judge(source, error);
    }
    case ASK_START:
        break;
    }
    return LEAT_OK;
}

static void say_taken_over(leat_source *source)
{
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_LSN("recorded", source->memory.position),
                                 LEAT_F_LSN("position", source->start)};
    if (source->prove)
        say(source, LEAT_LOG_WARN,
            "the slot begins behind the recorded position: the sinks have to show that they hold "
            "what lies between",
            fields, 3);
    else if (source->memory.observed)
        say(source, LEAT_LOG_INFO, "taking over where the daemon before us left off", fields, 3);
    else
        say(source, LEAT_LOG_WARN, "a gap is accepted, as accept_gap says", fields, 3);
}

static void begin_streaming(leat_source *source)
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
    source->standing_by = false;
    source->own_pid = PQbackendPID(source->conn);
    if (source->guard)
        guard_found(source->guard, source->conn);
    source->moved_ns = now_of(source);
    source->state = SOURCE_STREAMING;
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_LSN("position", source->start)};
    say(source, LEAT_LOG_INFO, "streaming", fields, 2);
}

static leat_status refused(leat_source *source, const PGresult *result, leat_error *error)
{
    char text[FAULT_TEXT];
    const char *state = fault_sqlstate(result);
    (void)fault_result(text, sizeof text, result);
    /* Somebody was quicker, or (PostgreSQL 17) the slot is being synchronised: look again. */
    if (strcmp(state, "55006") == 0 && source->question != ASK_CREATE) {
        source->retry_ns = now_of(source) + jitter(source, STANDBY_MS) * MS;
        source->state = SOURCE_STANDBY;
        report(source, LEAT_STATE_WAITING, text);
        return LEAT_OK;
    }
    if (source->question == ASK_HISTORY)
        return judge(source, error);
    const char *advice = NULL;
    if (strcmp(state, "42501") == 0)
        advice = "give the role the right to replicate: leat setup prints the SQL";
    else if (strcmp(state, "53400") == 0)
        advice = "raise max_replication_slots on the server, which needs a restart, or drop a slot";
    lose(source, "cannot begin", text, advice);
    return LEAT_OK;
}

static leat_status step_asking(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    PGconn *conn = source->conn;
    int unsent = PQflush(conn);
    if (unsent < 0) {
        lose_connecting(source);
        return LEAT_OK;
    }
    if (PQisBusy(conn)) {
        short ready = source_wait(source, PQsocket(conn), (short)(POLLIN | (unsent ? POLLOUT : 0)),
                                  source->deadline_ns, max_wait_ms);
        if (ready && !PQconsumeInput(conn))
            lose_connecting(source);
        else if (!ready && now_of(source) >= source->deadline_ns)
            lose(source, "cannot begin", "the server did not answer a query in time", NULL);
        return LEAT_OK;
    }
    PGresult *result = PQgetResult(conn), *rest;
    leat_status status = LEAT_OK;
    ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_COPY_BOTH && source->question == ASK_START) {
        begin_streaming(source);
    } else {
        /* What follows a result (its end) has come with it; libpq waits for it otherwise. */
        while (kind != PGRES_COPY_BOTH && (rest = PQgetResult(conn)))
            PQclear(rest);
        bool answered =
            kind == PGRES_TUPLES_OK || (kind == PGRES_COMMAND_OK && source->question == ASK_ALTER);
        status = answered ? answer(source, result, error) : refused(source, result, error);
    }
    PQclear(result);
    return status;
}

/* ---- STREAMING ------------------------------------------------------------------------------- */

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
    return fail(source, error);
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
    if (now_of(source) - source->stream.begun_ns > STEADY_NS || source->publication_error)
        source->delay_ms = 0;
    lose(source, "connection lost", error->text, NULL);
    return LEAT_OK;
}

/* Sinks that stand still for long must not keep PostgreSQL from shutting down: the slot is enough
 * to hold our place.  The message in hand is offered on, and taken when there is room again. */
static void release(leat_source *source, const char *why)
{
    const leat_field fields[] = {LEAT_F_INT("after_ms", source->options->release_after_ms)};
    report(source, LEAT_STATE_WAITING, why);
    say(source, LEAT_LOG_WARN, why, fields, 1);
    source->released_serial = source->returned_serial;
    source->released_lsn = source->durable;
    replication_finish(source, now_of(source));
    close_connection(source);
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

static leat_status step_streaming(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    bool server_error = false;
    leat_status status = replication_round(source, max_wait_ms, &server_error, error);
    if (status == LEAT_ERETRY)
        return end_of_stream(source, server_error, error);
    if (status)
        return fail(source, error);
    if (source->options->release_after_ms == 0)
        return LEAT_OK;
    int64_t now = now_of(source);
    if (source->watch.on && (sinks_stand_still(source, now) || server_waits(source, now)))
        return fail(source, watch_too_slow(&source->watch, error));
    if (sinks_stand_still(source, now))
        release(source, "the sinks take nothing: connection released until they do");
    else if (server_waits(source, now))
        release(source, "the server waits for what is not durable yet: connection released");
    return LEAT_OK;
}

static leat_status step_released(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    bool waited = source->stream.pending != NULL;
    leat_status status = replication_offer(source, error);
    bool moved = (waited && status == LEAT_OK) ||
                 source->returned_serial > source->released_serial ||
                 source->durable.lsn > source->released_lsn.lsn;
    if (status == LEAT_AGAIN || (status == LEAT_OK && !moved)) {
        (void)source_wait(source, -1, 0, now_of(source) + 1000 * MS, max_wait_ms);
        return LEAT_OK;
    }
    /* Not the protocol or the catalogue: the next connection will tell. */
    if (status && status != LEAT_EFATAL && status != LEAT_ERETRY)
        return fail(source, error);
    source->moved_ns = now_of(source);
    source->delay_ms = 0;
    source->state = SOURCE_WAITING;
    source->retry_ns = now_of(source);
    return LEAT_OK;
}

/* ---- the operations -------------------------------------------------------------------------- */

static void destroy(leat_source *source)
{
    if (!source)
        return;
    close_connection(source);
    replication_end(source);
    decoder_destroy(source->decoder);
    guard_destroy(source->guard);
    catalog_destroy(source->catalog);
    text_destroy(source->sql);
    free(source);
}

static leat_status create(const leat_host *host, const void *config, leat_source **out,
                          leat_error *error)
{
    const struct pgoutput_options *options = config;
    leat_status status = options_check(options, error);
    if (status)
        return status;
    leat_source *source = *out = calloc(1, sizeof *source);
    if (!source)
        return fault_set(error, LEAT_EFATAL, 0, "no memory for a source");
    const struct decoder_options decoder_options = {
        .json = options->json,
        .array = options->array,
        .composite = options->composite,
        .types_max = options->types_max,
        .relations_max = options->relations_max,
    };
    source->host = host;
    source->reporting = host->extension ? host->extension(host, LEAT_EXTENSION_STATUS) : NULL;
    source->proof = host->extension ? host->extension(host, LEAT_EXTENSION_PROOF) : NULL;
    source->options = options;
    source->sql = text_create();
    bool guarded = options->guard_interval_ms || options->heartbeat_ms;
    if (guarded)
        source->guard = guard_create(host, options);
    source->catalog = catalog_create(host, options);
    if (source->catalog)
        source->decoder =
            decoder_create(host, &decoder_options, catalog_functions(source->catalog));
    if (!source->sql || !source->catalog || !source->decoder || (guarded && !source->guard))
        return fault_set(error, LEAT_EFATAL, 0, "no memory for a source");
    return LEAT_OK;
}

static leat_status start(leat_source *source, const leat_source_start *begin, leat_error *error)
{
    /* Naps of 100 us are worth nothing with the usual slack of 50 us. */
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    if (LEAT_HAS(begin, leat_source_start, watch) && begin->watch != LEAT_WATCH_NO) {
        watch_begin(&source->watch, source->options, begin->watch, (uint64_t)now_of(source));
        source->options = &source->watch.options;
        guard_destroy(source->guard);
        source->guard = NULL;
    }
    leat_status status = slot_recall(&source->memory, begin, error);
    if (status)
        return status;
    source->durable.lsn = begin->position;
    source->retry_ns = now_of(source);
    source->random = ((uint64_t)source->retry_ns ^ (uint64_t)getpid() << 32) | 1;
    source->state = SOURCE_WAITING;
    return LEAT_OK;
}

static leat_status look_after_slot(leat_source *source, leat_error *error)
{
    const struct replication *stream = &source->stream;
    const struct guard_view view = {
        .streaming = source->state == SOURCE_STREAMING,
        .released = source->state == SOURCE_RELEASED,
        .own_pid = source->own_pid,
        .durable_lsn = source->durable.lsn,
        .commit_us = stream->begin_lsn >= source->durable.lsn ? stream->begin_us : 0,
        .database = source->facts.database,
    };
    leat_status status = guard_step(source->guard, &view, error);
    return status ? fail(source, error) : LEAT_OK;
}

static leat_status poll_source(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    leat_status status = source->guard ? look_after_slot(source, error) : LEAT_OK;
    if (status)
        return status;
    switch (source->state) {
    case SOURCE_WAITING:
        if (now_of(source) >= source->retry_ns)
            return begin_connecting(source, error);
        (void)source_wait(source, -1, 0, source->retry_ns, max_wait_ms);
        return LEAT_OK;
    case SOURCE_CONNECTING:
        return step_connecting(source, max_wait_ms);
    case SOURCE_ASKING:
        return step_asking(source, max_wait_ms, error);
    case SOURCE_STANDBY:
        return step_standby(source, max_wait_ms);
    case SOURCE_STREAMING:
        return step_streaming(source, max_wait_ms, error);
    case SOURCE_RELEASED:
        return step_released(source, max_wait_ms, error);
    case SOURCE_CLOSED:
        return fault_set(error, LEAT_EFATAL, 70, "poll before start");
    case SOURCE_FAILED:
        break;
    }
    *error = source->failure;
    return source->failure.status;
}

static void progress(leat_source *source, const leat_progress *made)
{
    decoder_returned(source->decoder, made->returned_serial);
    if (made->returned_serial > source->returned_serial)
        source->moved_ns = now_of(source);
    source->returned_serial = made->returned_serial;
    if (made->durable_position <= source->durable.lsn)
        return;
    source->durable.lsn = made->durable_position;
    if (source->state == SOURCE_STREAMING)
        replication_durable(source);
}

static leat_status stop(leat_source *source, uint32_t deadline_ms)
{
    int64_t limit_ms = deadline_ms < GOODBYE_MS ? deadline_ms : GOODBYE_MS;
    if (source->state == SOURCE_STREAMING)
        replication_finish(source, now_of(source) + limit_ms * MS);
    else if (source->state == SOURCE_ASKING && source->watch.on)
        watch_cancel(source->conn);
    close_connection(source);
    replication_end(source);
    catalog_close(source->catalog);
    if (source->guard)
        guard_close(source->guard);
    source->state = SOURCE_CLOSED;
    return LEAT_OK;
}

const leat_source_ops source_ops = {
    .size = sizeof(leat_source_ops),
    .caps = LEAT_SOURCE_WATCHES,
    .create = create,
    .start = start,
    .poll = poll_source,
    .progress = progress,
    .stop = stop,
    .destroy = destroy,
    .check = check_run,
    .setup = setup_print,
    .slot = slot_command,
};
