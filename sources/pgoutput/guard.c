/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.c -- visits the slot from outside, and sends the heartbeat.  [worker]  Never waits.
 *
 * What is wrong with the slot while it is read from is found by the stream itself and by the start
 * of the next one (slot.h).  Here only what nobody else would notice ends the pipeline: a slot that
 * is lost, gone or a stranger's while the stream was given up because the sinks stand still.
 */
#include "guard.h"
#include "decoder.h"
#include "fault.h"
#include "guard_act.h"
#include "guard_figures.h"
#include "slot.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS INT64_C(1000000)
#define VISIT_MS 5000      /* the longest                                            */
#define KEEP_MS 2000       /* the next one is sooner than this: the connection stays */
#define DELAY_MAX_MS 60000 /* between two tries                                      */
#define DIRECTORY_MS 10000 /* pg_wal is listed no more often                         */

/*                  conn   sql   leaves to */
enum guard_state {
    GUARD_AWAY, /* maybe   no    CONNECTING or LOOKING or BEATING, when something is due     */
    GUARD_CONNECTING, /* yes     no    LOOKING or BEATING; AWAY on failure */
    GUARD_LOOKING, /* yes     yes   LISTING, BEATING, AWAY                                      */
    GUARD_LISTING, /* yes     yes   BEATING, AWAY                                               */
    GUARD_BEATING  /* yes     yes   AWAY                                                        */
};

struct guard {
    const leat_host *host;
    const struct pgoutput_options *options;
    enum guard_state state;
    PGconn *conn;    /* NULL: not open */
    PGresult *reply; /* owned; of an answer that has not come whole */
    short events;
    int64_t deadline_ns;
    int64_t look_ns, beat_ns, list_ns; /* when they are due; INT64_MAX: never */
    unsigned failures;                 /* in a row */
    bool told_failure;
    bool active, beats; /* the slot is ours to look at; and ours to write to */
    struct connect_place place;
    bool has_place;
    struct text *sql;
    struct origin_facts facts;
    struct guard_lag lag;
    uint64_t wal_lsn; /* at the look before */
    int64_t looked_ns;
    enum guard_condition condition;
    struct figures figures;
    struct guard_act act;
    char dsn[CONNECT_DSN_MAX];
};

static int64_t now_of(const struct guard *guard)
{
    return guard->host->now_ns(guard->host);
}

struct guard *guard_create(const leat_host *host, const struct pgoutput_options *options)
{
    struct guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return NULL;
    guard->host = host;
    guard->options = options;
    guard->look_ns = guard->beat_ns = INT64_MAX;
    guard->sql = text_create();
    figures_init(&guard->figures, host);
    act_init(&guard->act, host, options, &guard->figures);
    return guard;
}

void guard_close(struct guard *guard)
{
    PQclear(guard->reply);
    guard->reply = NULL;
    PQfinish(guard->conn);
    guard->conn = NULL;
    guard->state = GUARD_AWAY;
}

void guard_destroy(struct guard *guard)
{
    if (!guard)
        return;
    guard_close(guard);
    text_destroy(guard->sql);
    free(guard);
}

void guard_found(struct guard *guard, const PGconn *conn)
{
    const struct pgoutput_options *options = guard->options;
    int64_t now = now_of(guard);
    guard_close(guard);
    connect_place_of(conn, &guard->place);
    guard->has_place = true;
    guard->failures = 0;
    /* Another server's positions say nothing of this one's. */
    guard->lag.count = 0;
    guard->looked_ns = 0;
    guard->look_ns = options->guard_interval_ms ? now : INT64_MAX;
    guard->beat_ns = options->heartbeat_ms ? now + options->heartbeat_ms * MS : INT64_MAX;
}

/* ---- one visit ------------------------------------------------------------------------------- */

static int64_t next_ns(const struct guard *guard)
{
    if (!guard->active)
        return INT64_MAX;
    return !guard->beats || guard->look_ns < guard->beat_ns ? guard->look_ns : guard->beat_ns;
}

static void leave(struct guard *guard)
{
    guard->state = GUARD_AWAY;
    guard->failures = 0;
    guard->told_failure = false;
    if (next_ns(guard) - now_of(guard) > KEEP_MS * MS)
        guard_close(guard);
}

/* A visit came to nothing: said once, tried again ever less often. */
static void give_up(struct guard *guard, const char *why)
{
    int64_t now = now_of(guard), delay_ms = guard->options->guard_interval_ms;
    if (!delay_ms || (guard->options->heartbeat_ms && guard->options->heartbeat_ms < delay_ms))
        delay_ms = guard->options->heartbeat_ms;
    for (unsigned i = 0; i < guard->failures && delay_ms < DELAY_MAX_MS; i++)
        delay_ms *= 2;
    guard->failures++;
    figures_count(&guard->figures, FIGURE_FAILURES);
    if (!guard->told_failure) {
        const leat_field fields[] = {LEAT_F_STR("error", why), LEAT_F_INT("retry_ms", delay_ms)};
        guard->host->log(guard->host, LEAT_LOG_WARN, "the guard cannot look at the slot", fields,
                         2);
        guard->told_failure = true;
    }
    guard_close(guard);
    if (guard->look_ns != INT64_MAX)
        guard->look_ns = now + delay_ms * MS;
    if (guard->beat_ns != INT64_MAX)
        guard->beat_ns = now + delay_ms * MS;
}

