/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.c -- does the stream still hold what it acknowledged, while nothing is published into it?
 * [worker]
 *
 * A stream with one replica in a cluster may lie on another server than ours.  When that one loses
 * its power, our connection stays.  A later acknowledgement would tell; without one, what was lost
 * would be confirmed when its hold ends.  So as long as something is held, the stream is asked, twice
 * in the hold and at least every ping_interval.  Never waits: the answer comes as a message.
 */
#include "sink.h"

static int64_t interval_ms(const leat_sink *sink)
{
    int64_t half = sink->hold_ms / 2;
    return half < sink->options->ping_interval_ms ? half : sink->options->ping_interval_ms;
}

int64_t sink_watch_due_ms(const leat_sink *sink)
{
    bool held = sink->hold_ms && sink->info.replicas <= 1 && sink->acked_ms &&
                sink->seen_ms <= sink->acked_ms + sink->hold_ms;
    return held ? sink->seen_ms + interval_ms(sink) : INT64_MAX;
}

void sink_watch(leat_sink *sink)
{
    char subject[640];
    int64_t now = socket_clock_ms();
    if (sink_watch_due_ms(sink) > now)
        return;
    stream_subject(sink->options, "STREAM.INFO", subject, sizeof subject);
    if (client_publish(&sink->client, subject, 's', 0, (leat_bytes){NULL, 0},
                       (leat_bytes){NULL, 0})) {
        sink->seen_ms = now; /* asked, at least; without an answer it is asked again */
        sink->asked_sequence = sink->acked_sequence;
    }
}

void sink_watched(leat_sink *sink, const struct wire_event *event)
{
    if (sink->state != SINK_UP || stream_still_holds(event, sink->created, sink->asked_sequence))
        return;
    sink->went_back = true;
    (void)client_lose(&sink->client, "the stream does not hold what it acknowledged");
}
