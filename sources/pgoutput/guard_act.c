/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_act.c -- what is done when a slot's level changes.  [worker]  Never waits: a command is the
 * host's to run, a dropped sink is the core's.
 */
#include "guard_act.h"
#include "fault.h"

#include <stdio.h>
#include <string.h>

#define DROP_AGAIN_NS (60 * INT64_C(1000000000))

void act_init(struct guard_act *act, const leat_host *host, const struct pgoutput_options *options,
              struct figures *figures)
{
    *act = (struct guard_act){.host = host, .options = options, .figures = figures};
    if (!host->extension)
        return;
    act->dropper = host->extension(host, LEAT_EXTENSION_GUARD);
    act->commands = host->extension(host, LEAT_EXTENSION_COMMAND);
}

static void tell(const struct guard_act *act, const struct slot_facts *slot, enum guard_level level,
                 int64_t lag_ns)
{
    static const char *const messages[] = {
        "the slot is well again", "the server keeps much WAL for the slot",
        "the server keeps too much WAL for the slot, which may soon be lost"};
    const leat_field fields[] = {
        LEAT_F_STR("slot", act->options->slot),
        LEAT_F_STR("was", guard_level_word(act->level)),
        LEAT_F_INT("retained_bytes", slot->retained_bytes),
        LEAT_F_STR("wal_status", slot->wal_status),
        LEAT_F_INT("lag_ms", lag_ns / 1000000),
        LEAT_F_LSN("confirmed", slot->confirmed_lsn),
        LEAT_F_INT("safe_bytes", slot->safe_size_bytes),
    };
    act->host->log(act->host,
                   level == GUARD_CRITICAL ? LEAT_LOG_ERROR
                   : level == GUARD_WARN   ? LEAT_LOG_WARN
                                           : LEAT_LOG_INFO,
                   messages[level], fields, slot->has_safe_size ? 7 : 6);
    figures_count(act->figures, FIGURE_ACTED_LOG);
}

static void print(char out[32], int64_t number)
{
    (void)snprintf(out, 32, "%lld", (long long)number);
}

static void run(struct guard_act *act, const struct slot_facts *slot, int64_t lag_ns)
{
    char retained[32], safe[32] = "", lag_bytes[32], lag_seconds[32], confirmed[WAL_TEXT],
                       sink[64] = "";
    print(retained, slot->retained_bytes);
    if (slot->has_safe_size)
        print(safe, slot->safe_size_bytes);
    print(lag_bytes,
          slot->wal_lsn > slot->confirmed_lsn ? (int64_t)(slot->wal_lsn - slot->confirmed_lsn) : 0);
    print(lag_seconds, lag_ns / 1000000000);
    if (act->dropper)
        (void)act->dropper->behind(act->host, sink, sizeof sink);
    const leat_pair environment[] = {
        {"LEAT_PIPELINE", act->host->pipeline},
        {"LEAT_SLOT", act->options->slot},
        {"LEAT_STATE", guard_level_word(act->level)},
        {"LEAT_STATE_BEFORE", guard_level_word(act->told_before)},
        {"LEAT_WAL_STATUS", slot->wal_status},
        {"LEAT_RETAINED_BYTES", retained},
        {"LEAT_SAFE_BYTES", safe},
        {"LEAT_LAG_BYTES", lag_bytes},
        {"LEAT_LAG_SECONDS", lag_seconds},
        {"LEAT_CONFIRMED_LSN", wal_print(slot->confirmed_lsn, confirmed)},
        {"LEAT_SINK", sink},
    };
    act->command_owed = act->commands->run(act->host, act->options->guard_run, environment,
                                           sizeof environment / sizeof *environment,
                                           act->options->guard_run_timeout_ms) == LEAT_AGAIN;
    if (!act->command_owed)
        figures_count(act->figures, FIGURE_ACTED_RUN);
}

static bool may_drop_again(const struct guard_act *act, const struct slot_facts *slot, int64_t now)
{
    return act->dropped_ns == 0 || (now - act->dropped_ns > DROP_AGAIN_NS &&
                                    slot->confirmed_lsn == act->dropped_confirmed_lsn);
}

static void say(struct guard_act *act, int32_t level, const char *message, const char *sink)
{
    const leat_field fields[] = {LEAT_F_STR("slot", act->options->slot), LEAT_F_STR("sink", sink)};
    act->host->log(act->host, level, message, fields, *sink ? 2 : 1);
}

static void drop(struct guard_act *act, const struct slot_facts *slot)
{
    char sink[64] = "", why[160];
    int64_t now = act->host->now_ns(act->host);
    if (!may_drop_again(act, slot, now))
        return;
    (void)snprintf(why, sizeof why, "slot \"%s\" keeps %lld bytes of WAL (guard.action: drop_sink)",
                   act->options->slot, (long long)slot->retained_bytes);
    leat_status status =
        act->dropper ? act->dropper->drop_sink(act->host, why, sink, sizeof sink) : LEAT_EREJECT;
    if (status == LEAT_OK) {
        act->dropped_ns = now;
        act->dropped_confirmed_lsn = slot->confirmed_lsn;
        act->told_no_drop = false;
        figures_count(act->figures, FIGURE_ACTED_DROP);
        say(act, LEAT_LOG_ERROR, "dropped the sink that held the slot back", sink);
    } else if (!act->told_no_drop) {
        act->told_no_drop = true;
        say(act, LEAT_LOG_ERROR,
            status == LEAT_AGAIN
                ? "no sink holds the slot back: look for a long transaction on the server"
                : "the sink that holds the slot back is the last one, and is not dropped: mend it, "
                  "raise max_slot_wal_keep_size, or stop leat and drop the slot",
            sink);
    }
}

static leat_status end(struct guard_act *act, const struct slot_facts *slot, leat_error *error)
{
    figures_count(act->figures, FIGURE_ACTED_STOP);
    return fault_set(
        error, LEAT_EFATAL, 69,
        "slot \"%s\" keeps %lld bytes of WAL (wal_status %s) and guard.action is stop: "
        "nothing is lost yet; mend what holds it back and start again, or give it up "
        "with leat slot drop, which leaves a gap",
        act->options->slot, (long long)slot->retained_bytes, slot->wal_status);
}

leat_status act_on(struct guard_act *act, const struct slot_facts *slot, enum guard_level level,
                   int64_t lag_ns, leat_error *error)
{
    if (level != act->level) {
        tell(act, slot, level, lag_ns);
        act->told_before = act->level;
        act->level = level;
        act->command_owed = true;
        act->told_no_drop = false;
        act->dropped_ns = 0;
    }
    if (act->command_owed && act->options->guard_run && act->commands)
        run(act, slot, lag_ns);
    if (level != GUARD_CRITICAL)
        return LEAT_OK;
    if (act->options->guard_action == GUARD_STOP)
        return end(act, slot, error);
    if (act->options->guard_action == GUARD_DROP_SINK)
        drop(act, slot);
    return LEAT_OK;
}
