/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_figures.c -- what the guard sees, as figures of the host.  [worker]  Never asks, never
 * acts.
 */
#include "guard_figures.h"

#include <string.h>

static const struct row {
    uint32_t kind;
    const char *name, *label, *value, *help;
} rows[FIGURES] = {
    [FIGURE_LEVEL] = {LEAT_METRIC_GAUGE, "slot_level", NULL, NULL,
                      "How the slot is: 0 ok, 1 warn, 2 critical."},
    [FIGURE_ACTIVE] = {LEAT_METRIC_GAUGE, "slot_active", NULL, NULL,
                       "1 while somebody reads from the slot."},
    [FIGURE_LAG_BYTES] = {LEAT_METRIC_GAUGE, "slot_lag_bytes", NULL, NULL,
                          "WAL between what the slot has confirmed and the end of the server's."},
    [FIGURE_LAG_SECONDS] = {LEAT_METRIC_GAUGE, "slot_lag_seconds", NULL, NULL,
                            "Age of the oldest commit that the slot has not confirmed."},
    [FIGURE_RETAINED] = {LEAT_METRIC_GAUGE, "slot_retained_bytes", NULL, NULL,
                         "WAL that the server keeps for the slot."},
    [FIGURE_SAFE] = {LEAT_METRIC_GAUGE, "slot_safe_bytes", NULL, NULL,
                     "WAL that can be written before the slot is lost."},
    [FIGURE_KEEP_LIMIT] = {LEAT_METRIC_GAUGE, "slot_keep_limit_bytes", NULL, NULL,
                           "The server's max_slot_wal_keep_size."},
    [FIGURE_SPILL_TRANSACTIONS] = {LEAT_METRIC_COUNTER, "slot_spill_transactions_total", NULL, NULL,
                                   "Transactions that the server decoded to its disk."},
    [FIGURE_SPILLS] = {LEAT_METRIC_COUNTER, "slot_spills_total", NULL, NULL,
                       "How often the server decoded to its disk."},
    [FIGURE_SPILL_BYTES] = {LEAT_METRIC_COUNTER, "slot_spill_bytes_total", NULL, NULL,
                            "Bytes that the server decoded to its disk."},
    [FIGURE_STREAM_TRANSACTIONS] = {LEAT_METRIC_COUNTER, "slot_stream_transactions_total", NULL,
                                    NULL, "Transactions that the server sent as they ran."},
    [FIGURE_STREAMS] = {LEAT_METRIC_COUNTER, "slot_streams_total", NULL, NULL,
                        "How often the server sent a part of a transaction that ran."},
    [FIGURE_STREAM_BYTES] = {LEAT_METRIC_COUNTER, "slot_stream_bytes_total", NULL, NULL,
                             "Bytes decoded of transactions that the server sent as they ran."},
    [FIGURE_TRANSACTIONS] = {LEAT_METRIC_COUNTER, "slot_decoded_transactions_total", NULL, NULL,
                             "Transactions that the server decoded for the slot."},
    [FIGURE_BYTES] = {LEAT_METRIC_COUNTER, "slot_decoded_bytes_total", NULL, NULL,
                      "Bytes that the server decoded for the slot."},
    [FIGURE_WAL_SPEED] = {LEAT_METRIC_GAUGE, "wal_bytes_per_second", NULL, NULL,
                          "How fast the server's WAL grew between the last two looks."},
    [FIGURE_WAL_DIRECTORY] = {LEAT_METRIC_GAUGE, "wal_directory_bytes", NULL, NULL,
                              "Size of the server's pg_wal, where the role may see it."},
    [FIGURE_LOOKS] = {LEAT_METRIC_COUNTER, "guard_looks_total", NULL, NULL,
                      "Looks of the guard at the slot."},
    [FIGURE_FAILURES] = {LEAT_METRIC_COUNTER, "guard_failures_total", NULL, NULL,
                         "Visits of the guard that failed."},
    [FIGURE_ACTED_LOG] = {LEAT_METRIC_COUNTER, "guard_actions_total", "action", "log",
                          "What the guard did when the slot's level changed."},
    [FIGURE_ACTED_RUN] = {LEAT_METRIC_COUNTER, "guard_actions_total", "action", "run",
                          "What the guard did when the slot's level changed."},
    [FIGURE_ACTED_DROP] = {LEAT_METRIC_COUNTER, "guard_actions_total", "action", "drop_sink",
                           "What the guard did when the slot's level changed."},
    [FIGURE_ACTED_STOP] = {LEAT_METRIC_COUNTER, "guard_actions_total", "action", "stop",
                           "What the guard did when the slot's level changed."},
    [FIGURE_HEARTBEATS] = {LEAT_METRIC_COUNTER, "heartbeats_total", NULL, NULL,
                           "Heartbeats written to the database."},
};

