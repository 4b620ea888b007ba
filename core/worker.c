/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.c -- see worker.h: the life of a sink, results, and the thread's step.  How a batch
 * becomes parts is in worker_encode.c.
 */
#include "worker.h"

#include "isolate.h"
#include "stage.h"
#include "worker_internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKOFF_FIRST_MS 100

void worker__count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

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

static void back_off(struct worker *worker, enum worker_state state, uint32_t asked_ms)
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

/* ---- the life of the instance --------------------------------------------------------------- */

static void instance_down(struct worker *worker, const leat_error *error)
{
    leat_field fields[] = {LEAT_F_STR("error", error->text)};

    (void)worker->ops->stop(worker->sink, 0);
    worker__take_everything_back(worker);
    if (worker->state == WORKER_FAILED)
        return;
    worker->log(&worker->host, LEAT_LOG_WARN, "sink is down, will be tried again", fields, 1);
    back_off(worker, WORKER_DOWN, 0);
}

static void holds_too_little(struct worker *worker, const leat_sink_start *start)
{
    leat_error error = {.size = sizeof error, .status = LEAT_EFATAL, .exit_code = 65};
    char has[32], had[32];
    leat_identity least = worker->has_floor ? worker->floor : worker->accepted;

    worker->regressed =
        !worker->has_floor || leat_identity_compare(start->last, worker->floor) >= 0;
    if (worker->regressed)
        least = worker->accepted;
    has[encode_lsn(start->last.position, has)] = '\0';
    had[encode_lsn(least.position, had)] = '\0';
    (void)snprintf(error.text, sizeof error.text,
                   "sink %s holds records up to %s:%lld, but up to %s:%lld were durable in it: it "
                   "has lost data%s",
                   worker->config->name, has, (long long)start->last.seq, had, (long long)least.seq,
                   worker->regressed
                       ? ", which the source still has"
                       : "; restore it, or remove the state file to go on with a gap");
    worker__fail(worker, &error);
}

/* Is it a record that this worker had from its source, lent or about to be?  What a sink stored
 * without an answer is newer than anything accepted. */
static bool was_encoded(struct worker *worker, leat_identity identity)
{
    struct slot *slot = worker__slot(worker, worker->tail - 1);

    return worker->head != worker->tail && slot->record_count > 0 &&
           leat_identity_compare(identity,
                                 worker__record(slot, slot->record_count - 1)->identity) <= 0;
}

/* A sink that was filled from another server: to skip what it "holds" would lose everything. */
static bool holds_too_much(struct worker *worker, const leat_sink_start *start)
{
    leat_error error = {.size = sizeof error, .status = LEAT_EFATAL, .exit_code = 65};
    uint64_t newest =
        worker->newest ? atomic_load_explicit(worker->newest, memory_order_relaxed) : 0;
    char has[32], most[32];

    if (newest == 0 || start->last.position <= newest ||
        (worker->has_accepted && leat_identity_compare(start->last, worker->accepted) <= 0) ||
        was_encoded(worker, start->last))
        return false;
    has[encode_lsn(start->last.position, has)] = '\0';
    most[encode_lsn(newest, most)] = '\0';
    (void)snprintf(error.text, sizeof error.text,
                   "sink %s holds records up to %s, but the source's newest position is %s: it was "
                   "filled from another server; give it an empty place, or the slot another name",
                   worker->config->name, has, most);
    worker__fail(worker, &error);
    return true;
}

/* A sink that is new here brings an end of something older: what lies between is missing in it. */
static void warn_of_older(struct worker *worker, const leat_sink_start *start)
{
    leat_identity newest;
    leat_field fields[] = {LEAT_F_LSN("holds_up_to", start->last.position),
                           LEAT_F_LSN("begins_behind", 0)};

    if (worker->has_accepted || worker->has_floor || !journal_newest(worker->journal, &newest) ||
        leat_identity_compare(start->last, newest) >= 0)
        return;
    fields[1].number = (int64_t)newest.position;
    worker->log(&worker->host, LEAT_LOG_WARN,
                "sink is new here but holds older records: what lies between is missing in it",
                fields, 2);
}

