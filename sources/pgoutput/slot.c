/* SPDX-License-Identifier: Apache-2.0
 *
 * slot.c -- may the stream go on from where we are?  The rules against silent gaps.  [any]
 * Never creates, drops or moves anything.
 */
#include "slot.h"
#include "fault.h"

#include <stdio.h>
#include <string.h>

leat_status slot_recall(struct slot_memory *memory, const leat_source_start *start,
                        leat_error *error)
{
    *memory = (struct slot_memory){.position = start->position};
    const struct {
        const char *name;
        char *to;
        size_t size;
    } wanted[] = {
        {"slot", memory->slot, sizeof memory->slot},
        {"system_identifier", memory->system_identifier, sizeof memory->system_identifier},
        {"timeline", memory->timeline, sizeof memory->timeline},
        {"database", memory->database, sizeof memory->database},
    };
    for (uint32_t i = 0; i < start->fact_count; i++)
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++)
            if (strcmp(start->facts[i].name, wanted[k].name) == 0)
                (void)snprintf(wanted[k].to, wanted[k].size, "%s", start->facts[i].value);
    for (size_t k = 0; start->position != 0 && k < sizeof wanted / sizeof *wanted; k++)
        if (!*wanted[k].to)
            return fault_set(
                error, LEAT_ECONFIG, 78,
                "a position is recorded, but not its %s, by which a gap would be known: "
                "restore this pipeline's file in state_directory, or remove it to begin "
                "at the slot's own position",
                wanted[k].name);
    return LEAT_OK;
}

void slot_remember(struct slot_memory *memory, const struct pgoutput_options *options,
                   const struct origin_facts *facts)
{
    (void)snprintf(memory->slot, sizeof memory->slot, "%s", options->slot);
    memcpy(memory->system_identifier, facts->system_identifier, sizeof memory->system_identifier);
    memcpy(memory->timeline, facts->timeline, sizeof memory->timeline);
    memcpy(memory->database, facts->database, sizeof memory->database);
}

static bool refuse_configuration(const struct pgoutput_options *options,
                                 const struct origin_facts *facts, leat_error *error)
{
    if (facts->version < 140000) {
        (void)fault_set(error, LEAT_ECONFIG, 78,
                        "the server is PostgreSQL %d: leat needs 14 or newer",
                        facts->version / 10000);
    } else if (!facts->wal_logical) {
        (void)fault_set(error, LEAT_ECONFIG, 78,
                        "the server's wal_level is not logical: run ALTER SYSTEM SET wal_level = "
                        "logical and restart the server");
    } else if (options->failover && facts->version < 170000) {
        (void)fault_set(error, LEAT_ECONFIG, 78,
                        "failover: true needs PostgreSQL 17 or newer, the server is %d",
                        facts->version / 10000);
    } else if (facts->in_recovery && facts->version < 160000) {
        (void)fault_set(
            error, LEAT_ECONFIG, 78,
            "the server is a standby, which cannot decode before PostgreSQL 16: name the "
            "primary in dsn, or several hosts");
    } else if (facts->publication_missing) {
        char name[64];
        (void)fault_set(error, LEAT_ECONFIG, 78,
                        "publication \"%s\" does not exist in database \"%s\": run CREATE "
                        "PUBLICATION \"%s\" FOR TABLE ... there (leat setup prints it), before the "
                        "slot is created",
                        fault_line(name, sizeof name, facts->missing_publication), facts->database,
                        name);
    } else {
        return false;
    }
    return true;
}

/* Is this the server, and the slot, of the earlier run? */
static bool refuse_stranger(const struct pgoutput_options *options,
                            const struct origin_facts *facts, const struct slot_memory *memory,
                            leat_error *error)
{
    const struct {
        const char *name, *recorded, *found;
    } facts_of_both[] = {
        {"slot", memory->slot, options->slot},
        {"system identifier", memory->system_identifier, facts->system_identifier},
        {"database", memory->database, facts->database},
    };
    for (size_t i = 0; i < sizeof facts_of_both / sizeof *facts_of_both; i++) {
        if (!*facts_of_both[i].recorded ||
            strcmp(facts_of_both[i].recorded, facts_of_both[i].found) == 0)
            continue;
        (void)fault_set(
            error, LEAT_EFATAL, 65,
            "the origin's %s is not that of the earlier run: recorded %s, found %s (another "
            "server, or a changed configuration): " SLOT_GAP
            "go back to the recorded one, or " SLOT_REFRESH,
            facts_of_both[i].name, facts_of_both[i].recorded, facts_of_both[i].found);
        return true;
    }
    return false;
}

