/* SPDX-License-Identifier: Apache-2.0
 *
 * replication.c -- the stream: CopyData in, feedback out.  [worker]
 * Never blocks but in its one wait (pace.c), which the host can end; never confirms what it only
 * saw.
 */
#include "replication.h"
#include "fault.h"
#include "source.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#define MS INT64_C(1000000)

#define ROUND_BYTES (256u * 1024u) /* then the host gets its turn                              */

#define DATA_HEADER 25 /* 'w', start, end, time */
#define KEEPALIVE_SIZE 18
#define EPOCH_2000_US (INT64_C(946684800) * 1000000)

static int64_t now_of(const leat_source *source)
{
    return source->host->now_ns(source->host);
}

void replication_begin(leat_source *source)
{
    struct replication *stream = &source->stream;
    const struct pgoutput_options *options = source->options;
    int64_t now = now_of(source);
    const char *host = PQhost(source->conn);
    bool local = host && (*host == '/' || *host == '@');
    assert(!stream->pending);
    *stream = (struct replication){
        .begun_ns = now,
        .heard_ns = now,
        .pinged_ns = now,
        .liveness_ns = options_liveness_ms(options) * MS,
        .pace = pace_begin(local),
    };
    /* Not source->start: a stream that begins anew begins behind what was handed over, and that is
     * not durable yet. */
    feedback_begin(&stream->feedback, source->durable, options->status_interval_ms,
                   source->facts.wal_sender_timeout_ms, now);
    decoder_begin_stream(source->decoder);
}

void replication_end(leat_source *source)
{
    PQfreemem(source->stream.pending);
    source->stream.pending = NULL;
}

/* ---- telling the server ---------------------------------------------------------------------- */

static leat_status lost(const leat_source *source, leat_error *error)
{
    char text[FAULT_TEXT];
    return fault_set(error, LEAT_ERETRY, 0, "%s",
                     fault_line(text, sizeof text, PQerrorMessage(source->conn)));
}

static leat_status tell(leat_source *source, bool ask, leat_error *error)
{
    struct replication *stream = &source->stream;
    struct timespec wall;
    char message[FEEDBACK_SIZE];
    int64_t now = now_of(source);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    feedback_message(&stream->feedback, now, (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000,
                     ask, message);
    if (ask)
        stream->pinged_ns = now;
    if (PQputCopyData(source->conn, message, sizeof message) < 0)
        return lost(source, error);
    return LEAT_OK;
}

static leat_status tell_when_due(leat_source *source, int64_t now, leat_error *error)
{
    struct replication *stream = &source->stream;
    leat_status status = LEAT_OK;
    /* Nothing is read while a message is pending, so silence means nothing then. */
    if (stream->pending)
        stream->heard_ns = now;
    if (now - stream->heard_ns > stream->liveness_ns)
        return fault_set(error, LEAT_ERETRY, 0, "nothing was heard for %lld ms",
                         (long long)((now - stream->heard_ns) / MS));
    bool ask =
        now - stream->heard_ns > stream->liveness_ns / 2 && stream->pinged_ns <= stream->heard_ns;
    if (ask || now >= feedback_due(&stream->feedback))
        status = tell(source, ask, error);
    if (status)
        return status;
    int unsent = PQflush(source->conn);
    stream->unsent = unsent > 0;
    return unsent < 0 ? lost(source, error) : LEAT_OK;
}

void replication_durable(leat_source *source)
{
    struct feedback *feedback = &source->stream.feedback;
    feedback_durable(feedback, source->durable);
    /* A failure shows in the next round. */
    if (feedback_due(feedback) <= now_of(source) && tell(source, false, NULL) == LEAT_OK)
        source->stream.unsent = PQflush(source->conn) > 0;
}

/* ---- taking messages ------------------------------------------------------------------------- */

static leat_status malformed(const char *data, int size, leat_error *error)
{
    char hex[65] = "";
    for (int i = 0; i < size && i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)data[i]);
    return fault_set(error, LEAT_EFATAL, 0,
                     "a message of %d bytes that is no part of the protocol, beginning %s", size,
                     hex);
}

