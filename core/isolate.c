/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate.c -- see isolate.h: the operations of a sink that runs in a helper process.  [worker],
 * but for create and destroy, which are [main], as is all of a trial (isolate_try.c).
 *
 * A batch crosses by its place in the worker's pool, which the helper sees and cannot write.  All
 * that the helper writes is hostile, and judged where it is read (isolate_results.c,
 * isolate_messages.c).  Whoever breaks the contract is killed, and what it had is not durable.
 */
#include "isolate.h"

#include "isolate_internal.h"
#include "plugins.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(ISOLATE_RING >= WORKER_SLOTS, "each slot of the worker's has an entry");

#define GRACE_MS 1000 /* behind stop's deadline, before SIGKILL */
#define EXIT_MS 200   /* from the end of the socket to the end of the process */

/* Results before messages: what was durable before it went down is. */
static bool take(leat_sink *sink, bool look)
{
    uint32_t told = atomic_load_explicit(&sink->shared->told, memory_order_acquire);
    bool any = isolate_take_results(sink);

    if (look || told != sink->told) {
        sink->told = told;
        isolate_take_messages(sink);
        any |= isolate_take_results(sink); /* whatever was there when it said it */
    }
    isolate_copy_metrics(sink);
    isolate_tell_level(sink);
    return any;
}

static bool is_over(const leat_sink *sink)
{
    return sink->gone || sink->breach[0] || sink->is_down || sink->hangs || sink->grows;
}

void isolate_wait(leat_sink *sink, int wake_fd, int32_t max_wait_ms)
{
    struct pollfd fds[] = {{.fd = sink->bell, .events = POLLIN},
                           {.fd = sink->socket, .events = POLLIN},
                           {.fd = sink->process, .events = POLLIN},
                           {.fd = sink->voice, .events = POLLIN},
                           {.fd = wake_fd, .events = POLLIN}};

    (void)atomic_exchange_explicit(&sink->shared->daemon_asleep, 1, memory_order_acq_rel);
    if (atomic_load_explicit(&sink->shared->done, memory_order_acquire) == sink->done)
        (void)poll(fds, 5, max_wait_ms);
    atomic_store_explicit(&sink->shared->daemon_asleep, 0, memory_order_relaxed);
    if (fds[0].revents && !isolate_hear(sink->bell))
        sink->gone = true;
    if (fds[2].revents)
        sink->gone = true;
    if (fds[3].revents)
        isolate_take_voice(sink, false);
}

/* ---- the operations ------------------------------------------------------------------------- */

static leat_status isolate_create(const leat_host *host, const void *config, leat_sink **out,
                                  leat_error *error)
{
    leat_sink *sink = calloc(1, sizeof *sink);

    (void)config; /* the worker has it */
    *out = sink;
    if (!sink) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return LEAT_EFATAL;
    }
    sink->worker = (struct worker *)(void *)(uintptr_t)host;
    sink->host = host;
    sink->process = sink->socket = sink->bell = sink->voice = -1;
    sink->starts_metric =
        isolate_declare_metric(sink, LEAT_METRIC_COUNTER, "helper_starts_total", NULL, NULL,
                               "Processes that were begun for this isolated sink.");
    sink->pid_metric = isolate_declare_metric(sink, LEAT_METRIC_GAUGE, "helper_pid", NULL, NULL,
                                              "The isolated sink's process; 0: none.");
    sink->breaches_metric = isolate_declare_metric(
        sink, LEAT_METRIC_COUNTER, "helper_breaches_total", NULL, NULL,
        "Processes of this isolated sink that were killed for breaking the plugin's contract.");
    sink->timeouts_metric = isolate_declare_metric(
        sink, LEAT_METRIC_COUNTER, "helper_timeouts_total", NULL, NULL,
        "Processes of this isolated sink that were killed for not answering.");
    sink->memory_metric =
        isolate_declare_metric(sink, LEAT_METRIC_GAUGE, "helper_memory_bytes", NULL, NULL,
                               "Memory that the isolated sink's process has for itself.");
    isolate_set_metric(sink, sink->starts_metric, 0);
    isolate_set_metric(sink, sink->breaches_metric, 0);
    isolate_set_metric(sink, sink->timeouts_metric, 0);
    return LEAT_OK;
}

