/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver.c -- submit, poll, stop: batches in, messages out, acknowledgements in, batches back.
 * [worker]  Allocates nothing.
 */
#include "sink.h"

#include <stdio.h>

enum { RETRY_MS = 1000, SILENCE_MS = 1000 };

/* ---- what arrives ---------------------------------------------------------------------------- */

static void take_failure(leat_sink *sink, uint64_t message, struct flight *flight,
                         const struct publish_ack *ack)
{
    flight->state = FLIGHT_FAILED;
    if (sink->failed && message > sink->failed_message)
        return;
    sink->failed = true;
    sink->failed_message = message;
    sink->failure = *ack;
}

/* An acknowledgement must say what we think: another number means that somebody else writes. */
static bool as_expected(const leat_sink *sink, const struct flight *flight, struct publish_ack *ack)
{
    if (flight->messages > 1 && ack->count != flight->messages) {
        (void)snprintf(ack->text, sizeof ack->text, "an atomic batch of %u was stored as %llu",
                       flight->messages, (unsigned long long)ack->count);
        ack->code = -1;
        return false;
    }
    if (sink->options->dedupe == DEDUPE_SEQUENCE && ack->sequence != flight->expected) {
        (void)snprintf(ack->text, sizeof ack->text,
                       "sequence %llu instead of %llu: does somebody else write to the stream?",
                       (unsigned long long)ack->sequence, (unsigned long long)flight->expected);
        ack->code = STREAM_WRONG_LAST_SEQUENCE;
        return false;
    }
    return true;
}

static void take_ack(leat_sink *sink, char kind, uint64_t reply, const struct wire_event *event)
{
    struct window *window = &sink->window;
    struct publish_ack ack;
    if (kind == 'b' && !event->payload.len && !event->headers.len)
        return; /* the first message of an atomic batch was taken */
    bool good = stream_parse_ack(event, sink->options->stream, &ack);
    uint64_t message =
        publisher_number(&sink->publisher, reply, good && !ack.code ? ack.sequence : 0);
    if (message < window->head_message || message >= window->next_message)
        return; /* of before a rewind */
    struct flight *flight = window_flight(window, message);
    if (flight->state != FLIGHT_OUT)
        return;
    sink->progress_ms = socket_clock_ms();
    if ((!good || ack.code || ack.status) && sink->publisher.reply_mask != UINT64_MAX &&
        window->next_message - window->head_message > sink->publisher.reply_mask + 1) {
        sink->unclear = true;
        memcpy(sink->failure.text, ack.text, sizeof sink->failure.text);
        return;
    }
    window->answered++;
    if (!good)
        ack.code = -1;
    if (ack.code || ack.status || !as_expected(sink, flight, &ack)) {
        take_failure(sink, message, flight, &ack);
        return;
    }
    flight->state = FLIGHT_STORED;
    if (ack.sequence > sink->acked_sequence)
        sink->acked_sequence = ack.sequence;
}

void sink_message(void *context, char kind, uint64_t number, const struct wire_event *event)
{
    leat_sink *sink = context;
    if (kind == 'a' || kind == 'b')
        take_ack(sink, kind, number, event);
    else if (kind == 'g' || kind == 'd')
        tail_answer(sink->tail, kind, number, event);
    else if (kind == 'f' && wire_status(event->headers) == 503)
        sink->fence_free |= number == sink->fence_asked;
    else if (kind == 'f')
        sink->fence_rival = true;
    else if (kind == '!')
        (void)client_answer(&sink->client, event->reply, (leat_bytes){"alive", 5});
}

void sink_denied(void *context, leat_bytes text)
{
    leat_sink *sink = context;
    sink->denied = true;
    (void)snprintf(sink->denied_text, sizeof sink->denied_text, "%.*s",
                   (int)(text.len < 190 ? text.len : 190), text.ptr);
}

/* ---- giving back ----------------------------------------------------------------------------- */

static void give_back(leat_sink *sink, leat_status status, uint32_t durable, uint32_t retry_ms,
                      const char *text)
{
    struct window *window = &sink->window;
    const struct lent *lent = window_lent(window, window->head);
    leat_result result = {.size = sizeof result,
                          .status = status,
                          .durable_count = durable,
                          .retry_after_ms = retry_ms,
                          .text = {text, text ? strlen(text) : 0},
                          .hold_ms = sink->hold_ms};
    uint64_t token = lent->token;
    window->head++;
    sink->reported++;
    sink->host->batch_done(sink->host, token, &result);
}

static void give_back_finished(leat_sink *sink)
{
    struct window *window = &sink->window;
    struct lent *lent;
    if (window->head_message < window->next_message)
        (void)window_advance(window);
    while ((lent = window_finished(window))) {
        sink->acked =
            window_record(window, (struct place){window->head, lent->count - 1})->identity;
        sink->has_acked = true;
        sink->publisher.cautious = false;
        give_back(sink, LEAT_OK, lent->count, 0, NULL);
    }
}

