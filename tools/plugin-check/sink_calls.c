/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_calls.c -- what a sink calls of its host, each call judged.  [any]
 */
#include "sink_calls.h"

#include "judge.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct sink_host *of(const leat_host *host)
{
    return (struct sink_host *)(void *)(uintptr_t)host;
}

static void check_silence(struct sink_host *host, const char *what)
{
    if (host->stopped && atomic_load(&page->call_since_ns) == 0)
        finding(C_SILENCE, "it called %s after stop had returned", what);
}

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t count)
{
    check_silence(of(host), "log");
    if (level < LEAT_LOG_ERROR || level > LEAT_LOG_DEBUG)
        finding(C_STATUS, "it logged at level %d", (int)level);
    judge_text("a log message", message);
    for (size_t i = 0; i < count; i++) {
        char text[256] = "";
        if (fields[i].kind == LEAT_FIELD_STRING)
            (void)snprintf(text, sizeof text, "%s", fields[i].string ? fields[i].string : "");
        else if (fields[i].kind == LEAT_FIELD_BYTES)
            (void)snprintf(text, sizeof text, "%.*s", (int)fields[i].number, fields[i].string);
        if (strstr(text, STREAM_MARK))
            finding(C_SECRETS, "the log line \"%s\" has row data in %s", message, fields[i].name);
    }
}

static int64_t host_now_ns(const leat_host *host)
{
    (void)host;
    return check_now_ns();
}

void sink_host_wake(struct sink_host *host)
{
    (void)!write(host->host.wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

static void host_wake(const leat_host *host)
{
    check_silence(of(host), "wake");
    sink_host_wake(of(host));
}

static bool is_status(leat_status status)
{
    return status == LEAT_OK || status == LEAT_ERETRY || status == LEAT_EREJECT ||
           status == LEAT_EFATAL || status == LEAT_ECONFIG;
}

static void check_result(const struct part *part, const leat_result *result)
{
    unsigned long long token = part->token;
    if (result->size < offsetof(leat_result, text) + sizeof result->text || result->size > 4096)
        finding(C_GROWING, "batch_done got a leat_result whose size is %u", result->size);
    if (!is_status(result->status))
        finding(C_STATUS, "batch_done got the status %d", (int)result->status);
    if (result->durable_count > part->count)
        finding(C_COUNT, "durable_count is %u of a batch of %u records (token %llu)",
                result->durable_count, part->count, token);
    else if (result->status == LEAT_EREJECT && result->durable_count == part->count)
        finding(C_COUNT, "EREJECT with durable_count %u: no record is left to be rejected",
                part->count);
    else if (result->status == LEAT_OK && result->durable_count &&
             result->durable_count != part->count)
        finding(C_COUNT, "OK with durable_count %u of %u records", result->durable_count,
                part->count);
    if (result->status != LEAT_OK && result->status != LEAT_ERETRY && !result->text.len)
        finding(C_TEXT, "batch_done got the status %d without a text", (int)result->status);
}

/* Under the lock: whether an earlier part that is out has no answer yet. */
static const struct part *earlier_out(struct sink_host *host, const struct part *part)
{
    for (uint32_t i = host->head; i != host->tail; i++) {
        const struct part *other = &host->parts[i % PARTS_MAX];
        if (other == part)
            return NULL;
        if (other->state == PART_LENT)
            return other;
    }
    return NULL;
}

static void check_order(struct sink_host *host, const struct part *part, leat_status status)
{
    if (host->failing && status == LEAT_OK && part->from >= host->failing_from)
        finding(C_ORDER, "a batch behind a failed one was given back with OK: the sink has a hole");
    if (!(subject.sink->caps & LEAT_SINK_OUT_OF_ORDER) && status == LEAT_OK &&
        earlier_out(host, part))
        finding(
            C_ORDER,
            "a batch was given back with OK before an earlier one, without LEAT_SINK_OUT_OF_ORDER");
    if (status != LEAT_OK && !host->failing) {
        host->failing = true;
        host->failing_from = part->from;
    }
}

static void host_batch_done(const leat_host *handle, uint64_t token, const leat_result *result)
{
    struct sink_host *host = of(handle);
    struct part *part = NULL;
    (void)pthread_mutex_lock(&host->lock);
    for (uint32_t i = host->head; i != host->tail && !part; i++)
        if (host->parts[i % PARTS_MAX].token == token)
            part = &host->parts[i % PARTS_MAX];
    bool stopped = host->stopped && atomic_load(&page->call_since_ns) == 0;
    if (stopped) {
        finding(C_SILENCE, "it called batch_done after stop had returned");
    } else if (!part) {
        finding(C_ONCE,
                token <= host->token && token > 0
                    ? "it gave a batch back twice (token %llu)"
                    : "it gave back a batch that was never lent (token %llu)",
                (unsigned long long)token);
    } else if (part->state == PART_REPORTED) {
        finding(C_ONCE, "it gave a batch back twice (token %llu)", (unsigned long long)token);
    } else if (part->state == PART_READY) {
        finding(part->refused ? C_AGAIN : C_ONCE,
                part->refused
                    ? "it gave back a batch that it had not taken: submit said AGAIN (token %llu)"
                    : "it gave back a batch before it was offered, or after it had come back "
                      "(token %llu)",
                (unsigned long long)token);
    } else {
        check_result(part, result);
        check_order(host, part, result->status);
        memset(&part->result, 0, sizeof part->result);
        memcpy(&part->result, result,
               result->size < sizeof *result ? result->size : sizeof *result);
        (void)snprintf(part->text, sizeof part->text, "%.*s", (int)result->text.len,
                       result->text.ptr ? result->text.ptr : "");
        judge_text("the text of a result", part->text);
        if (result->durable_count > part->count)
            part->result.durable_count = 0;
        part->state = PART_REPORTED;
        lend_set(part->piece, LEND_BACK);
    }
    (void)pthread_mutex_unlock(&host->lock);
    sink_host_wake(host);
}

void sink_calls_fill(struct sink_host *host)
{
    host->host =
        (leat_host){.size = (uint32_t)(sizeof host->host + (host->extra ? sizeof host->longer : 0)),
                    .abi_major = LEAT_ABI_MAJOR,
                    .abi_minor = LEAT_ABI_MINOR + (host->extra ? 1 : 0),
                    .pipeline = "check",
                    .instance = subject.config.name,
                    .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                    .log = host_log,
                    .now_ns = host_now_ns,
                    .wake = host_wake,
                    .extension = subject_extension,
                    .batch_done = host_batch_done};
}