/* How a helper that is over ended; it is gone then.  The status is what the worker is to do. */
static leat_status tell_end(leat_sink *sink, leat_error *error)
{
    const char *name = plugin_name(sink->worker->config->plugin);
    char how[128];
    int pid = (int)sink->pid;

    if (!sink->breach[0] && sink->is_down) {
        *error = sink->said;
        return sink->status;
    }
    if (sink->breach[0]) {
        leat_field fields[] = {LEAT_F_STR("plugin", name), LEAT_F_INT("pid", pid),
                               LEAT_F_STR("what", sink->breach)};
        sink->host->log(sink->host, LEAT_LOG_ERROR,
                        "isolated sink broke the contract of plugins and is killed", fields, 3);
        isolate_set_metric(sink, sink->breaches_metric, (double)++sink->breaches);
        (void)isolate_end(sink, 0, how, sizeof how);
        (void)snprintf(error->text, sizeof error->text,
                       "the process %d of plugin %s was killed: %s", pid, name, sink->breach);
        return LEAT_ERETRY;
    }
    if (sink->hangs) {
        isolate_set_metric(sink, sink->timeouts_metric, (double)++sink->timeouts);
        (void)isolate_end(sink, 0, how, sizeof how);
        (void)snprintf(error->text, sizeof error->text,
                       "the process %d of plugin %s did not answer for %lld s and was killed", pid,
                       name, (long long)(sink->worker->config->isolate_timeout_ms / 1000));
        return LEAT_ERETRY;
    }
    if (sink->grows) {
        (void)isolate_end(sink, 0, how, sizeof how);
        (void)snprintf(error->text, sizeof error->text,
                       "the process %d of plugin %s had more memory than isolate_memory, %lld "
                       "MiB, and was killed",
                       pid, name, (long long)(sink->worker->config->isolate_memory >> 20));
        return LEAT_ERETRY;
    }
    (void)isolate_end(sink, EXIT_MS, how, sizeof how);
    (void)snprintf(error->text, sizeof error->text, "the process %d of plugin %s %s", pid, name,
                   how);
    return LEAT_ERETRY;
}

static leat_status isolate_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    if (sink->pid <= 0) {
        if (!isolate_begin(sink, start, error))
            return LEAT_ERETRY;
        if (!sink->is_trial)
            isolate_set_metric(sink, sink->starts_metric, (double)++sink->starts);
        isolate_set_metric(sink, sink->pid_metric, (double)sink->pid);
        return LEAT_AGAIN;
    }
    isolate_take_voice(sink, false);
    (void)take(sink, true);
    (void)isolate_watch(sink);
    if (is_over(sink))
        return tell_end(sink, error);
    if (!sink->has_started)
        return LEAT_AGAIN;
    if (sink->status != LEAT_OK) {
        *error = sink->said;
        return sink->status;
    }
    start->holds = sink->holds;
    start->last = sink->last;
    return LEAT_OK;
}

static leat_status isolate_submit(leat_sink *sink, const leat_batch *batch)
{
    struct isolate_shared *shared = sink->shared;
    struct isolate_lent *lent = &sink->lent[batch->token & (ISOLATE_RING - 1)];
    const struct pool *pool = &sink->worker->pool;
    bool had_failed = sink->failed;

    if (sink->pid <= 0 || is_over(sink))
        return LEAT_AGAIN; /* poll says what is the matter */
    (void)isolate_take_results(sink);
    /* The worker has to see a failure before anything behind it is offered. */
    if (sink->breach[0] || (sink->failed && (!had_failed || sink->lent_count > 0)))
        return LEAT_AGAIN;
    if (sink->failed) {
        sink->failed = false;
        sink->epoch++;
    }
    *lent = (struct isolate_lent){batch->token, batch->record_count};
    shared->offers[sink->offered & (ISOLATE_RING - 1)] = (struct isolate_offer){
        .token = batch->token,
        .offset = (uint64_t)((const unsigned char *)batch->records - pool->base),
        .count = batch->record_count,
        .attempt = batch->attempt,
        .epoch = sink->epoch,
    };
    sink->lent_count++;
    sink->offered++;
    atomic_store_explicit(&shared->offered, sink->offered, memory_order_release);
    isolate_ring(&shared->helper_asleep, sink->bell);
    return LEAT_OK;
}

