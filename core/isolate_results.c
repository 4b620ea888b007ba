/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_results.c -- what the helper gave back: each result is judged before the worker hears of
 * it.  [worker]
 *
 * The ring lies in memory that the helper writes.  So its index is compared with one of our own, an
 * entry is copied once and the copy is judged, and a token has to be out.
 */
#include "isolate_internal.h"

#include <string.h>

static bool is_result(int32_t status)
{
    return status == LEAT_OK || (status <= LEAT_ECONFIG && status >= LEAT_EFATAL);
}

/* What is wrong with it, or NULL. */
static const char *judge(const leat_sink *sink, const struct isolate_result *result)
{
    const struct isolate_lent *lent = &sink->lent[result->token & (ISOLATE_RING - 1)];

    if (lent->count == 0 || lent->token != result->token)
        return "it gave back a batch that it does not have";
    if (!is_result(result->status))
        return "it gave a batch back with a status that there is not";
    if (result->durable_count > lent->count ||
        (result->status == LEAT_EREJECT && result->durable_count == lent->count))
        return "it says that more records are durable than the batch has";
    return NULL;
}

static void deliver(leat_sink *sink, const struct isolate_result *from, const char *shared_text)
{
    char text[ISOLATE_RESULT_TEXT];
    leat_result result = {.size = sizeof result,
                          .status = from->status,
                          .durable_count = from->durable_count,
                          .retry_after_ms = from->retry_after_ms,
                          .hold_ms = from->hold_ms};

    if (from->status != LEAT_OK) {
        memcpy(text, shared_text, sizeof text);
        text[sizeof text - 1] = '\0';
        result.text = (leat_bytes){text, strlen(text)};
        sink->failed = true;
    }
    sink->lent[from->token & (ISOLATE_RING - 1)].count = 0;
    sink->lent_count--;
    sink->host->batch_done(sink->host, from->token, &result);
}

bool isolate_take_results(leat_sink *sink)
{
    struct isolate_shared *shared = sink->shared;
    uint32_t done = atomic_load_explicit(&shared->done, memory_order_acquire);
    uint32_t before = sink->done;

    if (done == before || sink->breach[0])
        return false;
    if (done - before > ISOLATE_RING) {
        isolate_break_off(sink, "its index of results is out of bounds");
        return false;
    }
    while (sink->done != done) {
        uint32_t at = sink->done & (ISOLATE_RING - 1);
        struct isolate_result result;
        const char *wrong;
        memcpy(&result, &shared->results[at], sizeof result);
        wrong = judge(sink, &result);
        if (wrong) {
            isolate_break_off(sink, wrong);
            break;
        }
        deliver(sink, &result, shared->texts[at]);
        sink->done++;
    }
    atomic_store_explicit(&shared->taken, sink->done, memory_order_release);
    return sink->done != before;
}
