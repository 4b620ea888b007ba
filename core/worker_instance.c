/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_instance.c -- the plugin's instance in a worker's life: it is started, says what it holds,
 * and is taken down when it fails.  [worker]
 *
 * What it says is judged before anything is skipped: a sink that holds less than it once had, or
 * more than the source can have sent, is not delivered to.  Nothing here makes or destroys the
 * instance: that is pipeline_sink.c.
 */
#include "worker_internal.h"

#include <stdio.h>

void worker__instance_down(struct worker *worker, const leat_error *error)
{
    leat_field fields[] = {LEAT_F_STR("error", error->text)};

    (void)worker->ops->stop(worker->sink, 0);
    worker__take_everything_back(worker);
    if (worker->state == WORKER_FAILED)
        return;
    worker->log(&worker->host, LEAT_LOG_WARN, "sink is down, will be tried again", fields, 1);
    worker__back_off(worker, WORKER_DOWN, 0);
}

/* ---- what it says it holds ------------------------------------------------------------------ */

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
                   "it holds records up to %s:%lld, but up to %s:%lld were durable in it: it "
                   "has lost data%s",
                   has, (long long)start->last.seq, had, (long long)least.seq,
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
                   "it holds records up to %s, but the source's newest position is %s: it was "
                   "filled from another server; give it an empty place, or the slot another name",
                   has, most);
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
    (void)snprintf(error.text, sizeof error.text, "%.400s; (this sink holds %s)",
                   worker->proof->why, has);
    worker__fail(worker, &error);
    return false;
}

/* ---- its start ------------------------------------------------------------------------------ */

void worker__instance_start(struct worker *worker)
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
        worker__instance_down(worker, &error);
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
