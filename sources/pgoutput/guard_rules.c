/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_rules.c -- what the figures of a slot mean.  [any]  Never asks, never acts.
 */
#include "guard_rules.h"

#include <string.h>

int64_t guard_used_percent(const struct slot_facts *slot)
{
    if (slot->keep_size_bytes <= 0 || !slot->has_safe_size)
        return -1;
    int64_t used = slot->keep_size_bytes - slot->safe_size_bytes;
    if (used < 0)
        used = 0;
    return used / (slot->keep_size_bytes / 100 + 1);
}

/* True when the figure reaches its limit, or has reached it and is not far enough below it. */
static bool reached(int64_t figure, int64_t limit, bool before)
{
    return limit > 0 && figure >= (before ? limit - limit / 10 : limit);
}

enum guard_level guard_level(const struct pgoutput_options *options, const struct slot_facts *slot,
                             enum guard_level before)
{
    int64_t kept = slot->retained_bytes, used = guard_used_percent(slot);
    bool was_critical = before == GUARD_CRITICAL, was_warn = before >= GUARD_WARN;
    if (strcmp(slot->wal_status, "unreserved") == 0 || strcmp(slot->wal_status, "lost") == 0 ||
        reached(kept, options->guard_critical_bytes, was_critical) ||
        reached(used, options->guard_critical_percent, was_critical))
        return GUARD_CRITICAL;
    if (reached(kept, options->guard_warn_bytes, was_warn) ||
        reached(used, options->guard_warn_percent, was_warn))
        return GUARD_WARN;
    return GUARD_OK;
}

const char *guard_level_word(enum guard_level level)
{
    static const char *const words[] = {"ok", "warn", "critical"};
    return words[level];
}

enum guard_condition guard_condition(const struct slot_facts *slot, const char *database,
                                     uint64_t position, int64_t own_pid)
{
    if (!slot->exists)
        return SLOT_MISSING;
    if (strcmp(slot->type, "logical") != 0 || strcmp(slot->plugin, "pgoutput") != 0 ||
        strcmp(slot->database, database) != 0)
        return SLOT_FOREIGN;
    if (strcmp(slot->wal_status, "lost") == 0 || *slot->invalidation)
        return SLOT_LOST;
    if (slot->active && slot->active_pid != own_pid)
        return SLOT_TAKEN;
    if (position && slot->wal_lsn && slot->wal_lsn < position)
        return SLOT_REWOUND;
    if (position && slot->confirmed_lsn > position)
        return SLOT_MOVED;
    return SLOT_FINE;
}

const char *guard_condition_word(enum guard_condition condition)
{
    static const char *const words[] = {"fine",  "missing", "lost",   "foreign",
                                        "taken", "moved",   "rewound"};
    return words[condition];
}

static void thin_out(struct guard_lag *lag)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < lag->count; i += 2)
        lag->samples[kept++] = lag->samples[i];
    lag->count = kept;
}

int64_t guard_lag_look(struct guard_lag *lag, uint64_t wal_lsn, uint64_t confirmed_lsn,
                       int64_t now_ns)
{
    unsigned gone = 0;
    while (gone < lag->count && lag->samples[gone].wal_lsn <= confirmed_lsn)
        gone++;
    lag->count -= gone;
    memmove(lag->samples, lag->samples + gone, lag->count * sizeof *lag->samples);
    if (wal_lsn > confirmed_lsn &&
        (lag->count == 0 || lag->samples[lag->count - 1].wal_lsn < wal_lsn)) {
        if (lag->count == GUARD_SAMPLES)
            thin_out(lag);
        lag->samples[lag->count++] = (struct guard_sample){wal_lsn, now_ns};
    }
    return lag->count ? now_ns - lag->samples[0].at_ns : 0;
}