static void give_up_connection(struct guard *guard)
{
    char text[FAULT_TEXT];
    give_up(guard, fault_line(text, sizeof text, PQerrorMessage(guard->conn)));
}

static void send(struct guard *guard, enum guard_state state)
{
    guard->state = state;
    guard->deadline_ns = now_of(guard) + VISIT_MS * MS;
    text_reset(guard->sql);
    if (state == GUARD_LOOKING)
        inquiry_ask(ASK_SLOT, guard->conn, guard->options, 0, guard->sql);
    else if (state == GUARD_LISTING)
        text_add(guard->sql, "SELECT sum(size)::int8 FROM pg_ls_waldir()");
    else
        text_add(guard->sql, "SELECT pg_logical_emit_message(true, '" HEARTBEAT_PREFIX
                             "', '" HEARTBEAT_CONTENT "')");
    if (text_broken(guard->sql) || !PQsendQuery(guard->conn, guard->sql->data))
        give_up_connection(guard);
}

/* What is due now, one after the other. */
static void go_on(struct guard *guard)
{
    int64_t now = now_of(guard);
    if (now >= guard->look_ns)
        send(guard, GUARD_LOOKING);
    else if (now >= guard->beat_ns && guard->beats)
        send(guard, GUARD_BEATING);
    else
        leave(guard);
}

static void begin(struct guard *guard)
{
    leat_error error = {.size = sizeof error};
    if (guard->conn && PQstatus(guard->conn) == CONNECTION_OK) {
        go_on(guard);
        return;
    }
    guard_close(guard);
    leat_status status = connect_begin_at(connect_dsn(guard->host, guard->options, guard->dsn),
                                          CONNECT_PLAIN, &guard->place, &guard->conn, &error);
    explicit_bzero(guard->dsn, sizeof guard->dsn);
    if (status) {
        give_up(guard, error.text);
        return;
    }
    guard->events = POLLOUT;
    guard->deadline_ns = now_of(guard) + VISIT_MS * MS;
    guard->state = GUARD_CONNECTING;
}

/* ---- what a look says ------------------------------------------------------------------------ */

static void measure(struct guard *guard, const struct guard_view *view, int64_t now,
                    int64_t *lag_ns)
{
    const struct slot_facts *slot = &guard->facts.slot;
    struct timespec wall;
    *lag_ns = guard_lag_look(&guard->lag, slot->wal_lsn, slot->confirmed_lsn, now);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    if (view->commit_us) {
        int64_t age_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - view->commit_us;
        if (age_us * 1000 > *lag_ns)
            *lag_ns = age_us * 1000;
    }
    figures_set(&guard->figures, FIGURE_LAG_SECONDS, (double)*lag_ns / 1e9);
    if (guard->looked_ns && now > guard->looked_ns && slot->wal_lsn >= guard->wal_lsn)
        figures_set(&guard->figures, FIGURE_WAL_SPEED,
                    (double)(slot->wal_lsn - guard->wal_lsn) /
                        ((double)(now - guard->looked_ns) / 1e9));
    guard->wal_lsn = slot->wal_lsn;
    guard->looked_ns = now;
}

static void tell_condition(struct guard *guard, const struct slot_facts *slot)
{
    const leat_field fields[] = {
        LEAT_F_STR("slot", guard->options->slot),
        LEAT_F_STR("condition", guard_condition_word(guard->condition)),
        LEAT_F_STR("wal_status", slot->wal_status),
        LEAT_F_LSN("confirmed", slot->confirmed_lsn),
        LEAT_F_INT("active_pid", slot->active_pid),
        LEAT_F_STR("reader", slot->reader),
    };
    if (guard->condition == SLOT_FINE)
        guard->host->log(guard->host, LEAT_LOG_INFO, "the slot is ours again", fields, 1);
    else
        guard->host->log(guard->host, LEAT_LOG_WARN, "the slot is not as it should be", fields, 6);
}

/* Nobody else would find it out while the stream is given up. */
static leat_status judge_released(const struct guard *guard, leat_error *error)
{
    const char *slot = guard->options->slot;
    const struct slot_facts *facts = &guard->facts.slot;
    switch (guard->condition) {
    case SLOT_MISSING:
        return fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" was dropped while the sinks stood still: " SLOT_GAP SLOT_REFRESH, slot);
    case SLOT_LOST:
        return fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" was lost while the sinks stood still (wal_status %s%s%s): " SLOT_GAP
            "drop it (leat slot drop), raise max_slot_wal_keep_size, " SLOT_REFRESH,
            slot, facts->wal_status, *facts->invalidation ? ", " : "", facts->invalidation);
    default:
        return LEAT_OK;
    }
}