static void take_keepalive(leat_source *source, const char *data)
{
    const leat_host *host = source->host;
    struct feedback *feedback = &source->stream.feedback;
    wal_seen end = {wal_get64(data + 1)};
    feedback_see(feedback, end);
    if (!decoder_in_transaction(source->decoder)) {
        decoder_flush(source->decoder);
        host->idle_position(host, end.lsn);
    }
    if (!data[17])
        return;
    feedback->owed = true;
    if (end.lsn <= feedback->durable.lsn) {
        source->stream.asked_times = 0;
        return;
    }
    host->confirm_soon(host);
    if (source->stream.asked_times++ == 0 || end.lsn != source->stream.asked.lsn) {
        source->stream.asked_since_ns = now_of(source);
        source->stream.asked_times = 1;
    }
    source->stream.asked = end;
}

/* One CopyData payload (PostgreSQL manual, Streaming Replication Protocol). */
static leat_status take(leat_source *source, const char *data, int size, leat_error *error)
{
    struct replication *stream = &source->stream;
    if (size > DATA_HEADER && data[0] == 'w') {
        const char *message = data + DATA_HEADER;
        uint64_t lsn = wal_get64(data + 1);
        if (lsn) /* none: a message that is not the last one of its change, as a Relation */
            stream->last_lsn = lsn;
        feedback_see(&stream->feedback, (wal_seen){lsn});
        if (message[0] == 'B' && size >= DATA_HEADER + 17) {
            stream->begin_lsn = wal_get64(message + 1);
            stream->begin_us = (int64_t)wal_get64(message + 9) + EPOCH_2000_US;
        }
        return decoder_feed(source->decoder, message, (size_t)size - DATA_HEADER, error);
    }
    if (size >= KEEPALIVE_SIZE && data[0] == 'k') {
        take_keepalive(source, data);
        return LEAT_OK;
    }
    return malformed(data, size, error);
}

/* The decoder has no room: the message stays ours.  (Where the catalogue has no answer the stream
 * ends instead: a server that shuts down answers no query, and waits for our connection to end.) */
static void hold(leat_source *source, char *data, int size)
{
    struct replication *stream = &source->stream;
    int64_t now = now_of(source);
    if (!stream->pending)
        stream->pending_since_ns = now;
    stream->pending = data;
    stream->pending_size = size;
    stream->pending_retry_ns = now;
}

static leat_status take_or_hold(leat_source *source, char *data, int size, leat_error *error)
{
    leat_status status = take(source, data, size, error);
    if (status == LEAT_AGAIN) {
        hold(source, data, size);
        return LEAT_AGAIN;
    }
    PQfreemem(data);
    source->stream.pending = NULL;
    return status;
}

leat_status replication_offer(leat_source *source, leat_error *error)
{
    struct replication *stream = &source->stream;
    if (!stream->pending)
        return LEAT_OK;
    if (now_of(source) < stream->pending_retry_ns)
        return LEAT_AGAIN;
    return take_or_hold(source, stream->pending, stream->pending_size, error);
}

/* Is this an error that would come again at the same place?  Not one of the connection, of
 * resources, of an operator, of a slot in use. */
static bool is_lasting(const char *state)
{
    return *state && strncmp(state, "08", 2) != 0 && strncmp(state, "53", 2) != 0 &&
           strncmp(state, "57", 2) != 0 && strcmp(state, "55006") != 0;
}

static leat_status ended(leat_source *source, int code, bool *server_error, leat_error *error)
{
    if (code < -1)
        return lost(source, error);
    PGresult *result = PQisBusy(source->conn) ? NULL : PQgetResult(source->conn);
    if (PQresultStatus(result) != PGRES_FATAL_ERROR) {
        PQclear(result);
        return fault_set(error, LEAT_ERETRY, 0, "the server ended the stream");
    }
    char text[FAULT_TEXT];
    const char *state = fault_sqlstate(result);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    *server_error = is_lasting(state);
    source->publication_error =
        strcmp(state, "42704") == 0 && primary && strncmp(primary, "publication ", 12) == 0;
    (void)fault_set(error, LEAT_ERETRY, 0, "%s", fault_result(text, sizeof text, result));
    PQclear(result);
    return LEAT_ERETRY;
}

/* All that is there.  OK: the socket is empty, or the round's bytes are used up (*more).  AGAIN: a
 * message is pending. */