static void apply_holds(struct worker *worker, const leat_sink_start *start)
{
    worker->skipping = worker->carried;
    if (start->holds == LEAT_HOLDS_NOTHING && (worker->has_accepted || worker->has_floor)) {
        worker->log(&worker->host, LEAT_LOG_WARN,
                    "sink holds nothing, though it did earlier: it is taken for a new one", NULL,
                    0);
        return;
    }
    if (start->holds != LEAT_HOLDS_LAST || holds_too_much(worker, start))
        return;
    if ((worker->has_accepted && leat_identity_compare(start->last, worker->accepted) < 0) ||
        (worker->has_floor && leat_identity_compare(start->last, worker->floor) < 0)) {
        holds_too_little(worker, start);
        return;
    }
    warn_of_older(worker, start);
    worker->skip_hold_ms = start->hold_ms;
    if (!worker->carried || leat_identity_compare(start->last, worker->skip_until) > 0)
        worker->skip_until = start->last;
    worker->skipping = true;
    worker__skip_encoded(worker);
    worker__leave(worker);
}

/* What the origin will not send again has to be here. */
static bool shows_proof(struct worker *worker, const leat_sink_start *start)
{
    leat_error error = {.size = sizeof error, .status = LEAT_EFATAL, .exit_code = 65};
    char has[32] = "nothing that it can name";

    if (!worker->proof || atomic_load_explicit(&worker->channel->proved, memory_order_relaxed))
        return true;
    if (proof_holds(worker->proof, start)) {
        atomic_store_explicit(&worker->channel->proved, true, memory_order_release);
        doorbell_ring(worker->channel->source_bell);
        return true;
    }
    if (start->holds == LEAT_HOLDS_LAST)
        has[encode_lsn(start->last.position, has)] = '\0';
    (void)snprintf(error.text, sizeof error.text, "%.400s; (sink %s holds %s)", worker->proof->why,
                   worker->config->name, has);
    worker__fail(worker, &error);
    return false;
}

static void instance_start(struct worker *worker)
{
    leat_error error = {.size = sizeof error};
    leat_sink_start start = {
        .size = sizeof start,
        .name_space = atomic_load_explicit(worker->name_space, memory_order_acquire),
        .format = worker->config->format == ENCODE_MSGPACK ? "msgpack" : "json",
    };
    leat_status status;

    worker->has_floor = journal_sink_floor(worker->journal, worker->config->name, &worker->floor);
    start.known = worker->has_accepted || worker->has_floor;
    start.durable = worker->has_accepted ? worker->accepted : worker->floor;
    status = worker->ops->start(worker->sink, &start, &error);
    if (status == LEAT_AGAIN) {
        worker__enter(worker, WORKER_STARTING);
        return;
    }
    if (status == LEAT_ERETRY) {
        instance_down(worker, &error);
        return;
    }
    if (status != LEAT_OK) {
        error.status = status;
        worker__fail(worker, &error);
        return;
    }
    worker__count(&worker->counters.starts, 1);
    worker->next = worker->head;
    if (!shows_proof(worker, &start))
        return;
    apply_holds(worker, &start);
    if (worker->state != WORKER_FAILED)
        worker__enter(worker, WORKER_RUNNING);
}

/* ---- the step ------------------------------------------------------------------------------- */

/* Each time under a new token: what comes late for an earlier time is found out. */
static void lend(struct worker *worker, struct slot *slot)
{
    slot->generation++;
    slot->offer = (leat_batch){
        .size = sizeof slot->offer,
        .record_count = slot->record_count - slot->durable,
        .record_stride = sizeof(leat_record),
        .attempt = slot->attempt,
        .token = (uint64_t)slot->generation << 32 | (worker->next & (WORKER_SLOTS - 1)),
        .records = slot->records + (size_t)slot->durable * sizeof(leat_record),
    };
    worker__slot_set(slot, SLOT_LENT, memory_order_release);
}

