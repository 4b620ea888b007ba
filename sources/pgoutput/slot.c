/* SPDX-License-Identifier: Apache-2.0
 *
 * slot.c -- may the stream go on from where we are?  The rules against silent gaps.  [any]
 * Never creates, drops or moves anything.
 */
#include "slot.h"
#include "fault.h"

#include <stdio.h>
#include <string.h>

#define GAP "a gap in the data is possible; "
#define REFRESH                                                                                    \
    "copy the tables anew, then remove this pipeline's file from state_directory to begin afresh"

void slot_recall(struct slot_memory *memory, const leat_source_start *start)
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
    (void)options;
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
        {"timeline", memory->timeline, facts->timeline},
    };
    for (size_t i = 0; i < sizeof facts_of_both / sizeof *facts_of_both; i++) {
        if (!*facts_of_both[i].recorded ||
            strcmp(facts_of_both[i].recorded, facts_of_both[i].found) == 0)
            continue;
        (void)fault_set(
            error, LEAT_EFATAL, 65,
            "the origin's %s is not that of the earlier run: recorded %s, found %s (another "
            "server, a restored or promoted one, or a changed configuration): " GAP
            "go back to the recorded one, or " REFRESH,
            facts_of_both[i].name, facts_of_both[i].recorded, facts_of_both[i].found);
        return true;
    }
    return false;
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
    else if (strcmp(slot->wal_status, "lost") == 0 || *slot->invalidation)
        (void)fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" is lost (wal_status %s%s%s): the server removed WAL that was not "
            "read yet, " GAP "drop it (leat slot drop), raise max_slot_wal_keep_size, " REFRESH,
            options->slot, slot->wal_status, *slot->invalidation ? ", " : "", slot->invalidation);
    else
        return false;
    return true;
}

/* Do the slot and the server agree with where we are? */
static bool refuse_position(const struct pgoutput_options *options,
                            const struct origin_facts *facts, uint64_t position, leat_error *error)
{
    char ours[WAL_TEXT], theirs[WAL_TEXT];
    if (facts->slot.confirmed_lsn > position) {
        (void)fault_set(error, LEAT_EFATAL, 65,
                        "slot \"%s\" was recreated or advanced by someone else: it begins at %s, "
                        "after the %s that was recorded, and what lies between is not sent any "
                        "more: " GAP REFRESH,
                        options->slot, wal_print(facts->slot.confirmed_lsn, theirs),
                        wal_print(position, ours));
    } else if (facts->wal_position < position) {
        (void)fault_set(error, LEAT_EFATAL, 65,
                        "the server's WAL ends at %s, before the %s that was recorded: it was "
                        "restored or went back in time, " GAP
                        "what was delivered may not exist there; " REFRESH,
                        wal_print(facts->wal_position, theirs), wal_print(position, ours));
    } else {
        return false;
    }
    return true;
}

enum slot_verdict slot_judge(const struct pgoutput_options *options,
                             const struct origin_facts *facts, const struct slot_memory *memory,
                             uint64_t *start, leat_error *error)
{
    const bool known = memory->position != 0;
    /* Before the configuration: a publication is missing on a wrong server too, and 65 says more.
     */
    if (refuse_stranger(options, facts, memory, error) ||
        refuse_configuration(options, facts, error))
        return SLOT_REFUSE;
    if (!facts->slot.exists) {
        if (known)
            (void)fault_set(error, LEAT_EFATAL, 65,
                            "slot \"%s\" does not exist any more, but an earlier run has read from "
                            "it: " GAP REFRESH,
                            options->slot);
        else if (!options->create_slot)
            (void)fault_set(
                error, LEAT_ECONFIG, 78,
                "slot \"%s\" does not exist and create_slot is off: run leat slot create",
                options->slot);
        else
            return SLOT_CREATE;
        return SLOT_REFUSE;
    }
    if (refuse_slot(options, facts, error))
        return SLOT_REFUSE;
    if (known && refuse_position(options, facts, memory->position, error))
        return SLOT_REFUSE;
    *start = known ? memory->position : facts->slot.confirmed_lsn;
    return SLOT_STREAM;
}
