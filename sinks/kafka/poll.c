/* SPDX-License-Identifier: Apache-2.0
 *
 * poll.c -- a turn of the sink: what came back, what may be sent, what is due, and how long there is
 * nothing to do.  [worker]  Waits only for events: the producer's queue and the host.
 */
#include "sink.h"

#include <poll.h>

enum { STEP_MS = 100, LONGEST_WAIT_MS = 1000 };

/* ---- what may have to be done ---------------------------------------------------------------- */

/* Waits for an answer even when the host would not: the record under the cursor cannot go anywhere
 * without it, and no record behind that may overtake it. */
static void prepare_topic(leat_sink *sink)
{
    leat_error error;
    client_error_init(&error);
    struct topic *topic = sink->waiting;
    leat_status status = topic_prepare(&sink->topics, topic, STEP_MS, &error);
    if (status == LEAT_AGAIN)
        return;
    sink->waiting = NULL;
    if (status == LEAT_OK)
        return;
    topic_give_up(&sink->topics, topic);
    sink_halt(sink, status, error.text);
}

/* Nothing was acknowledged for long: say why, and give up what cannot come. */
static void look_at_stall(leat_sink *sink)
{
    int64_t limit_ns = sink->options->stall_check_ms * 1000000;
    struct window_batch *head = window_head(&sink->window);
    bool waits = sink->window.flying || sink->transaction.committing;
    if (!waits || !head || sink_now_ns(sink) - sink->progress_ns < limit_ns)
        return;
    sink->progress_ns = sink_now_ns(sink);
    const leat_record *record = leat_batch_at(head->batch, head->durable);
    struct topic *topic = topics_find(&sink->topics, record->route);
    leat_error error;
    client_error_init(&error);
    struct topic_facts facts;
    leat_status status = LEAT_OK;
    if (topic)
        status = topic_look(&sink->topics, topic->name, STEP_MS, &facts, &error);
    if (status == LEAT_ERETRY) {
        sink_fail(sink, LEAT_ERETRY, "%s", error.text);
        return;
    }
    const char *what = sink->window.flying ? "brokers do not acknowledge"
                                           : "brokers do not answer the end of a transaction";
    leat_field fields[] = {LEAT_F_STR("topic", topic ? topic->name : ""),
                           LEAT_F_UINT("in_flight", sink->window.flying),
                           LEAT_F_STR("reason", sink->trouble[0] ? sink->trouble : error.text)};
    sink->host->log(sink->host, LEAT_LOG_WARN, what, fields, 3);
}

/* When what was produced has to be flushed, if the host has no more until then; INT64_MAX: not
 * now.  A commit flushes by itself. */
static int64_t flush_due_ns(const leat_sink *sink)
{
    if (sink->state != SINK_RUNNING || sink->fatal_ns)
        return INT64_MAX;
    if (sink->urgent)
        return pace_first(&sink->pace) ? 0 : INT64_MAX;
    if (sink->options->linger_ms > 0 || sink->window.cursor != sink->window.tail ||
        transaction_is_used(sink))
        return INT64_MAX;
    return pace_due_ns(&sink->pace);
}

static bool flush_is_due(const leat_sink *sink, bool idle)
{
    int64_t due_ns = idle || sink->urgent ? flush_due_ns(sink) : INT64_MAX;
    return due_ns < INT64_MAX && (due_ns == 0 || due_ns <= sink_now_ns(sink));
}

/* ---- a turn ---------------------------------------------------------------------------------- */

/* Everything that can be done without waiting long: a flush takes a millisecond; in transactions a
 * commit may take STEP_MS. */
static void step(leat_sink *sink, bool idle)
{
    producer_serve(sink);
    if (sink->fatal_ns && sink->state == SINK_RUNNING)
        producer_bury(sink);
    sink_release(sink);
    sink_produce(sink);
    if (transaction_is_due(sink, idle))
        transaction_commit(sink, STEP_MS);
    else if (flush_is_due(sink, idle))
        producer_flush(sink);
    sink_release(sink);
    sink_produce(sink);
    look_at_stall(sink);
}

static bool is_busy(const leat_sink *sink)
{
    return sink->state == SINK_FAILED || sink->waiting || sink->fatal_ns ||
           sink->transaction.committing;
}

static void wait_for_events(leat_sink *sink, int32_t max_wait_ms)
{
    struct pollfd fds[2] = {{.fd = sink->event_fd, .events = POLLIN},
                            {.fd = sink->host->wake_fd, .events = POLLIN}};
    if (max_wait_ms < 0 || max_wait_ms > LONGEST_WAIT_MS)
        max_wait_ms = LONGEST_WAIT_MS;
    (void)poll(fds, sink->host->wake_fd >= 0 ? 2 : 1, max_wait_ms);
}

/* Negative: no limit. */
static int32_t shorter(int32_t a_ms, int32_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int32_t flush_patience(const leat_sink *sink)
{
    int64_t due_ns = flush_due_ns(sink);
    if (due_ns == INT64_MAX)
        return -1;
    int64_t left_ns = due_ns - sink_now_ns(sink);
    return left_ns <= 0 ? 0 : (int32_t)((left_ns + 999999) / 1000000);
}

static leat_status failed(leat_sink *sink, leat_error *error)
{
    leat_status status = sink->failure == LEAT_EREJECT ? LEAT_ERETRY : sink->failure;
    return client_fail(error, status, "%s", sink->failure_text);
}

leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    if (sink->state == SINK_STOPPED)
        return LEAT_OK;
    if (sink->state != SINK_RUNNING && sink->state != SINK_FAILED) {
        producer_serve(sink); /* start waits by itself, a little each time */
        return LEAT_OK;
    }
    uint64_t head = sink->window.head;
    step(sink, max_wait_ms != 0);
    bool more = sink->waiting || flush_is_due(sink, true); /* to do, without an event */
    if (sink->waiting)
        prepare_topic(sink);
    if (max_wait_ms != 0 && !more && !is_busy(sink) && head == sink->window.head) {
        int32_t most_ms = shorter(transaction_patience(sink), flush_patience(sink));
        wait_for_events(sink, shorter(most_ms, max_wait_ms));
        step(sink, false);
    } else if (sink->state == SINK_RUNNING) {
        sink_produce(sink);
        sink_release(sink);
    }
    if (sink->state != SINK_FAILED)
        return LEAT_OK;
    sink_release(sink);
    return failed(sink, error);
}
