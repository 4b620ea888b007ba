/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver.c -- submit, poll, stop: batches in, messages out, acknowledgements in, batches back.
 * [worker]  Allocates nothing.
 */
#include "sink.h"

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
    /* After a quiet time the server's begins now, and not with its last answer. */
    if (window_settled(&sink->window))
        sink->progress_ms = socket_clock_ms();
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
        return sink_lost(sink, error,
                         "this process stood still for longer than others wait: what the "
                         "stream holds is looked at anew");
    send_more(sink, true);
    if (!client_flush(&sink->client) || !client_read(&sink->client))
        return sink_lost(sink, error, sink->client.lost_text);
    sink_watch(sink);
    if (!keep_alive(sink))
        return sink_lost(sink, error, "the server does not answer");
    leat_status status = sink_settle(sink, error);
    if (!status) {
        /* Acknowledgements made room. */
        send_more(sink, true);
        if (!client_flush(&sink->client))
            return sink_lost(sink, error, sink->client.lost_text);
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
            sink->progress_ms + (sink->denied ? SINK_SILENCE_MS : sink->options->ack_timeout_ms);
        next = ack + 1 < next ? ack + 1 : next;
    }
    next = due < next ? due : next;
    due = sink_watch_due_ms(sink);
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