/* True when something was lent or skipped. */
static bool submit_next(struct worker *worker)
{
    struct slot *slot;
    leat_status status;

    if (worker->next == worker->tail && !worker__encode_next(worker))
        return false;
    slot = worker__slot(worker, worker->next);
    if (worker__slot_state(slot, memory_order_relaxed) != SLOT_READY) {
        worker->next++; /* finished before what is retried now */
        return true;
    }
    lend(worker, slot);
    status = worker->ops->submit(worker->sink, &slot->offer);
    if (status == LEAT_OK) {
        if (slot->attempt++ == 0 && slot->last_part)
            worker__since_commit(&worker->commit_to_submitted, slot->batch);
        worker->lent++;
        worker->next++;
        worker__count(&worker->counters.batches, 1);
        stage_pass("submitted");
        return true;
    }
    worker__slot_set(slot, SLOT_READY, memory_order_relaxed);
    if (status != LEAT_AGAIN) {
        leat_error error = {.size = sizeof error, .status = LEAT_EFATAL, .exit_code = 70};
        (void)snprintf(error.text, sizeof error.text,
                       "submit returned %d, which is neither OK nor AGAIN: a bug of the plugin",
                       (int)status);
        worker__fail(worker, &error);
    }
    return false;
}

static void poll_plugin(struct worker *worker, int32_t wait_ms)
{
    leat_error error = {.size = sizeof error};
    leat_status status;

    if (!worker->ops->poll) {
        struct pollfd fd = {.fd = worker->channel->worker_bell.fd, .events = POLLIN};
        if (wait_ms != 0)
            (void)poll(&fd, 1, wait_ms);
        return;
    }
    status = worker->ops->poll(worker->sink, wait_ms, &error);
    if (status == LEAT_OK || status == LEAT_AGAIN)
        return;
    if (status == LEAT_ERETRY) {
        instance_down(worker, &error);
        return;
    }
    (void)worker__take_results(worker);
    error.status = status;
    if (worker->state != WORKER_FAILED)
        worker__fail(worker, &error);
}

