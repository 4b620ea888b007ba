/* SPDX-License-Identifier: Apache-2.0
 *
 * check_slot.c -- `leat check`: what is to be said of the slot, by the rules of a start (slot.h) and
 * of the guard.  [main]  Changes nothing.
 */
#include "check_run.h"
#include "connect.h"
#include "guard_rules.h"
#include "slot.h"

#include <stdlib.h>
#include <string.h>

/* What earlier runs have recorded.  A daemon that reads from the slot is ahead of that by now. */
static struct slot_memory recall(struct check_run *run)
{
    struct slot_memory memory = {0};
    leat_error error = {.size = sizeof error};
    if (LEAT_HAS(run->check, leat_check, known) && run->check->known &&
        slot_recall(&memory, run->check->known, &error))
        check_report(run, LEAT_FINDING_ERROR, error.exit_code, NULL, "%s", error.text);
    if (run->facts.slot.active)
        memory.position = 0;
    return memory;
}

/* Only where the server is on another timeline than the recorded one: the verdict on it is the
 * slot's. */
void check_history(struct check_run *run)
{
    leat_error error = {.size = sizeof error};
    const struct slot_memory memory = recall(run);
    uint64_t timeline = strtoull(run->facts.timeline, NULL, 10);
    PGresult *result;
    if (!slot_timeline_changed(&memory, &run->facts) || timeline < 2)
        return;
    inquiry_ask(ASK_HISTORY, run->conn, run->options, timeline, run->sql);
    if (connect_query(run->conn, run->sql->data, NULL, 0, run->deadline_ns, &result, &error))
        return;
    (void)inquiry_read_history(result, memory.timeline, &run->facts);
    PQclear(result);
}

/* What the guard would say, and what it cannot see. */
static void check_guard(struct check_run *run)
{
    const struct slot_facts *slot = &run->facts.slot;
    enum guard_level level = guard_level(run->options, slot, GUARD_OK);
    int64_t used = guard_used_percent(slot);
    if (level != GUARD_OK)
        check_report(run, LEAT_FINDING_WARNING, 0, "run leat, or raise max_slot_wal_keep_size",
                     "slot %s: its level is %s: %lld bytes of WAL are kept for it (wal_status %s)",
                     run->options->slot, guard_level_word(level), (long long)slot->retained_bytes,
                     slot->wal_status);
    if (used >= 0)
        check_report(
            run, LEAT_FINDING_OK, 0, NULL,
            "max_slot_wal_keep_size: %lld %% used up, the slot is lost after %lld more bytes of "
            "WAL",
            (long long)used, (long long)slot->safe_size_bytes);
    else
        check_report(
            run, LEAT_FINDING_NOTE, 0,
            "ALTER SYSTEM SET max_slot_wal_keep_size = '...'; if the server is worth more than "
            "the stream",
            "max_slot_wal_keep_size has no limit: a slot that nobody reads fills the disk");
    if (run->options->failover && !slot->failover)
        check_report(run, LEAT_FINDING_NOTE, 0, NULL,
                     "slot %s is no failover slot yet: the next leat run makes it one",
                     run->options->slot);
    if (slot->failover)
        check_report(
            run, LEAT_FINDING_OK, 0, NULL,
            "slot %s is a failover slot: a standby needs sync_replication_slots, "
            "hot_standby_feedback, primary_slot_name and a dbname in primary_conninfo, the primary "
            "that slot in synchronized_standby_slots",
            run->options->slot);
}

void check_slot(struct check_run *run)
{
    const struct slot_facts *slot = &run->facts.slot;
    const struct pgoutput_options *options = run->options;
    leat_error error = {.size = sizeof error};
    const struct slot_memory memory = recall(run);
    if (!slot->exists && memory.position == 0) {
        check_report(run, options->create_slot ? LEAT_FINDING_NOTE : LEAT_FINDING_ERROR,
                     options->create_slot ? 0 : 78, "leat slot create", "slot %s does not exist%s",
                     options->slot,
                     options->create_slot ? ": the very first leat run creates it"
                                          : " and create_slot is off");
        return;
    }
    /* The same rules as at a start, without what only a start knows. */
    struct origin_facts facts = run->facts;
    facts.publication_missing = false;
    facts.wal_logical = true;
    uint64_t start;
    enum slot_verdict verdict = slot_judge(options, &facts, &memory, &start, &error);
    if (verdict == SLOT_REFUSE || verdict == SLOT_PROVE) {
        check_report(run, LEAT_FINDING_ERROR, error.exit_code, NULL, "%s", error.text);
        return;
    }
    char confirmed[WAL_TEXT];
    check_report(run, LEAT_FINDING_OK, 0, NULL, "slot %s: confirmed %s, %lld bytes of WAL kept, %s",
                 options->slot, wal_print(slot->confirmed_lsn, confirmed),
                 (long long)slot->retained_bytes, slot->wal_status);
    if (slot->active)
        check_report(run, LEAT_FINDING_NOTE, 0, NULL,
                     "slot %s is in use by process %lld (%s): leat run would wait", options->slot,
                     (long long)slot->active_pid,
                     slot->reader_is_us ? "a daemon of this configuration"
                     : *slot->reader    ? slot->reader
                                        : "unknown");
    if (strcmp(slot->wal_status, "unreserved") == 0)
        check_report(run, LEAT_FINDING_WARNING, 0, "run leat, or raise max_slot_wal_keep_size",
                     "slot %s is about to be lost: the next checkpoint may remove its WAL",
                     options->slot);
    check_guard(run);
}
