/* SPDX-License-Identifier: Apache-2.0
 *
 * slot_create.c -- see slot_create.h.
 */
#include "slot_create.h"
#include "creation.h"
#include "fault.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define LIMIT_MS 600000
#define PATIENCE_MS 1000 /* then it is said what is waited for */

static void tell(const struct creation *creation, int64_t now, char said[CREATION_WHY])
{
    if (now - creation->begun_ns < PATIENCE_MS * MS || strcmp(creation->why, said) == 0)
        return;
    memcpy(said, creation->why, CREATION_WHY);
    (void)fprintf(stderr, "leat: waiting: %s\n", said);
}

static leat_status give_up(const struct creation *creation, int64_t since_ns, int64_t now,
                           leat_error *error)
{
    return fault_set(error, LEAT_ERETRY, 69, "%s: given up after %lld s, try again", creation->why,
                     (long long)((now - since_ns) / (1000 * MS)));
}

static leat_status lost(const PGconn *conn, leat_error *error)
{
    char text[FAULT_TEXT];
    return fault_set(error, LEAT_ERETRY, 69, "%s",
                     fault_line(text, sizeof text, PQerrorMessage(conn)));
}

static leat_status wait_for_answer(PGconn *conn, struct creation *creation, PGresult **reply,
                                   leat_error *error)
{
    char said[CREATION_WHY] = "";
    for (;;) {
        int unsent = PQflush(conn);
        if (unsent < 0)
            return lost(conn, error);
        if (connect_take(conn, reply) == LEAT_OK)
            return LEAT_OK;
        int64_t now = connect_now_ns(), until_ns, tell_ns = creation->begun_ns + PATIENCE_MS * MS;
        if (creation_step(creation, now) == CREATION_LOST)
            return give_up(creation, creation->heard_ns, now, error);
        if (now - creation->begun_ns >= LIMIT_MS * MS)
            return give_up(creation, creation->begun_ns, now, error);
        tell(creation, now, said);
        struct pollfd fds[] = {
            {.fd = PQsocket(conn), .events = (short)(POLLIN | (unsent ? POLLOUT : 0))}, {.fd = -1}};
        fds[1].fd = creation_wait(creation, &fds[1].events, &until_ns);
        if (now < tell_ns && tell_ns < until_ns)
            until_ns = tell_ns;
        int64_t left_ms = until_ns <= now ? 0 : (until_ns - now) / MS + 1;
        (void)poll(fds, 2, left_ms > PATIENCE_MS ? PATIENCE_MS : (int)left_ms);
        if (fds[0].revents && !PQconsumeInput(conn))
            return lost(conn, error);
    }
}

static leat_status judge(const PGresult *reply, struct origin_facts *facts, leat_error *error)
{
    char text[FAULT_TEXT];
    if (PQresultStatus(reply) != PGRES_TUPLES_OK)
        return fault_set(error, LEAT_EREJECT, 73, "%s", fault_result(text, sizeof text, reply));
    if (!inquiry_read(ASK_CREATE, reply, facts))
        return fault_set(error, LEAT_ERETRY, 69, "the server's answer has not the expected shape");
    return LEAT_OK;
}

leat_status slot_create(PGconn *conn, const struct pgoutput_options *options,
                        struct origin_facts *facts, leat_error *error)
{
    struct creation creation = {0};
    PGresult *reply = NULL;
    struct text *sql = text_create();
    inquiry_ask(ASK_CREATE, conn, options, 0, sql);
    bool sent = !text_broken(sql) && PQsendQuery(conn, sql->data);
    text_destroy(sql);
    if (!sent)
        return lost(conn, error);
    creation_begin(&creation, NULL, options, conn, options_liveness_ms(options) * MS,
                   connect_now_ns());
    leat_status status = wait_for_answer(conn, &creation, &reply, error);
    if (status == LEAT_OK)
        status = judge(reply, facts, error);
    creation_end(&creation);
    PQclear(reply);
    return status;
}
