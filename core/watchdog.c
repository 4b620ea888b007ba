/* SPDX-License-Identifier: Apache-2.0
 *
 * watchdog.c -- see watchdog.h.
 */
#include "watchdog.h"

#include "log.h"
#include "notify.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS 4
#define MISSES 2u
#define THREADS (1 + JOURNAL_SINKS_MAX)

void watchdog_init(struct watchdog *watchdog, const struct clock *clock)
{
    memset(watchdog, 0, sizeof *watchdog);
    watchdog->clock = clock;
    watchdog->interval_ns = notify_watchdog_us() * 1000 / LOOKS;
}

void watchdog_fini(struct watchdog *watchdog)
{
    free(watchdog->threads);
}

int64_t watchdog_next_ns(const struct watchdog *watchdog)
{
    return watchdog->interval_ns > 0 ? watchdog->next_ns : INT64_MAX;
}

static bool moves(struct watchdog_thread *thread, _Atomic uint64_t *turns, struct doorbell *bell)
{
    uint64_t now = atomic_load_explicit(turns, memory_order_relaxed);

    thread->missed = now == thread->turns ? thread->missed + 1 : 0;
    thread->turns = now;
    doorbell_force(bell);
    return thread->missed < MISSES;
}

/* One that stops is bounded by its own deadline, and its threads end. */
static bool pipeline_moves(struct watchdog_thread *threads, struct pipeline *pipeline)
{
    bool alive = true;

    if (!pipeline || pipeline_state(pipeline) != PIPELINE_RUNNING)
        return true;
    for (size_t i = 0; i < pipeline->sink_count; i++)
        if (!atomic_load_explicit(&pipeline->workers[i]->stopping, memory_order_relaxed) &&
            !moves(&threads[1 + i], &pipeline->workers[i]->counters.turns,
                   &pipeline->channels[i].worker_bell)) {
            log_event(pipeline->config->name, pipeline->sink_names[i], LEAT_LOG_ERROR,
                      "thread is stuck, the watchdog is not fed", NULL, 0);
            alive = false;
        }
    if (!moves(&threads[0], &pipeline->source.counters.turns, &pipeline->source.bell)) {
        log_event(pipeline->config->name, "source", LEAT_LOG_ERROR,
                  "thread is stuck, the watchdog is not fed", NULL, 0);
        alive = false;
    }
    return alive;
}

void watchdog_tick(struct watchdog *watchdog, struct registry *registry)
{
    size_t count = registry->config->pipeline_count;
    int64_t now_ns;
    bool alive = true;

    if (watchdog->interval_ns == 0)
        return;
    now_ns = clock_now_ns(watchdog->clock);
    if (now_ns < watchdog->next_ns)
        return;
    watchdog->next_ns = now_ns + watchdog->interval_ns;
    if (!watchdog->threads)
        watchdog->threads =
            calloc((size_t)CONFIG_PIPELINES_MAX * THREADS, sizeof *watchdog->threads);
    for (size_t i = 0; watchdog->threads && i < count; i++)
        if (!pipeline_moves(&watchdog->threads[i * THREADS], registry->pipelines[i]))
            alive = false;
    if (alive)
        notify_send("WATCHDOG=1");
}