static leat_status isolate_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    int32_t look_ms;

    if (sink->pid <= 0) {
        (void)snprintf(error->text, sizeof error->text, "there is no process");
        return LEAT_ERETRY;
    }
    look_ms = isolate_watch(sink);
    if (!take(sink, false) && !is_over(sink) && max_wait_ms != 0) {
        if (max_wait_ms < 0 || max_wait_ms > look_ms)
            max_wait_ms = look_ms;
        isolate_wait(sink, sink->host->wake_fd, max_wait_ms);
        (void)take(sink, true);
    }
    return is_over(sink) ? tell_end(sink, error) : LEAT_OK;
}

static void wait_for_stop(leat_sink *sink, uint32_t deadline_ms)
{
    int64_t until_ns = sink->host->now_ns(sink->host) + ((int64_t)deadline_ms + GRACE_MS) * 1000000;

    while (!sink->stopped && !sink->gone && !sink->breach[0]) {
        int64_t left_ms = (until_ns - sink->host->now_ns(sink->host)) / 1000000;
        if (left_ms <= 0)
            return;
        isolate_wait(sink, -1, left_ms > 60000 ? 60000 : (int32_t)left_ms);
        (void)take(sink, true);
    }
}

static leat_status isolate_stop(leat_sink *sink, uint32_t deadline_ms)
{
    struct isolate_message *message = &sink->message;
    char how[128];
    int pid = (int)sink->pid;

    if (sink->pid <= 0)
        return LEAT_OK;
    memset(message, 0, offsetof(struct isolate_message, text));
    message->kind = ISOLATE_STOP;
    message->number = deadline_ms;
    if (!sink->gone && !sink->breach[0] &&
        isolate_send(sink->socket, message, NULL, 0, MSG_DONTWAIT)) {
        isolate_ring_anyway(sink->bell);
        wait_for_stop(sink, deadline_ms);
    }
    if (!sink->stopped && !sink->gone && !sink->breach[0]) {
        leat_field fields[] = {LEAT_F_STR("plugin", plugin_name(sink->worker->config->plugin)),
                               LEAT_F_INT("pid", pid)};
        sink->host->log(sink->host, LEAT_LOG_WARN,
                        "isolated sink did not stop in time and is killed", fields, 2);
        (void)isolate_end(sink, 0, how, sizeof how);
        return LEAT_OK;
    }
    if (!isolate_end(sink, sink->breach[0] ? 0 : GRACE_MS, how, sizeof how)) {
        leat_field fields[] = {LEAT_F_STR("plugin", plugin_name(sink->worker->config->plugin)),
                               LEAT_F_INT("pid", pid), LEAT_F_STR("how", how)};
        sink->host->log(sink->host, LEAT_LOG_WARN, "isolated sink did not end well", fields, 3);
    }
    return LEAT_OK;
}

static void isolate_destroy(leat_sink *sink)
{
    char how[128];

    if (!sink)
        return;
    (void)isolate_end(sink, 0, how, sizeof how);
    free(sink);
}

void isolate_ops(const leat_sink_ops *theirs, leat_sink_ops *out)
{
    *out = (leat_sink_ops){
        .size = sizeof *out,
        .caps = theirs->caps,
        .route = theirs->route,
        .create = isolate_create,
        .start = isolate_start,
        .submit = isolate_submit,
        .poll = isolate_poll,
        .stop = isolate_stop,
        .destroy = isolate_destroy,
        .check = theirs->check,
    };
}