static const char condition_help[] = "1 for the condition that the slot is in.";
static const char *const statuses[] = {"reserved", "extended", "unreserved", "lost"};

static struct row row_of(int figure)
{
    struct row row = {LEAT_METRIC_GAUGE, NULL, NULL, NULL, condition_help};
    if (figure < FIGURE_CONDITIONS)
        return rows[figure];
    if (figure < FIGURE_STATUSES) {
        row.name = "slot_condition";
        row.label = "condition";
        row.value = guard_condition_word((enum guard_condition)(figure - FIGURE_CONDITIONS));
        return row;
    }
    row.name = "slot_wal_status";
    row.label = "status";
    row.value = statuses[figure - FIGURE_STATUSES];
    row.help = "1 for what the server's wal_status of the slot says.";
    return row;
}

void figures_set(struct figures *figures, enum figure figure, double value)
{
    const leat_metrics *metrics = figures->metrics;
    if (metrics && figures->numbers[figure] >= 0)
        metrics->set(figures->host, figures->numbers[figure], value);
}

void figures_init(struct figures *figures, const leat_host *host)
{
    const leat_metrics *metrics =
        host->extension ? host->extension(host, LEAT_EXTENSION_METRICS) : NULL;
    *figures = (struct figures){.host = host, .metrics = metrics};
    for (int i = 0; i < FIGURES; i++) {
        struct row row = row_of(i);
        figures->numbers[i] =
            metrics ? metrics->declare(host, row.kind, row.name, row.label, row.value, row.help)
                    : -1;
        if (row.kind == LEAT_METRIC_COUNTER && (i == FIGURE_LOOKS || i == FIGURE_FAILURES ||
                                                (i >= FIGURE_ACTED_LOG && i <= FIGURE_HEARTBEATS)))
            figures_set(figures, (enum figure)i,
                        0); /* counted here: none yet, and seen to be none */
    }
}

void figures_count(struct figures *figures, enum figure figure)
{
    figures_set(figures, figure, ++figures->counts[figure]);
}

void figures_look(struct figures *figures, const struct slot_facts *slot, enum guard_level level,
                  enum guard_condition condition)
{
    const struct slot_statistics *done = &slot->statistics;
    const int64_t counted[] = {
        done->spill_transactions,  done->spill_count,  done->spill_bytes,
        done->stream_transactions, done->stream_count, done->stream_bytes,
        done->total_transactions,  done->total_bytes,
    };
    figures_set(figures, FIGURE_LEVEL, level);
    figures_set(figures, FIGURE_ACTIVE, slot->active);
    figures_set(figures, FIGURE_LAG_BYTES,
                slot->wal_lsn > slot->confirmed_lsn ? (double)(slot->wal_lsn - slot->confirmed_lsn)
                                                    : 0);
    figures_set(figures, FIGURE_RETAINED, (double)slot->retained_bytes);
    if (slot->has_safe_size)
        figures_set(figures, FIGURE_SAFE, (double)slot->safe_size_bytes);
    if (slot->keep_size_bytes >= 0)
        figures_set(figures, FIGURE_KEEP_LIMIT, (double)slot->keep_size_bytes);
    for (int i = 0; i < 8; i++)
        figures_set(figures, (enum figure)(FIGURE_SPILL_TRANSACTIONS + i), (double)counted[i]);
    for (int i = 0; i < SLOT_CONDITIONS; i++)
        figures_set(figures, (enum figure)(FIGURE_CONDITIONS + i), i == (int)condition);
    for (int i = 0; i < 4; i++)
        figures_set(figures, (enum figure)(FIGURE_STATUSES + i),
                    strcmp(slot->wal_status, statuses[i]) == 0);
}