bool slot_timeline_changed(const struct slot_memory *memory, const struct origin_facts *facts)
{
    return *memory->timeline && strcmp(memory->timeline, facts->timeline) != 0 &&
           strcmp(memory->system_identifier, facts->system_identifier) == 0;
}

uint64_t slot_newest(const struct slot_memory *memory, const struct origin_facts *facts)
{
    return slot_timeline_changed(memory, facts) ? facts->fork_lsn : facts->wal_position;
}

/* A promoted server goes on where the old one was left, if nothing that was delivered lies behind
 * that, and if it kept a copy of the slot.  (What a sink holds is compared with slot_newest.) */
static bool refuse_timeline(const struct pgoutput_options *options,
                            const struct origin_facts *facts, const struct slot_memory *memory,
                            leat_error *error)
{
    char fork[WAL_TEXT], ours[WAL_TEXT];
    if (!slot_timeline_changed(memory, facts))
        return false;
    if (!facts->has_history || !facts->fork_lsn)
        (void)fault_set(error, LEAT_EFATAL, 65,
                        "the server is on timeline %s, which does not descend from the recorded "
                        "timeline %s (it was restored, or promoted before): " SLOT_GAP
                        "go back to the recorded server, or " SLOT_REFRESH,
                        facts->timeline, memory->timeline);
    else if (memory->position > facts->fork_lsn)
        (void)fault_set(
            error, LEAT_EFATAL, 65,
            "the server was promoted: timeline %s left timeline %s at %s, before the %s "
            "that was delivered already, so some of that never happened there: " SLOT_GAP
                SLOT_REFRESH,
            facts->timeline, memory->timeline, wal_print(facts->fork_lsn, fork),
            wal_print(memory->position, ours));
    else if (facts->slot.exists && !facts->slot.synced)
        (void)fault_set(error, LEAT_EFATAL, 65,
                        "the server was promoted to timeline %s, and its slot \"%s\" is no "
                        "synchronised copy of the old one (PostgreSQL 17: failover: true, and "
                        "sync_replication_slots on the standby): " SLOT_GAP SLOT_REFRESH,
                        facts->timeline, options->slot);
    else
        return false;
    return true;
}

static bool refuse_slot(const struct pgoutput_options *options, const struct origin_facts *facts,
                        leat_error *error)
{
    const struct slot_facts *slot = &facts->slot;
    if (strcmp(slot->type, "logical") != 0 || strcmp(slot->plugin, "pgoutput") != 0)
        (void)fault_set(
            error, LEAT_ECONFIG, 78,
            "slot \"%s\" is a %s slot with output plugin \"%s\", not a logical one with "
            "pgoutput: configure another slot name",
            options->slot, slot->type, slot->plugin);
    else if (strcmp(slot->database, facts->database) != 0)
        (void)fault_set(
            error, LEAT_ECONFIG, 78,
            "slot \"%s\" belongs to database \"%s\", dsn names \"%s\": correct dbname in "
            "dsn, or configure another slot name",
            options->slot, slot->database, facts->database);
    else if (slot->two_phase && facts->version >= 150000)
        /* Not an option of the stream but of the slot: it cannot be asked for otherwise. */
        (void)fault_set(
            error, LEAT_ECONFIG, 78,
            "slot \"%s\" was created with two_phase: it sends prepared transactions before they "
            "commit, and leat delivers what is committed: configure another slot name, or drop the "
            "slot (leat slot drop) and create it without (leat slot create)",
            options->slot);
    else if (facts->in_recovery && slot->synced)
        (void)fault_set(
            error, LEAT_ECONFIG, 78,
            "slot \"%s\" is the copy that a standby keeps of the primary's, and cannot be "
            "read before the promotion: name the primary in dsn, or several hosts",
            options->slot);
    else if (strcmp(slot->wal_status, "lost") == 0 || *slot->invalidation)
        (void)fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" is lost (wal_status %s%s%s): the server removed WAL that was not "
            "read yet, " SLOT_GAP
            "drop it (leat slot drop), raise max_slot_wal_keep_size, " SLOT_REFRESH,
            options->slot, slot->wal_status, *slot->invalidation ? ", " : "", slot->invalidation);
    else
        return false;
    return true;
}

