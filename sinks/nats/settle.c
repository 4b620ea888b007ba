/* SPDX-License-Identifier: Apache-2.0
 *
 * settle.c -- what the acknowledgements, and their absence, mean: batches given back as durable, or
 * to be offered again, or the connection to be given up.  [worker]  Allocates nothing.
 */
#include "sink.h"

#include <stdio.h>

enum {
    RETRY_MS = 1000,
    LIMITS_MS = 5000, /* a size limit older than this may have been raised meanwhile */
};

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
        sink->acked_ms = sink->seen_ms = socket_clock_ms();
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

leat_status sink_lost(leat_sink *sink, leat_error *error, const char *text)
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

/* Each try would put more of them into a stream that is not ours. */
static leat_status another_stream(leat_sink *sink, struct place stop, leat_error *error)
{
    leat_bytes subject = window_record(&sink->window, stop)->route;
    return nats_fail(error, LEAT_ECONFIG,
                     "subject %.*s belongs to stream %s, not to %s: change the route, or the "
                     "subjects of the two streams",
                     (int)(subject.len < 200 ? subject.len : 200), subject.ptr, sink->failure.text,
                     sink->options->stream);
}

/* One of several records that went together is what the stream does not take, and it does not say which:
 * with the limits as they are now the publisher finds it. */
static leat_status refused_together(leat_sink *sink, struct place stop, const char *text,
                                    leat_error *error)
{
    leat_status status = stream_read(&sink->client, &sink->info, 2000, error);
    if (status)
        return status;
    uint64_t before = sink->publisher.size_limit;
    sink_learn_limits(sink);
    rewind_from(sink, stop, LEAT_ERETRY, sink->publisher.size_limit < before ? 0 : RETRY_MS, text);
    return LEAT_OK;
}

/* All messages are answered and one was refused. */
static leat_status resolve_failure(leat_sink *sink, leat_error *error)
{
    const struct publish_ack *failure = &sink->failure;
    const struct flight *flight = window_flight(&sink->window, sink->failed_message);
    struct place stop = flight->first, last = flight->last;
    bool alone = stop.batch == last.batch && stop.record == last.record;
    leat_status status = LEAT_OK;
    char text[300];
    (void)snprintf(text, sizeof text, "stream %s refused a message: %s (%lld)",
                   sink->options->stream, failure->text, (long long)failure->code);
    if (failure->status)
        return no_responders(sink, stop, error);
    switch (failure->code) {
    case STREAM_MESSAGE_TOO_LARGE:
    case STREAM_HEADERS_TOO_LARGE:
        if (alone)
            rewind_from(sink, stop, LEAT_EREJECT, 0, text);
        else
            status = refused_together(sink, stop, text, error);
        break;
    case STREAM_IS_ANOTHER:
        return another_stream(sink, stop, error);
    case STREAM_ANSWER_UNCLEAR:
    case STREAM_WRONG_LAST_SEQUENCE:
    case STREAM_DUPLICATE_IN_BATCH:
        return sink_lost(sink, error, text); /* the next start looks at what is there */
    default:
        if (alone)
            rewind_from(sink, stop, LEAT_ERETRY, RETRY_MS, text);
        else
            status = refused_together(sink, stop, text, error);
    }
    return !status && sink->skip.overflowed ? sink_lost(sink, error, text) : status;
}

/* What the acknowledgements, and their absence, mean. */
leat_status sink_settle(leat_sink *sink, leat_error *error)
{
    struct window *window = &sink->window;
    give_back_finished(sink);
    bool settled = window_settled(window);
    int64_t quiet = socket_clock_ms() - sink->progress_ms;
    if (sink->unclear)
        return sink_lost(sink, error, sink->failure.text);
    if (sink->denied && (settled || quiet > SINK_SILENCE_MS))
        return sink_lost(sink, error, sink->denied_text);
    if (sink->failed && settled)
        return resolve_failure(sink, error);
    if (sink->publisher.rejected && window->head_message == window->next_message) {
        struct place stop;
        (void)window_next(window, &stop);
        char text[sizeof sink->publisher.reject_text];
        memcpy(text, sink->publisher.reject_text, sizeof text);
        if (sink->publisher.too_large && socket_clock_ms() - sink->limits_ms > LIMITS_MS)
            return nats_fail(error, LEAT_ERETRY, "%s: %s: connecting anew to ask for the limit",
                             sink->client.server, text);
        rewind_from(sink, stop, LEAT_EREJECT, 0, text);
    }
    if (settled) {
        sink->progress_ms = socket_clock_ms();
    } else if (quiet > sink->options->ack_timeout_ms) {
        return sink_lost(sink, error, "no acknowledgement within ack_timeout");
    }
    return LEAT_OK;
}