static int32_t shorter(int32_t a_ms, int32_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int32_t until_retry(struct worker *worker)
{
    int64_t left_ns = worker->retry_at_ns - clock_now_ns(worker->clock);

    return left_ns <= 0 ? 0 : (int32_t)(left_ns / 1000000 + 1);
}

/* Rule 11 of the fault rules: nobody waits for ever in silence. */
static int32_t watch_for_stall(struct worker *worker)
{
    int64_t limit_ns = worker->config->stall_warning_ms * 1000000;
    int64_t now_ns, oldest_ns;

    if (worker->head == worker->tail || limit_ns == 0 || worker__is_asked(worker, CHANNEL_PAUSE))
        return -1;
    now_ns = clock_now_ns(worker->clock);
    oldest_ns = worker__slot(worker, worker->head)->encoded_ns;
    if (worker->stall_logged_ns > oldest_ns)
        oldest_ns = worker->stall_logged_ns;
    if (now_ns - oldest_ns >= limit_ns) {
        struct slot *slot = worker__slot(worker, worker->head);
        leat_identity first = worker__record(slot, slot->durable)->identity;
        leat_field fields[] = {
            LEAT_F_INT("age_ms", (now_ns - slot->encoded_ns) / 1000000),
            LEAT_F_LSN("lsn", first.position),
            LEAT_F_INT("seq", first.seq),
            LEAT_F_STR("waits_for", worker__state_text(worker->state)),
        };
        worker->log(&worker->host, LEAT_LOG_WARN, "oldest record is not acknowledged", fields, 4);
        worker->stall_logged_ns = now_ns;
        oldest_ns = now_ns;
    }
    return (int32_t)((limit_ns - (now_ns - oldest_ns)) / 1000000 + 1);
}

static bool run(struct worker *worker)
{
    bool any = false;

    while (worker->state == WORKER_RUNNING && !worker__is_asked(worker, CHANNEL_PAUSE) &&
           submit_next(worker)) {
        any = true;
        (void)worker__take_results(worker);
    }
    if (worker->state == WORKER_RUNNING)
        poll_plugin(worker, 0);
    if (worker__take_results(worker))
        any = true;
    worker__leave(worker);
    return any || worker->state != WORKER_RUNNING; /* down or failed: there is a next thing to do */
}

/* What the state allows now; returns how long the thread may then wait. */
static int32_t act(struct worker *worker)
{
    switch (worker->state) {
    case WORKER_WAITING:
        if (!atomic_load_explicit(worker->name_space, memory_order_acquire))
            return -1;
        instance_start(worker);
        return 0;
    case WORKER_STARTING:
        instance_start(worker);
        return worker->state == WORKER_STARTING ? 50 : 0;
    case WORKER_RUNNING:
        return run(worker) ? 0 : -1;
    case WORKER_RECOVERING:
        if (worker->lent > 0)
            return -1;
        worker->next = worker->head;
        back_off(worker, WORKER_RETRYING, worker->asked_ms);
        return 0;
    case WORKER_RETRYING:
        if (until_retry(worker) > 0)
            return until_retry(worker);
        worker__enter(worker, WORKER_RUNNING);
        return 0;
    case WORKER_DOWN:
        if (until_retry(worker) > 0)
            return until_retry(worker);
        instance_start(worker);
        return 0;
    case WORKER_FAILED:
    case WORKER_DROPPED:
    case WORKER_PAUSED:
        return 0;
    }
    return 0;
}

static bool must_not_sleep(struct worker *worker)
{
    if (atomic_load_explicit(&worker->reports, memory_order_acquire) != worker->reports_seen ||
        atomic_exchange_explicit(&worker->wake_asked, false, memory_order_acquire) ||
        atomic_load_explicit(&worker->stopping, memory_order_acquire) ||
        atomic_load_explicit(&worker->channel->stopping, memory_order_acquire) ||
        worker__is_asked(worker, CHANNEL_DROP))
        return true;
    if (worker->state == WORKER_WAITING)
        return atomic_load_explicit(worker->name_space, memory_order_acquire) != NULL;
    return worker->state == WORKER_RUNNING && worker->next == worker->tail && !worker->no_memory &&
           !worker__is_asked(worker, CHANNEL_PAUSE) && worker__can_encode(worker);
}

static void wait_for_work(struct worker *worker, int32_t wait_ms)
{
    struct pollfd fd = {.fd = worker->channel->worker_bell.fd, .events = POLLIN};

    doorbell_arm(&worker->channel->worker_bell);
    if (!must_not_sleep(worker)) {
        /* An instance that is up waits for its own events too; one that is down has none. */
        if (worker->state == WORKER_RUNNING || worker->state == WORKER_STARTING ||
            worker->state == WORKER_RECOVERING || worker->state == WORKER_RETRYING)
            poll_plugin(worker, wait_ms);
        else
            (void)poll(&fd, 1, wait_ms);
    }
    doorbell_disarm(&worker->channel->worker_bell);
}

/* What others may see: once a step. */
static void show(struct worker *worker)
{
    struct worker_counters *counters = &worker->counters;

    bool paused = worker->state == WORKER_RUNNING && worker__is_asked(worker, CHANNEL_PAUSE);

    worker__count(&counters->turns, 1);
    atomic_store_explicit(&counters->state, paused ? WORKER_PAUSED : (int)worker->state,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->lent, worker->lent, memory_order_relaxed);
    atomic_store_explicit(&counters->queued, worker->tail - worker->next, memory_order_relaxed);
    atomic_store_explicit(&counters->pool_used, worker->pool.used * worker->pool.slab_size,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->accepted,
                          worker->has_accepted ? worker->accepted.position
                                               : worker->skip_until.position,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->retry_at_ns, worker->retry_at_ns, memory_order_relaxed);
}

bool worker_step(struct worker *worker, int32_t max_wait_ms)
{
    int32_t wait_ms;

    if (worker->state != WORKER_FAILED &&
        (worker->state == WORKER_DROPPED || worker__is_asked(worker, CHANNEL_DROP))) {
        show(worker);
        return worker__dropped_step(worker, max_wait_ms);
    }
    (void)worker__take_results(worker);
    wait_ms = act(worker);
    show(worker);
    if (worker->state == WORKER_FAILED)
        return false;
    wait_ms = shorter(wait_ms, max_wait_ms);
    if (wait_ms != 0) {
        wait_ms = shorter(wait_ms, watch_for_stall(worker));
        wait_for_work(worker, wait_ms);
    }
    return worker->state != WORKER_FAILED;
}

void worker_stop(struct worker *worker, uint32_t deadline_ms)
{
    if (worker->state != WORKER_WAITING && worker->state != WORKER_DOWN &&
        worker->state != WORKER_DROPPED)
        (void)worker->ops->stop(worker->sink, deadline_ms);
    worker__take_everything_back(worker);
    worker__leave(worker);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    worker__of(host)->log(host, level, message, fields, field_count);
}

static int64_t host_now_ns(const leat_host *host)
{
    return clock_now_ns(worker__of(host)->clock);
}

static void host_wake(const leat_host *host)
{
    struct worker *worker = worker__of(host);

    atomic_store_explicit(&worker->wake_asked, true, memory_order_release);
    doorbell_ring(&worker->channel->worker_bell);
}

static bool make_parts(struct worker *worker, const struct worker_setup *setup, leat_error *error)
{
    const struct config_sink *config = setup->config;
    struct encode_options encoding = {config->format, config->numeric, config->int8, config->bytea,
                                      config->timestamp};

    worker->slots = calloc(WORKER_SLOTS, sizeof *worker->slots);
    worker->encoder = encoder_create(&encoding);
    if (!worker->slots || !worker->encoder ||
        !(config->isolate ? pool_init_shared : pool_init)(&worker->pool, setup->memory,
                                                          (size_t)64 * 1024, setup->mlock)) {
        (void)snprintf(error->text, sizeof error->text, "no memory for sink %s: %s", config->name,
                       strerror(errno));
        return false;
    }
    if (worker->ops->route &&
        (config->route || config->route_count > 0 || worker->ops->route->fallback)) {
        worker->router = router_create(config, worker->ops->route, error->text, sizeof error->text);
        if (!worker->router)
            return false;
    }
    if (config->on_reject == CONFIG_REJECT_DEAD_LETTER) {
        worker->dead_letter =
            dead_letter_open(config->dead_letter, setup->pipeline, config->name, error);
        if (!worker->dead_letter)
            return false;
    }
    return true;
}

bool worker_init(struct worker *worker, const struct worker_setup *setup, leat_error *error)
{
    memset(worker, 0, sizeof *worker);
    worker->clock = setup->clock;
    worker->config = setup->config;
    worker->ops = setup->ops;
    if (setup->config->isolate) {
        isolate_ops(setup->ops, &worker->isolated);
        worker->ops = &worker->isolated;
    }
    worker->memory_factor = setup->memory_factor;
    worker->channel = setup->channel;
    worker->name_space = setup->name_space;
    worker->newest = setup->newest;
    worker->proof = setup->proof;
    worker->log = setup->log;
    worker->random = (uint64_t)clock_now_ns(setup->clock) | 1;
    worker->journal = setup->journal;
    worker->host = (leat_host){
        .size = sizeof worker->host,
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .pipeline = setup->pipeline,
        .instance = setup->config->name,
        .wake_fd = setup->channel->worker_bell.fd,
        .log = host_log,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .extension = setup->extension,
        .batch_done = worker__batch_done,
    };
    return make_parts(worker, setup, error);
}

void worker_fini(struct worker *worker)
{
    encoder_destroy(worker->encoder);
    router_destroy(worker->router);
    dead_letter_close(worker->dead_letter);
    free(worker->slots);
    free(worker->backlog);
    free(worker->runs);
    pool_fini(&worker->pool);
}
