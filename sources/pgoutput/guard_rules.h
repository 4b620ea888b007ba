/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_rules.h -- what the figures of a slot mean: how bad it is, what is wrong with it, how far
 * behind it is.  [any]
 *
 * Pure: facts in, a judgement out.  What is done about it is guard.c's.
 */
#ifndef LEAT_PGOUTPUT_GUARD_RULES_H
#define LEAT_PGOUTPUT_GUARD_RULES_H

#include "inquiry.h"

enum guard_level { GUARD_OK = 0, GUARD_WARN, GUARD_CRITICAL };

/* Bytes of WAL kept for the slot, and the part of max_slot_wal_keep_size that is used up, against
 * the limits of the options; wal_status "unreserved" is critical by itself.  A level is left only
 * when the figure that reached it is below nine tenths of its limit. */
enum guard_level guard_level(const struct pgoutput_options *options, const struct slot_facts *slot,
                             enum guard_level before);

const char *guard_level_word(enum guard_level level);

/* Percent of max_slot_wal_keep_size that are used up; -1: there is no limit. */
int64_t guard_used_percent(const struct slot_facts *slot);

enum guard_condition {
    SLOT_FINE = 0,
    SLOT_MISSING, /* it does not exist                                                       */
    SLOT_LOST,    /* invalidated: its WAL is gone, or what else the server says              */
    SLOT_FOREIGN, /* not a logical one with pgoutput, or another database's                  */
    SLOT_TAKEN,   /* somebody else reads from it now                                         */
    SLOT_MOVED,   /* it begins behind where we are: recreated, or advanced by somebody else  */
    SLOT_REWOUND, /* the server's WAL ends before where we are                               */
    SLOT_CONDITIONS
};

/* database: ours.  position: up to where we have everything; 0: unknown.  own_pid: of our
 * walsender, 0: none. */
enum guard_condition guard_condition(const struct slot_facts *slot, const char *database,
                                     uint64_t position, int64_t own_pid);

const char *guard_condition_word(enum guard_condition condition);

/* How old the oldest WAL is that the slot has not confirmed: by where the WAL ended at each look.
 * Commits of transactions that were never received have no other trace here. */
#define GUARD_SAMPLES 64

struct guard_lag {
    struct guard_sample {
        uint64_t wal_lsn;
        int64_t at_ns;
    } samples[GUARD_SAMPLES]; /* ascending; those that are confirmed have left */
    unsigned count;
};

/* Nanoseconds; 0: all that was there at the last look is confirmed, or it is not known. */
int64_t guard_lag_look(struct guard_lag *lag, uint64_t wal_lsn, uint64_t confirmed_lsn,
                       int64_t now_ns);

#endif
