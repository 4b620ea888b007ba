/* SPDX-License-Identifier: Apache-2.0
 *
 * source_lose.c -- how a connection ends: with back-off to WAITING, or with the pipeline.  [worker]
 */
#include "source_internal.h"
#include "fault.h"

#define DELAY_FIRST_MS 100

/* xorshift64: only so that two daemons do not knock in step. */
int64_t source_jitter(leat_source *source, int64_t delay_ms)
{
    uint64_t x = source->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    source->random = x;
    return delay_ms / 2 + (int64_t)(x % (uint64_t)(delay_ms / 2 + 1));
}

void source_close(leat_source *source)
{
    creation_end(&source->creation);
    PQclear(source->reply);
    source->reply = NULL;
    PQfinish(source->conn);
    source->conn = NULL;
}

/* Returns how long, in milliseconds. */
static int64_t wait_and_retry(leat_source *source, int64_t max_ms)
{
    source_close(source);
    replication_end(source);
    source->delay_ms = source->delay_ms ? source->delay_ms * 2 : DELAY_FIRST_MS;
    if (source->delay_ms > max_ms)
        source->delay_ms = max_ms;
    int64_t delay_ms = source_jitter(source, source->delay_ms);
    source->retry_ns = source_now(source) + delay_ms * MS;
    source->state = SOURCE_WAITING;
    return delay_ms;
}

leat_status source_fail(leat_source *source, leat_error *error)
{
    source_close(source);
    replication_end(source);
    source->failure = *error;
    source->state = SOURCE_FAILED;
    source_report(source, LEAT_STATE_FAILED, error->text);
    return error->status;
}

/* A watcher's slot went with its connection: what follows would have a hole before it. */
static void lose_watched(leat_source *source, const char *message, const char *why,
                         const char *advice)
{
    leat_error error = {.size = sizeof error};
    (void)fault_set(&error, LEAT_EFATAL, 69, "%s: %s%s%s", message, why, advice ? "; " : "",
                    advice ? advice : "");
    (void)source_fail(source, &error);
}

void source_lose(leat_source *source, const char *message, const char *why, const char *advice)
{
    if (source->watch.on) {
        lose_watched(source, message, why, advice);
        return;
    }
    int64_t delay_ms = wait_and_retry(source, source->options->reconnect_max_ms);
    const leat_field fields[] = {LEAT_F_STR("error", why), LEAT_F_INT("retry_ms", delay_ms),
                                 LEAT_F_STR("advice", advice)};
    source_report(source, LEAT_STATE_BACKING_OFF, why);
    source_say(source, LEAT_LOG_WARN, message, fields, advice ? 3 : 2);
}

void source_lose_connecting(leat_source *source)
{
    char text[FAULT_TEXT];
    const char *why = fault_line(text, sizeof text, PQerrorMessage(source->conn));
    source_lose(source, "cannot connect", why, fault_connection(text).text);
}
