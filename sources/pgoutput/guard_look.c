/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_look.c -- see the header.
 *
 * What is wrong with the slot while it is read from is found by the stream itself and by the start
 * of the next one (slot.h).  Here only what nobody else would notice ends the pipeline: a slot that
 * is lost, gone or a stranger's while the stream was given up because the sinks stand still.
 */
#include "guard_look.h"
#include "fault.h"
#include "slot.h"

#include <time.h>

void look_init(struct guard_look *look, const leat_host *host,
               const struct pgoutput_options *options)
{
    look->host = host;
    look->options = options;
    figures_init(&look->figures, host);
    act_init(&look->act, host, options, &look->figures);
}

void look_forget(struct guard_look *look)
{
    look->lag.count = 0;
    look->looked_ns = 0;
}

/* The time is the server's word: any number. */
static int64_t age_ns(int64_t commit_us)
{
    struct timespec wall;
    int64_t age_us;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    int64_t now_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
    if (__builtin_sub_overflow(now_us, commit_us, &age_us))
        return commit_us < 0 ? INT64_MAX : 0;
    return age_us > INT64_MAX / 1000 ? INT64_MAX : age_us < 0 ? 0 : age_us * 1000;
}

/* Returns how far behind the stream is, in nanoseconds. */
static int64_t measure(struct guard_look *look, const struct slot_facts *slot,
                       const struct guard_view *view, int64_t now)
{
    int64_t lag_ns = guard_lag_look(&look->lag, slot->wal_lsn, slot->confirmed_lsn, now);
    int64_t waiting_ns = view->commit_us ? age_ns(view->commit_us) : 0;
    if (waiting_ns > lag_ns)
        lag_ns = waiting_ns;
    figures_set(&look->figures, FIGURE_LAG_SECONDS, (double)lag_ns / 1e9);
    if (look->looked_ns && now > look->looked_ns && slot->wal_lsn >= look->wal_lsn)
        figures_set(&look->figures, FIGURE_WAL_SPEED,
                    (double)(slot->wal_lsn - look->wal_lsn) /
                        ((double)(now - look->looked_ns) / 1e9));
    look->wal_lsn = slot->wal_lsn;
    look->looked_ns = now;
    return lag_ns;
}

static void tell_condition(struct guard_look *look, const struct slot_facts *slot)
{
    const leat_field fields[] = {
        LEAT_F_STR("slot", look->options->slot),
        LEAT_F_STR("condition", guard_condition_word(look->condition)),
        LEAT_F_STR("wal_status", slot->wal_status),
        LEAT_F_LSN("confirmed", slot->confirmed_lsn),
        LEAT_F_INT("active_pid", slot->active_pid),
        LEAT_F_STR("reader", slot->reader),
    };
    if (look->condition == SLOT_FINE)
        look->host->log(look->host, LEAT_LOG_INFO, "the slot is ours again", fields, 1);
    else
        look->host->log(look->host, LEAT_LOG_WARN, "the slot is not as it should be", fields, 6);
}

/* Nobody else would find it out while the stream is given up. */
static leat_status judge_released(const struct guard_look *look, const struct slot_facts *facts,
                                  leat_error *error)
{
    const char *slot = look->options->slot;
    switch (look->condition) {
    case SLOT_MISSING:
        return fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" was dropped while the sinks stood still: " SLOT_GAP SLOT_REFRESH, slot);
    case SLOT_LOST:
        return fault_set(
            error, LEAT_EFATAL, 65,
            "slot \"%s\" was lost while the sinks stood still (wal_status %s%s%s): " SLOT_GAP
            "drop it (leat slot drop), raise max_slot_wal_keep_size, " SLOT_REFRESH,
            slot, facts->wal_status, *facts->invalidation ? ", " : "", facts->invalidation);
    default:
        return LEAT_OK;
    }
}

leat_status look_judge(struct guard_look *look, const struct slot_facts *slot,
                       const struct guard_view *view, leat_error *error)
{
    int64_t now = look->host->now_ns(look->host);
    enum guard_condition condition = guard_condition(
        slot, view->database, view->released ? view->durable_lsn : 0, view->own_pid);
    enum guard_level level =
        slot->exists ? guard_level(look->options, slot, look->act.level) : look->act.level;
    int64_t lag_ns = measure(look, slot, view, now);
    figures_count(&look->figures, FIGURE_LOOKS);
    figures_look(&look->figures, slot, level, condition);
    /* While a stream begins or ends, a slot may be without a reader, or with our last one. */
    if (condition != look->condition) {
        look->condition = condition;
        tell_condition(look, slot);
    }
    leat_status status = view->released ? judge_released(look, slot, error) : LEAT_OK;
    return status ? status : act_on(&look->act, slot, level, lag_ns, error);
}