/* Everything that is still lent, from the place on which the line stopped: the first batch with
 * `status` and what of it is stored, the others to be offered again.  Messages behind that place
 * that are stored are remembered, so that they are not sent again. */
static void rewind_from(leat_sink *sink, struct place stop, leat_status status, uint32_t retry_ms,
                        const char *text)
{
    struct window *window = &sink->window;
    for (uint64_t m = window->head_message; m < window->next_message; m++) {
        const struct flight *flight = window_flight(window, m);
        if (flight->state == FLIGHT_STORED)
            skip_add(&sink->skip, (struct range){window_record(window, flight->first)->identity,
                                                 window_record(window, flight->last)->identity});
    }
    skip_seal(&sink->skip, sink->has_acked ? sink->acked : (leat_identity){0, INT64_MIN});
    bool first = true;
    while (window->head != window->tail) {
        bool here = first && window->head == stop.batch;
        give_back(sink, here ? status : LEAT_ERETRY, here ? stop.record : 0, here ? retry_ms : 0,
                  text);
        first = false;
    }
    window_clear(window);
    publisher_reset(&sink->publisher);
    sink->publisher.cautious = true;
    sink->failed = false;
}

static leat_status lost(leat_sink *sink, leat_error *error, const char *text)
{
    sink->url_index++; /* another server may be better */
    return nats_fail(error, LEAT_ERETRY, "%s: %s", sink->client.server, text);
}

/* No stream took a message: is it gone, or does it not have the subject? */
static leat_status no_responders(leat_sink *sink, struct place stop, leat_error *error)
{
    const leat_record *record = window_record(&sink->window, stop);
    char text[400];
    (void)snprintf(text, sizeof text,
                   "stream %s does not take subject %.*s: add it to the stream's subjects",
                   sink->options->stream, (int)(record->route.len < 200 ? record->route.len : 200),
                   record->route.ptr);
    leat_status status = stream_read(&sink->client, &sink->info, 2000, error);
    if (status)
        return status;
    if (!sink->info.exists) {
        error->exit_code = 65;
        return nats_fail(error, LEAT_ECONFIG,
                         "stream %s was deleted, and with it what was published into it",
                         sink->options->stream);
    }
    rewind_from(sink, stop, LEAT_ERETRY, RETRY_MS, text);
    return LEAT_OK;
}

/* All messages are answered and one was refused. */
static leat_status resolve_failure(leat_sink *sink, leat_error *error)
{
    const struct publish_ack *failure = &sink->failure;
    struct place stop = window_flight(&sink->window, sink->failed_message)->first;
    char text[300];
    (void)snprintf(text, sizeof text, "stream %s refused a message: %s (%lld)",
                   sink->options->stream, failure->text, (long long)failure->code);
    if (failure->status)
        return no_responders(sink, stop, error);
    switch (failure->code) {
    case STREAM_MESSAGE_TOO_LARGE:
    case STREAM_HEADERS_TOO_LARGE:
        rewind_from(sink, stop, LEAT_EREJECT, 0, text);
        break;
    case -1:
    case STREAM_WRONG_LAST_SEQUENCE:
    case STREAM_DUPLICATE_IN_BATCH:
        return lost(sink, error, text); /* the next start looks at what is there */
    default:
        rewind_from(sink, stop, LEAT_ERETRY, RETRY_MS, text);
    }
    return sink->skip.overflowed ? lost(sink, error, text) : LEAT_OK;
}

/* What the acknowledgements, and their absence, mean. */
static leat_status settle(leat_sink *sink, leat_error *error)
{
    struct window *window = &sink->window;
    give_back_finished(sink);
    bool settled = window_settled(window);
    int64_t quiet = socket_clock_ms() - sink->progress_ms;
    if (sink->unclear)
        return lost(sink, error, sink->failure.text);
    if (sink->denied && (settled || quiet > SILENCE_MS))
        return lost(sink, error, sink->denied_text);
    if (sink->failed && settled)
        return resolve_failure(sink, error);
    if (sink->publisher.rejected && window->head_message == window->next_message) {
        struct place stop;
        (void)window_next(window, &stop);
        char text[sizeof sink->publisher.reject_text];
        memcpy(text, sink->publisher.reject_text, sizeof text);
        rewind_from(sink, stop, LEAT_EREJECT, 0, text);
    }
    if (settled) {
        sink->progress_ms = socket_clock_ms();
    } else if (quiet > sink->options->ack_timeout_ms) {
        return lost(sink, error, "no acknowledgement within ack_timeout");
    }
    return LEAT_OK;
}

/* ---- the operations -------------------------------------------------------------------------- */

static bool has_lease(const leat_sink *sink)
{
    return sink->options->dedupe == DEDUPE_MSG_ID && sink->options->fence_timeout_ms > 0;
}

bool sink_stood_still(leat_sink *sink)
{
    int64_t now = socket_clock_ms(), since = sink->turn_ms;
    if (has_lease(sink) && since && now - since > sink->options->fence_timeout_ms * 3 / 4)
        return true; /* and stays so until the next start */
    sink->turn_ms = now;
    return false;
}