static leat_status drain(leat_source *source, size_t *bytes, bool *more, bool *server_error,
                         leat_error *error)
{
    bool looked = false;
    for (;;) {
        char *data;
        int size = PQgetCopyData(source->conn, &data, 1);
        if (size > 0) {
            looked = false;
            *bytes += (size_t)size;
            leat_status status = take_or_hold(source, data, size, error);
            /* The open batch was full and has been published: the next one may have room. */
            if (status == LEAT_AGAIN)
                status = replication_offer(source, error);
            /* Not the pipeline's end: the connection's.  The text says what came. */
            if (status == LEAT_EFATAL) {
                *server_error = true;
                return LEAT_ERETRY;
            }
            if (status)
                return status;
            if (*bytes >= ROUND_BYTES) {
                *more = true;
                return LEAT_OK;
            }
        } else if (size < 0) {
            return ended(source, size, server_error, error);
        } else if (looked) {
            return LEAT_OK;
        } else {
            if (!PQconsumeInput(source->conn)) {
                /* An error message may lie in front of the end. */
                size = PQgetCopyData(source->conn, &data, 1);
                if (size > 0) {
                    PQfreemem(data);
                    size = -2;
                }
                return ended(source, size == -1 ? -1 : -2, server_error, error);
            }
            looked = true;
        }
    }
}

/* ---- one round ------------------------------------------------------------------------------- */

static int64_t publish(leat_source *source, int64_t now)
{
    int64_t since;
    if (!decoder_pending(source->decoder, &since))
        return INT64_MAX;
    /* The rest of the transaction is on its way: its last change is to be known as that. */
    if (decoder_in_transaction(source->decoder))
        return INT64_MAX;
    int64_t age_ns = (int64_t)source->host->max_delay_us * 1000;
    if (source->host->sinks_busy(source->host) && now - since < age_ns)
        return since + age_ns;
    decoder_flush(source->decoder);
    return INT64_MAX;
}

leat_status replication_round(leat_source *source, int32_t max_wait_ms, bool *server_error,
                              leat_error *error)
{
    struct replication *stream = &source->stream;
    size_t bytes = 0;
    bool more = false;
    int64_t now = now_of(source);
    leat_status status = tell_when_due(source, now, error);
    if (status)
        return status;
    status = replication_offer(source, error);
    if (status == LEAT_EFATAL) {
        *server_error = true;
        return LEAT_ERETRY;
    }
    if (status == LEAT_OK)
        status = drain(source, &bytes, &more, server_error, error);
    if (status && status != LEAT_AGAIN)
        return status;
    now = now_of(source);
    if (bytes) {
        if (source->reporting)
            source->reporting->received(source->host, bytes, stream->last_lsn);
        stream->heard_ns = now;
        stream->pace.hot++;
    }
    int64_t publish_ns = publish(source, now);
    if (more || max_wait_ms == 0)
        return LEAT_OK;
    if (stream->feedback.owed && feedback_due(&stream->feedback) <= now)
        return LEAT_OK; /* the next round answers */
    pace_wait(source, bytes, publish_ns, max_wait_ms);
    return LEAT_OK;
}

/* ---- goodbye --------------------------------------------------------------------------------- */

/* Reads and drops until the server has ended its side.  False: wait for the socket. */
static bool ended_by_server(PGconn *conn)
{
    char *data;
    int size;
    while ((size = PQgetCopyData(conn, &data, 1)) > 0)
        PQfreemem(data);
    return size < 0;
}

void replication_finish(leat_source *source, int64_t deadline_ns)
{
    PGconn *conn = source->conn;
    if (tell(source, true, NULL) || PQputCopyEnd(conn, NULL) < 0)
        return;
    for (;;) {
        int unsent = PQflush(conn);
        if (unsent < 0 || ended_by_server(conn))
            return;
        int64_t left_ns = deadline_ns - now_of(source);
        if (left_ns <= 0)
            return;
        struct pollfd fd = {.fd = PQsocket(conn),
                            .events = (short)(POLLIN | (unsent ? POLLOUT : 0))};
        if (poll(&fd, 1, (int)(left_ns / MS) + 1) < 0 && errno != EINTR)
            return;
        if (!PQconsumeInput(conn))
            return;
    }
}