static leat_status looked(struct guard *guard, const struct guard_view *view, leat_error *error)
{
    const struct slot_facts *slot = &guard->facts.slot;
    int64_t now = now_of(guard), lag_ns;
    enum guard_condition condition = guard_condition(
        slot, view->database, view->released ? view->durable_lsn : 0, view->own_pid);
    enum guard_level level =
        slot->exists ? guard_level(guard->options, slot, guard->act.level) : guard->act.level;
    guard->look_ns = now + guard->options->guard_interval_ms * MS;
    measure(guard, view, now, &lag_ns);
    figures_count(&guard->figures, FIGURE_LOOKS);
    figures_look(&guard->figures, slot, level, condition);
    /* While a stream begins or ends, a slot may be without a reader, or with our last one. */
    if (condition != guard->condition) {
        guard->condition = condition;
        tell_condition(guard, slot);
    }
    leat_status status = view->released ? judge_released(guard, error) : LEAT_OK;
    return status ? status : act_on(&guard->act, slot, level, lag_ns, error);
}

/* One statement's answer is there.  What it was decides what comes next. */
static leat_status answered(struct guard *guard, const struct guard_view *view,
                            const PGresult *result, leat_error *error)
{
    enum guard_state state = guard->state;
    leat_status status = LEAT_OK;
    char text[FAULT_TEXT];
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        give_up(guard, fault_result(text, sizeof text, result));
        return LEAT_OK;
    }
    if (state == GUARD_LOOKING) {
        if (!inquiry_read(ASK_SLOT, result, &guard->facts)) {
            give_up(guard, "the server's answer has not the expected shape");
            return LEAT_OK;
        }
        status = looked(guard, view, error);
        if (status == LEAT_OK && guard->facts.slot.may_list_wal &&
            now_of(guard) >= guard->list_ns) {
            guard->list_ns = now_of(guard) + DIRECTORY_MS * MS;
            send(guard, GUARD_LISTING);
            return LEAT_OK;
        }
    } else if (state == GUARD_LISTING) {
        if (PQntuples(result) != 1 || PQnfields(result) != 1) {
            give_up(guard, "the server's answer has not the expected shape");
            return LEAT_OK;
        }
        figures_set(&guard->figures, FIGURE_WAL_DIRECTORY, strtod(PQgetvalue(result, 0, 0), NULL));
    } else {
        figures_count(&guard->figures, FIGURE_HEARTBEATS);
        guard->beat_ns = now_of(guard) + guard->options->heartbeat_ms * MS;
    }
    if (status)
        guard_close(guard);
    else
        go_on(guard);
    return status;
}

static leat_status step_query(struct guard *guard, const struct guard_view *view, leat_error *error)
{
    if (PQflush(guard->conn) < 0 || !PQconsumeInput(guard->conn)) {
        give_up_connection(guard);
        return LEAT_OK;
    }
    if (connect_take(guard->conn, &guard->reply) == LEAT_AGAIN) {
        if (now_of(guard) >= guard->deadline_ns)
            give_up(guard, "the server did not answer in time");
        return LEAT_OK;
    }
    PGresult *result = guard->reply;
    guard->reply = NULL;
    leat_status status = answered(guard, view, result, error);
    PQclear(result);
    return status;
}

static void step_connecting(struct guard *guard)
{
    struct pollfd fd = {.fd = PQsocket(guard->conn), .events = guard->events};
    if (PQstatus(guard->conn) == CONNECTION_BAD) {
        give_up_connection(guard);
        return;
    }
    if (poll(&fd, 1, 0) <= 0) {
        if (now_of(guard) >= guard->deadline_ns)
            give_up(guard, "the server does not answer");
        return;
    }
    leat_status status = connect_step(guard->conn, &guard->events);
    if (status == LEAT_OK)
        go_on(guard);
    else if (status == LEAT_ERETRY)
        give_up_connection(guard);
}

leat_status guard_step(struct guard *guard, const struct guard_view *view, leat_error *error)
{
    guard->active = view->streaming || view->released;
    guard->beats = view->streaming;
    if (!guard->active) {
        /* A stream that is on its way looks at the slot by itself. */
        if (guard->conn)
            guard_close(guard);
        return LEAT_OK;
    }
    switch (guard->state) {
    case GUARD_AWAY:
        if (guard->has_place && now_of(guard) >= next_ns(guard))
            begin(guard);
        return LEAT_OK;
    case GUARD_CONNECTING:
        step_connecting(guard);
        return LEAT_OK;
    default:
        return step_query(guard, view, error);
    }
}

int guard_wait(const struct guard *guard, short *events, int64_t *until_ns)
{
    *events = guard->state == GUARD_CONNECTING ? guard->events : POLLIN;
    *until_ns = guard->state == GUARD_AWAY ? next_ns(guard) : guard->deadline_ns;
    return guard->state == GUARD_AWAY ? -1 : PQsocket(guard->conn);
}
