/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_reject.c -- what a record leads to that will never be accepted: a dead letter, or the end of
 * the pipeline.  [worker]
 *
 * It writes the dead letter durably before it says so; it never drops a record.
 */
#include "worker_internal.h"

#include <stdio.h>
#include <string.h>

static void describe(const leat_change *change, char *text, size_t size)
{
    char lsn[32];

    lsn[encode_lsn(change->identity.position, lsn)] = '\0';
    if (change->relation)
        (void)snprintf(text, size, "%s of \"%.*s\".\"%.*s\" at %s seq %lld",
                       encode_op_name(change->op), (int)change->relation->schema.len,
                       change->relation->schema.ptr, (int)change->relation->table.len,
                       change->relation->table.ptr, lsn, (long long)change->identity.seq);
    else
        (void)snprintf(text, size, "message at %s seq %lld", lsn, (long long)change->identity.seq);
}

bool worker__dead_letter(struct worker *worker, const leat_change *change, leat_bytes route,
                         leat_bytes value, const char *reason)
{
    leat_error error = {.size = sizeof error, .status = LEAT_EREJECT, .exit_code = 65};
    char what[256];

    describe(change, what, sizeof what);
    for (char *c = what; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = '?';
    if (worker->dead_letter) {
        struct dead_record record = {.change = change,
                                     .route = route,
                                     .value = value,
                                     .reason = {reason, strlen(reason)},
                                     .is_json = worker->config->format == ENCODE_JSON};
        leat_field fields[] = {LEAT_F_STR("record", what), LEAT_F_STR("reason", reason)};
        leat_status status = dead_letter_write(worker->dead_letter, &record, &error);
        if (status == LEAT_OK) {
            worker__count(&worker->counters.dead_letters, 1);
            worker->log(&worker->host, LEAT_LOG_ERROR, "record rejected, kept as a dead letter",
                        fields, 2);
            return true;
        }
        error.status = status;
        worker__fail(worker, &error);
        return false;
    }
    (void)snprintf(error.text, sizeof error.text,
                   "rejects %s: %s; mend the cause, or set on_reject: dead_letter", what, reason);
    error.exit_code = 0;
    worker__fail(worker, &error);
    return false;
}