static void send_more(leat_sink *sink, bool idle)
{
    if (!sink->failed && !sink->denied)
        publisher_run(&sink->publisher, idle);
}

/* What waits already is enough: one batch, or where messages go in atomic batches, two of those.
 * More would only be memory. */
static bool has_enough(const leat_sink *sink)
{
    const struct window *window = &sink->window;
    if (sink->options->publish != PUBLISH_ATOMIC)
        return window->unsent_records > 0;
    return window->unsent_records >= 2 * ATOMIC_MAX ||
           window->unsent_bytes >= 2 * publisher_atomic_bytes(sink->options);
}

leat_status sink_submit(leat_sink *sink, const leat_batch *batch)
{
    if (sink->state != SINK_UP || sink->client.lost || sink->failed || sink->denied ||
        sink->publisher.rejected || has_enough(sink) || sink_stood_still(sink) ||
        !window_accept(&sink->window, batch))
        return LEAT_AGAIN;
    send_more(sink, false);
    if (sink->client.out_len - sink->client.out_sent >= CLIENT_OUT / 2)
        (void)client_flush(&sink->client); /* a loss is seen by the next poll */
    return LEAT_OK;
}

/* Keeps a quiet connection honest. */
static bool keep_alive(leat_sink *sink)
{
    int64_t now = socket_clock_ms(), interval = sink->options->ping_interval_ms;
    if (now - sink->client.heard_ms < interval)
        sink->ping_ms = 0;
    else if (!sink->ping_ms)
        sink->ping_ms = client_ping(&sink->client) ? now : 0;
    return !sink->ping_ms || now - sink->ping_ms < interval;
}

static leat_status round_trip(leat_sink *sink, leat_error *error)
{
    if (sink_stood_still(sink))
        return lost(sink, error,
                    "this process stood still for longer than others wait: what the "
                    "stream holds is looked at anew");
    send_more(sink, true);
    if (!client_flush(&sink->client) || !client_read(&sink->client))
        return lost(sink, error, sink->client.lost_text);
    if (!keep_alive(sink))
        return lost(sink, error, "the server does not answer");
    leat_status status = settle(sink, error);
    if (!status) {
        /* Acknowledgements made room. */
        send_more(sink, true);
        if (!client_flush(&sink->client))
            return lost(sink, error, sink->client.lost_text);
    }
    return status;
}

/* How long nothing can happen but by an event. */
static int64_t next_timer(const leat_sink *sink)
{
    int64_t now = socket_clock_ms(), due = publisher_due_ms(&sink->publisher);
    int64_t ping = sink->client.heard_ms + sink->options->ping_interval_ms;
    int64_t next = ping > now ? ping : now + 1000;
    if (!window_settled(&sink->window)) {
        int64_t ack =
            sink->progress_ms + (sink->denied ? SILENCE_MS : sink->options->ack_timeout_ms);
        next = ack + 1 < next ? ack + 1 : next;
    }
    next = due < next ? due : next;
    if (has_lease(sink) && now + sink->options->fence_timeout_ms / 2 < next)
        next = now + sink->options->fence_timeout_ms / 2;
    return next > now ? next - now : 0;
}

leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    int64_t end = max_wait_ms < 0 ? INT64_MAX : socket_clock_ms() + max_wait_ms;
    int wake_fd = sink->host->wake_fd;
    error->status = LEAT_OK;
    if (sink->state != SINK_UP) { /* a start that is still at it did its own waiting */
        struct socket none = {.fd = -1};
        (void)socket_wait(&none, false, wake_fd, sink->state == SINK_DOWN ? max_wait_ms : 0);
        return LEAT_OK;
    }
    sink->reported = 0;
    for (;;) {
        leat_status status = round_trip(sink, error);
        int64_t left = end - socket_clock_ms();
        if (status || sink->reported || left <= 0)
            return status;
        int64_t timer = next_timer(sink);
        if (socket_wait(&sink->client.socket, client_unsent(&sink->client), wake_fd,
                        left < timer ? left : timer))
            return LEAT_OK;
    }
}

leat_status sink_stop(leat_sink *sink, uint32_t deadline_ms)
{
    int64_t end = socket_clock_ms() + deadline_ms;
    leat_error error = {.size = sizeof error};
    if (sink->state == SINK_UP && !sink->client.lost) {
        while (sink->window.head != sink->window.tail && socket_clock_ms() < end &&
               round_trip(sink, &error) == LEAT_OK)
            (void)socket_wait(&sink->client.socket, client_unsent(&sink->client), -1,
                              end - socket_clock_ms() < 10 ? end - socket_clock_ms() : 10);
    }
    client_close(&sink->client);
    window_clear(&sink->window);
    publisher_reset(&sink->publisher);
    sink->failed = sink->denied = false;
    sink->state = SINK_DOWN;
    return LEAT_OK;
}
