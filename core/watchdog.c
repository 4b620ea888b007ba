/* SPDX-License-Identifier: Apache-2.0
 *
 * watchdog.c -- see watchdog.h.
 */
#include "watchdog.h"

#include "log.h"
#include "notify.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS 4                       /* at least so many in systemd's interval */
#define LOOK_NS INT64_C(5000000000)   /* at least so often */
#define MISSES 2u                     /* so many looks without a turn: it stands still */
#define AGAIN_NS INT64_C(60000000000) /* and that is told so often */
#define THREADS (1 + JOURNAL_SINKS_MAX)

/* A thread of a pipeline that runs, and where others read how long it has been standing. */
struct watched {
    const char *pipeline, *part;
    _Atomic uint64_t *turns;
    _Atomic int64_t *still_ms;
    struct doorbell *bell;
};

void watchdog_init(struct watchdog *watchdog, const struct clock *clock)
{
    int64_t systemd_ns = notify_watchdog_us() * 1000;

    memset(watchdog, 0, sizeof *watchdog);
    watchdog->clock = clock;
    watchdog->starve_ns = systemd_ns / 2;
    watchdog->interval_ns =
        systemd_ns > 0 && systemd_ns / LOOKS < LOOK_NS ? systemd_ns / LOOKS : LOOK_NS;
}

void watchdog_fini(struct watchdog *watchdog)
{
    free(watchdog->threads);
}

int64_t watchdog_next_ns(const struct watchdog *watchdog)
{
    return watchdog->next_ns;
}

static void tell(struct watchdog_thread *thread, const struct watched *watched, int64_t still_ms,
                 bool fed, int64_t now_ns)
{
    leat_field fields[] = {LEAT_F_INT("seconds", still_ms / 1000)};

    if (thread->told_ns != 0 && now_ns - thread->told_ns < AGAIN_NS && fed)
        return;
    thread->told_ns = now_ns;
    if (fed)
        log_event(watched->pipeline, watched->part, LEAT_LOG_WARN,
                  "thread does not come back from the plugin", fields, 1);
    else
        log_event(watched->pipeline, watched->part, LEAT_LOG_ERROR,
                  "thread is stuck, the watchdog is not fed", fields, 1);
}

/* Looks at one thread; false: systemd is not to be fed. */
static bool moves(const struct watchdog *watchdog, struct watchdog_thread *thread,
                  const struct watched *watched, int64_t now_ns)
{
    uint64_t turns = atomic_load_explicit(watched->turns, memory_order_relaxed);
    int64_t still_ms;
    bool fed;

    if (thread->of != watched->turns) {
        *thread = (struct watchdog_thread){.of = watched->turns};
    } else if (turns != thread->turns) {
        leat_field fields[] = {
            LEAT_F_INT("seconds", thread->missed * watchdog->interval_ns / 1000000000)};
        if (thread->told_ns != 0)
            log_event(watched->pipeline, watched->part, LEAT_LOG_INFO,
                      "thread has come back from the plugin", fields, 1);
        thread->told_ns = 0;
        thread->missed = 0;
    } else {
        thread->missed++;
    }
    thread->turns = turns;
    doorbell_force(watched->bell);
    still_ms = thread->missed < MISSES ? 0 : thread->missed * watchdog->interval_ns / 1000000;
    atomic_store_explicit(watched->still_ms, still_ms, memory_order_relaxed);
    fed = watchdog->starve_ns == 0 || thread->missed < MISSES ||
          thread->missed * watchdog->interval_ns < watchdog->starve_ns;
    if (still_ms > 0)
        tell(thread, watched, still_ms, fed, now_ns);
    return fed;
}

/* One that stops is bounded by its own deadline, and its threads end. */
static bool pipeline_moves(const struct watchdog *watchdog, struct watchdog_thread *threads,
                           struct pipeline *pipeline, int64_t now_ns)
{
    struct watched source;
    bool fed = true;

    if (!pipeline || pipeline_state(pipeline) != PIPELINE_RUNNING) {
        memset(threads, 0, THREADS * sizeof *threads);
        return true;
    }
    for (size_t i = 0; i < pipeline->sink_count; i++) {
        struct worker *worker = pipeline->workers[i];
        struct watched watched = {pipeline->config->name, pipeline->sink_names[i],
                                  &worker->counters.turns, &worker->counters.still_ms,
                                  &pipeline->channels[i].worker_bell};
        if (atomic_load_explicit(&worker->stopping, memory_order_relaxed) ||
            atomic_load_explicit(&worker->ended, memory_order_relaxed))
            threads[1 + i].of = NULL;
        else
            fed = moves(watchdog, &threads[1 + i], &watched, now_ns) && fed;
    }
    source = (struct watched){pipeline->config->name, "source", &pipeline->source.counters.turns,
                              &pipeline->source.counters.still_ms, &pipeline->source.bell};
    return moves(watchdog, &threads[0], &source, now_ns) && fed;
}

void watchdog_tick(struct watchdog *watchdog, struct registry *registry)
{
    size_t count = registry->config->pipeline_count;
    int64_t now_ns = clock_now_ns(watchdog->clock);
    bool fed = true;

    if (now_ns < watchdog->next_ns)
        return;
    watchdog->next_ns = now_ns + watchdog->interval_ns;
    if (!watchdog->threads)
        watchdog->threads =
            calloc((size_t)CONFIG_PIPELINES_MAX * THREADS, sizeof *watchdog->threads);
    for (size_t i = 0; watchdog->threads && i < count; i++)
        fed = pipeline_moves(watchdog, &watchdog->threads[i * THREADS], registry->pipelines[i],
                             now_ns) &&
              fed;
    if (fed && watchdog->starve_ns > 0)
        notify_send("WATCHDOG=1");
}
