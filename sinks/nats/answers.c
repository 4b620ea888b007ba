/* SPDX-License-Identifier: Apache-2.0
 *
 * answers.c -- what the server says to a sink that is up: which message an acknowledgement means, and
 * what it makes of it.  [worker]  Gives nothing back: settle.c does, when all of it was read.
 */
#include "sink.h"

#include <stdio.h>

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

/* The server stores what one connection sends in its order, so a message that is no duplicate comes
 * behind all that were acknowledged before it.  If not, the stream has less than it acknowledged,
 * and this connection did not end with that: it was made anew, or lies on another server of the
 * cluster, which lost its power. */
static bool comes_behind(leat_sink *sink, uint64_t message, struct publish_ack *ack)
{
    if (ack->duplicate || message < sink->acked_message)
        return true;
    if (ack->sequence <= sink->acked_sequence) {
        (void)snprintf(ack->text, sizeof ack->text,
                       "sequence %llu, but %llu was acknowledged before",
                       (unsigned long long)ack->sequence, (unsigned long long)sink->acked_sequence);
        ack->code = STREAM_ANSWER_UNCLEAR;
        sink->went_back = true;
        return false;
    }
    sink->acked_sequence = ack->sequence;
    sink->acked_message = message;
    return true;
}

/* An acknowledgement must say what we think: another number means that somebody else writes. */
static bool as_expected(const leat_sink *sink, const struct flight *flight, struct publish_ack *ack)
{
    if (flight->messages > 1 && ack->count != flight->messages) {
        (void)snprintf(ack->text, sizeof ack->text, "an atomic batch of %u was stored as %llu",
                       flight->messages, (unsigned long long)ack->count);
        ack->code = STREAM_ANSWER_UNCLEAR;
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
    if (ack.code || ack.status || !as_expected(sink, flight, &ack) ||
        !comes_behind(sink, message, &ack)) {
        take_failure(sink, message, flight, &ack);
        return;
    }
    flight->state = FLIGHT_STORED;
}

void sink_message(void *context, char kind, uint64_t number, const struct wire_event *event)
{
    leat_sink *sink = context;
    if (kind == 'a' || kind == 'b')
        take_ack(sink, kind, number, event);
    else if (kind == 'g' || kind == 'd')
        tail_answer(sink->tail, kind, number, event);
    else if (kind == 's')
        sink_watched(sink, event);
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
