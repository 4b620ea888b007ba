/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.c -- see watch.h.
 */
#include "watch.h"
#include "fault.h"
#include "inquiry.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define STANDSTILL_MS 60000 /* where release_after is off */

void watch_begin(struct watch *watch, const struct pgoutput_options *options, uint32_t how,
                 uint64_t now_ns)
{
    watch->on = true;
    watch->unconfirmed = how == LEAT_WATCH_UNCONFIRMED;
    watch->watched = options->slot;
    watch->options = *options;
    (void)snprintf(watch->slot, sizeof watch->slot, "leat_tail_%ld_%08" PRIx32, (long)getpid(),
                   (uint32_t)(now_ns ^ now_ns >> 32));
    watch->options.slot = watch->slot;
    watch->options.create_slot = true;
    watch->options.failover = false; /* the server refuses it of a temporary slot */
    if (watch->options.release_after_ms == 0)
        watch->options.release_after_ms = STANDSTILL_MS;
}

void watch_ask(const struct watch *watch, struct text *out)
{
    text_reset(out);
    if (watch->unconfirmed) {
        text_add(out, "SELECT slot_name, lsn, NULL, NULL FROM pg_copy_logical_replication_slot(");
        inquiry_quote_sql(out, watch->watched, '\'');
        text_add(out, ", ");
        inquiry_quote_sql(out, watch->slot, '\'');
        text_add(out, ", true)");
        return;
    }
    text_add(out, "CREATE_REPLICATION_SLOT ");
    inquiry_quote_name(out, watch->slot);
    text_add(out, " TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT");
}

leat_error *watch_too_slow(const struct watch *watch, leat_error *error)
{
    (void)fault_set(error, LEAT_EFATAL, 74,
                    "the output took nothing for %lld s, and the server keeps WAL for it: ended",
                    (long long)(watch->options.release_after_ms / 1000));
    return error;
}
