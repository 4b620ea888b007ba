/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_state.c -- what a sink's worker waits for, and how it gets there: it enters a state, fails
 * for good, or backs off before the next try.  [worker]
 *
 * The states are in worker.h; what is done in each of them is `act` in worker.c.  Nothing here calls
 * the plugin.
 */
#include "worker_internal.h"

#define BACKOFF_FIRST_MS 100

void worker__enter(struct worker *worker, enum worker_state state)
{
    worker->state = state;
    atomic_store_explicit(&worker->counters.state, (int)state, memory_order_relaxed);
}

void worker__fail(struct worker *worker, const leat_error *error)
{
    worker->error = *error;
    worker__enter(worker, WORKER_FAILED);
}

/* xorshift64*: jitter needs no more. */
static uint32_t jitter(struct worker *worker, uint32_t ms)
{
    worker->random ^= worker->random >> 12;
    worker->random ^= worker->random << 25;
    worker->random ^= worker->random >> 27;
    return ms / 2 + (uint32_t)((worker->random * 2685821657736338717u) >> 33) % (ms / 2 + 1);
}

void worker__back_off(struct worker *worker, enum worker_state state, uint32_t asked_ms)
{
    uint32_t shift = worker->failures < 16 ? worker->failures : 16;
    int64_t wait_ms = (int64_t)BACKOFF_FIRST_MS << shift;

    if (wait_ms > worker->config->retry_max_ms)
        wait_ms = worker->config->retry_max_ms;
    worker->failures++;
    worker__count(&worker->counters.retries, 1);
    wait_ms = asked_ms ? asked_ms : jitter(worker, (uint32_t)wait_ms);
    worker->retry_at_ns = clock_now_ns(worker->clock) + wait_ms * 1000000;
    worker__enter(worker, state);
}

const char *worker__state_text(enum worker_state state)
{
    switch (state) {
    case WORKER_WAITING:
        return "the source to reach its origin";
    case WORKER_STARTING:
        return "the sink to start";
    case WORKER_RUNNING:
        return "the sink's acknowledgement";
    case WORKER_RECOVERING:
        return "failed batches to come back";
    case WORKER_RETRYING:
    case WORKER_DOWN:
        return "the next try";
    case WORKER_FAILED:
        return "nothing: failed";
    case WORKER_DROPPED:
    case WORKER_PAUSED:
        return "a command";
    }
    return "";
}
