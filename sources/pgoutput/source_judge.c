/* SPDX-License-Identifier: Apache-2.0
 *
 * source_judge.c -- what the server's answers mean: stream, create the slot, stand by, begin anew, or
 * refuse.  [worker]  The rules themselves are in slot.c; this does what they say.
 */
#include "source_internal.h"
#include "fault.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- STANDBY: somebody else has the slot ----------------------------------------------------- */

/* It waits for transactions that ran then; a try of ours whose connection was lost, most likely. */
static bool is_being_made(const struct slot_facts *slot)
{
    return slot->exists && slot->confirmed_lsn == 0;
}

static void tell_making(leat_source *source)
{
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_INT("active_pid", source->facts.slot.active_pid)};
    if (!source->told_making)
        source_say(source, LEAT_LOG_INFO, "the slot is being made already, waiting for it", fields,
                   2);
    source->told_making = true;
}

static void tell_standby(leat_source *source)
{
    const struct slot_facts *slot = &source->facts.slot;
    char detail[256];
    (void)snprintf(detail, sizeof detail, "slot \"%s\" is %s for PID %lld (%s)",
                   source->options->slot, is_being_made(slot) ? "being made" : "active",
                   (long long)slot->active_pid,
                   slot->reader_is_us ? "a daemon of this configuration"
                   : *slot->reader    ? slot->reader
                                      : "unknown");
    source_report(source, LEAT_STATE_WAITING, detail);
    if (is_being_made(slot)) {
        tell_making(source);
        return;
    }
    if (source->standing_by)
        return;
    source->standing_by = true;
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_INT("active_pid", slot->active_pid),
                                 LEAT_F_STR("reader", slot->reader)};
    source_say(source, slot->reader_is_us ? LEAT_LOG_INFO : LEAT_LOG_WARN,
               slot->reader_is_us ? "the slot is active elsewhere, waiting for it as the standby"
                                  : "the slot is active elsewhere, for a stranger, waiting for it",
               fields, 3);
}

/* The connection stays, so that a look costs one query and the slot can be taken at once. */
static leat_status stand_by(leat_source *source)
{
    const struct slot_facts *slot = &source->facts.slot;
    source->stale = true;
    if (!slot->reader_is_us)
        source->memory.observed = 0;
    else if (slot->confirmed_lsn > source->memory.observed)
        source->memory.observed = slot->confirmed_lsn;
    tell_standby(source);
    source->retry_ns = source_now(source) + source_jitter(source, STANDBY_MS) * MS;
    source->state = SOURCE_STANDBY;
    return LEAT_OK;
}

leat_status source_step_standby(leat_source *source, int32_t max_wait_ms)
{
    if (source_now(source) >= source->retry_ns)
        return source_ask(source, ASK_SLOT);
    if (source_wait(source, PQsocket(source->conn), POLLIN, source->retry_ns, max_wait_ms) &&
        !PQconsumeInput(source->conn))
        source_lose_connecting(source);
    return LEAT_OK;
}

/* ---- what the answers mean ------------------------------------------------------------------- */

/* This run's sinks hold what this run gave them, and they are told by nobody that the world has
 * changed: the host makes them anew, and the rules of a first connection decide. */
static leat_status begin_anew(leat_source *source, const char *why, leat_error *error)
{
    (void)fault_set(error, LEAT_ERETRY, 0, "%s", why);
    source->failure = *error;
    source_close(source);
    replication_end(source);
    source->state = SOURCE_FAILED;
    source_report(source, LEAT_STATE_CONNECTING, why);
    return LEAT_ERETRY;
}

static const char *world_changed(const leat_source *source, enum slot_verdict verdict)
{
    if (!source->begun)
        return NULL;
    if (slot_timeline_changed(&source->memory, &source->facts))
        return "the server was promoted to another timeline";
    if (verdict == SLOT_WAIT && source->facts.slot.active_pid != source->own_pid)
        return "the slot was taken over while it was not read from";
    if (verdict == SLOT_PROVE)
        return "the slot was moved on while it was not read from";
    return NULL;
}

static leat_status create_slot(leat_source *source)
{
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot)};
    source_say(source, LEAT_LOG_INFO,
               "creating the slot, once the transactions that run now have ended", fields, 1);
    return source_ask(source, ASK_CREATE);
}

static leat_status demand_proof(leat_source *source, leat_error *error)
{
    if (!source->proof)
        return source_fail(source, error);
    source->prove = source->start;
    (void)snprintf(source->prove_why, sizeof source->prove_why, "%s", error->text);
    return LEAT_OK;
}

leat_status source_judge(leat_source *source, leat_error *error)
{
    struct slot_memory *memory = &source->memory;
    uint64_t restart = decoder_restart_position(source->decoder);
    if (memory->position < restart)
        memory->position = restart;
    if (memory->position < source->durable.lsn)
        memory->position = source->durable.lsn;
    source->prove = 0;
    enum slot_verdict verdict =
        slot_judge(source->options, &source->facts, memory, &source->start, error);
    const char *changed = world_changed(source, verdict);
    if (changed)
        return begin_anew(source, changed, error);
    leat_status status = LEAT_OK;
    switch (verdict) {
    case SLOT_REFUSE:
        return source_fail(source, error);
    case SLOT_CREATE:
        return create_slot(source);
    case SLOT_WAIT:
        return stand_by(source);
    case SLOT_PROVE:
        status = demand_proof(source, error);
        break;
    case SLOT_STREAM:
        break;
    }
    if (status)
        return status;
    memory->seen = true;
    if (source->options->failover && !source->facts.slot.failover && !source->facts.in_recovery)
        return source_ask(source, ASK_ALTER);
    return source_ask(source, ASK_START);
}

/* The slot's row is there. */
leat_status source_weigh(leat_source *source, leat_error *error)
{
    /* One that is being made is not one yet: if that is given up, we may. */
    if (source->facts.slot.exists && !is_being_made(&source->facts.slot))
        source->memory.seen = true;
    if (source->stale && !source->facts.slot.active)
        return source_ask(source, ASK_SYSTEM);
    if (slot_timeline_changed(&source->memory, &source->facts) &&
        strtoull(source->facts.timeline, NULL, 10) > 1 && !source->facts.has_history &&
        !source->begun)
        return source_ask(source, ASK_HISTORY);
    return source_judge(source, error);
}