static bool refuse_missing(const struct pgoutput_options *options, bool known, leat_error *error)
{
    if (known)
        (void)fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" does not exist any more, but an earlier run has read from it, or "
            "has seen it: " SLOT_GAP SLOT_REFRESH,
            options->slot);
    else if (!options->create_slot)
        (void)fault_set(error, LEAT_ECONFIG, 78,
                        "slot \"%s\" does not exist and create_slot is off: run leat slot create",
                        options->slot);
    return known || !options->create_slot;
}

/* What is between where we are and where the slot begins is not sent any more.  A slot that was
 * advanced keeps what it needs from before; one that was made anew cannot have it. */
static void describe_gap(const struct pgoutput_options *options, const struct slot_facts *slot,
                         uint64_t position, leat_error *error)
{
    char ours[WAL_TEXT], theirs[WAL_TEXT];
    (void)wal_print(slot->confirmed_lsn, theirs);
    (void)fault_set(error, LEAT_EFATAL, 65,
                    "slot \"%s\" was %s: it begins at %s, after the %s that was recorded, and what "
                    "lies between is not sent any more: " SLOT_GAP
                    "copy the tables anew, or set accept_gap: %s to go on with the gap",
                    options->slot,
                    slot->restart_lsn && slot->restart_lsn < position
                        ? "advanced by someone else"
                        : "recreated or advanced by someone else",
                    theirs, wal_print(position, ours), theirs);
}

/* Do the slot and the server agree with where we are? */
static enum slot_verdict judge_position(const struct pgoutput_options *options,
                                        const struct origin_facts *facts,
                                        const struct slot_memory *memory, uint64_t *start,
                                        leat_error *error)
{
    char ours[WAL_TEXT], theirs[WAL_TEXT];
    uint64_t position = memory->position, begins = facts->slot.confirmed_lsn, accepted = 0;
    *start = position;
    if (facts->wal_position < position) {
        (void)fault_set(error, LEAT_EFATAL, 65,
                        "the server's WAL ends at %s, before the %s that was recorded: it was "
                        "restored or went back in time, " SLOT_GAP
                        "what was delivered may not exist there; " SLOT_REFRESH,
                        wal_print(facts->wal_position, theirs), wal_print(position, ours));
        return SLOT_REFUSE;
    }
    if (begins <= position)
        return SLOT_STREAM;
    *start = begins;
    /* Another daemon of our configuration told the slot that its sinks, and ours, have it. */
    if (memory->observed && begins >= memory->observed)
        return SLOT_STREAM;
    if (options->accept_gap && wal_parse(options->accept_gap, &accepted) && accepted == begins)
        return SLOT_STREAM;
    describe_gap(options, &facts->slot, position, error);
    return SLOT_PROVE;
}

enum slot_verdict slot_judge(const struct pgoutput_options *options,
                             const struct origin_facts *facts, const struct slot_memory *memory,
                             uint64_t *start, leat_error *error)
{
    /* Before the configuration: a publication is missing on a wrong server too, and 65 says more.
     */
    if (refuse_stranger(options, facts, memory, error) ||
        refuse_timeline(options, facts, memory, error) ||
        refuse_configuration(options, facts, error))
        return SLOT_REFUSE;
    if (!facts->slot.exists)
        return refuse_missing(options, memory->position || memory->seen, error) ? SLOT_REFUSE
                                                                                : SLOT_CREATE;
    if (refuse_slot(options, facts, error))
        return SLOT_REFUSE;
    if (facts->slot.active)
        return SLOT_WAIT;
    if (memory->position)
        return judge_position(options, facts, memory, start, error);
    *start = facts->slot.confirmed_lsn;
    return SLOT_STREAM;
}
