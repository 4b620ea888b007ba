/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.c -- visits the slot from outside, and sends the heartbeat.  [worker]  Never waits.
 * What a look says is judged in guard_look.c.
 */
#include "guard.h"
#include "decoder.h"
#include "fault.h"
#include "guard_look.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

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
    struct guard_look look;
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
    look_init(&guard->look, host, options);
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
    look_forget(&guard->look);
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
    figures_count(&guard->look.figures, FIGURE_FAILURES);
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

/* ---- what comes back ------------------------------------------------------------------------- */

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
        guard->look_ns = now_of(guard) + guard->options->guard_interval_ms * MS;
        status = look_judge(&guard->look, &guard->facts.slot, view, error);
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
        figures_set(&guard->look.figures, FIGURE_WAL_DIRECTORY,
                    strtod(PQgetvalue(result, 0, 0), NULL));
    } else {
        figures_count(&guard->look.figures, FIGURE_HEARTBEATS);
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
