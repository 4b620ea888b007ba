/* SPDX-License-Identifier: Apache-2.0
 *
 * source_host.c -- see source_host.h.
 */
#include "source_host.h"

#include "judge.h"
#include "source_judge.h"
#include "stream.h"
#include "trial.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct source_host *of(const leat_host *host)
{
    return (struct source_host *)(void *)(uintptr_t)host;
}

/* ---- what the plugin calls ------------------------------------------------------------------- */

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t count)
{
    (void)fields;
    (void)count;
    if (of(host)->stopped && atomic_load(&page->call_since_ns) == 0)
        finding(C_SILENCE, "it called log after stop had returned");
    if (level < LEAT_LOG_ERROR || level > LEAT_LOG_DEBUG)
        finding(C_STATUS, "it logged at level %d", (int)level);
    if (strchr(message, '\n'))
        finding(C_TEXT, "a log message has a line break in it");
}

static int64_t host_now_ns(const leat_host *host)
{
    (void)host;
    return check_now_ns();
}

void source_host_wake(struct source_host *host)
{
    (void)!write(host->host.wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

static void host_wake(const leat_host *host)
{
    source_host_wake(of(host));
}

/* Every [worker] function of the host begins with it. */
static struct source_host *enter(const leat_host *host, const char *name)
{
    if (!relay_is_inside())
        finding(C_CALLBACK,
                "%s was called from a thread that is not inside one of the source's calls", name);
    else if (strncmp(page->call, "start", 5) != 0 && strncmp(page->call, "poll", 4) != 0)
        finding(C_CALLBACK, "%s was called inside %s: only start and poll may", name, page->call);
    if (of(host)->stopped)
        finding(C_SILENCE, "it called %s after stop", name);
    return of(host);
}

static void host_begin(const leat_host *handle, const leat_origin *origin)
{
    struct source_host *host = enter(handle, "begin");
    if (origin->size < offsetof(leat_origin, facts) + sizeof origin->facts)
        finding(C_GROWING, "begin got a leat_origin whose size is %u", origin->size);
    if (!origin->name_space || !*origin->name_space)
        finding(C_BEGIN, "the origin has no name_space: identities need one");
    if (host->position == 0)
        host->position = origin->position;
    if (origin->position > host->last_safe)
        host->last_safe = origin->position;
    host->fact_count = origin->fact_count < FACTS_MAX ? origin->fact_count : FACTS_MAX;
    for (uint32_t i = 0; i < host->fact_count; i++) {
        (void)snprintf(host->fact_texts[i][0], sizeof host->fact_texts[i][0], "%s",
                       origin->facts[i].name);
        (void)snprintf(host->fact_texts[i][1], sizeof host->fact_texts[i][1], "%s",
                       origin->facts[i].value);
    }
    host->begun = true;
}

static bool pressed(struct source_host *host)
{
    bool now = host->pressure && ++host->calls % host->pressure == 0;
    if (now) /* as when memory comes back: the next wait is a short one */
        source_host_wake(host);
    return now;
}

static leat_status host_batch_open(const leat_host *handle, leat_writer **out)
{
    struct source_host *host = enter(handle, "batch_open");
    *out = NULL;
    if (!host->begun)
        finding(C_BEGIN, "batch_open was called before begin");
    if (host->open)
        finding(C_WRITER, "batch_open was called while a batch is open");
    if (host->open || host->tail - host->head == OUT_MAX || pressed(host))
        return LEAT_AGAIN;
    struct out *open = &host->outs[host->tail % OUT_MAX];
    memset(open, 0, sizeof *open);
    open->writer = lend_make(sizeof(leat_writer) + host->extra, "a writer");
    leat_writer *writer = (leat_writer *)(void *)open->writer->data;
    open->serial = ++host->serial;
    *writer = (leat_writer){.size = (uint32_t)(sizeof *writer + host->extra),
                            .change_size = (uint32_t)(sizeof(leat_change) + host->extra),
                            .serial = open->serial,
                            .safe_position = host->last_safe};
    host->open = open;
    *out = writer;
    return LEAT_OK;
}

static leat_status host_batch_reserve(const leat_host *handle, leat_writer *writer, size_t size,
                                      leat_error *error)
{
    struct source_host *host = enter(handle, "batch_reserve");
    if (!host->open || (void *)writer != (void *)host->open->writer->data) {
        finding(C_WRITER, "batch_reserve got a writer that is not open");
        return LEAT_EFATAL;
    }
    if (writer->arena.cur > writer->arena.end)
        finding(C_WRITER, "more was taken of a batch than was reserved");
    if (size > (size_t)64 * 1024 * 1024) {
        (void)snprintf(error->text, sizeof error->text, "needs %zu bytes, there are 64MiB", size);
        error->status = LEAT_EREJECT;
        return LEAT_EREJECT;
    }
    if (host->open->piece_count == PIECES_OF_BATCH || pressed(host))
        return LEAT_AGAIN;
    size_t need = (size + 7) & ~(size_t)7;
    struct piece *piece = lend_make(need > host->piece_bytes ? need : host->piece_bytes, "a batch");
    host->open->pieces[host->open->piece_count++] = piece;
    writer->arena.cur = piece->data;
    writer->arena.end = piece->data + piece->size;
    if (host->open->piece_count >= 8)
        writer->full = 1;
    return LEAT_OK;
}

static void host_batch_publish(const leat_host *handle, leat_writer *writer)
{
    struct source_host *host = enter(handle, "batch_publish");
    struct out *open = host->open;
    if (!open || (void *)writer != (void *)open->writer->data) {
        finding(C_WRITER, "batch_publish got a writer that is not open");
        return;
    }
    judge_batch(host, open, writer);
    open->safe = writer->safe_position;
    host->last_safe = writer->safe_position;
    lend_set(open->writer, LEND_BACK);
    for (uint32_t i = 0; i < open->piece_count; i++)
        lend_set(open->pieces[i], LEND_LENT);
    host->open = NULL;
    host->tail++;
}

static int32_t host_sinks_busy(const leat_host *handle)
{
    return (int32_t)(enter(handle, "sinks_busy")->calls & 1);
}

static void host_idle_position(const leat_host *handle, uint64_t position)
{
    struct source_host *host = enter(handle, "idle_position");
    if (host->open_transaction && position >= host->open_transaction)
        finding(C_SAFE, "idle_position passes a transaction that is not whole");
}

static void host_confirm_soon(const leat_host *handle)
{
    (void)enter(handle, "confirm_soon");
}

/* ---- life ------------------------------------------------------------------------------------ */

void source_host_prepare(struct source_host *host, uint32_t extra)
{
    memset(host, 0, sizeof *host);
    host->extra = extra;
    host->piece_bytes = 65536;
    host->host =
        (leat_host){.size = (uint32_t)(sizeof host->host + (extra ? sizeof host->longer : 0)),
                    .abi_major = LEAT_ABI_MAJOR,
                    .abi_minor = LEAT_ABI_MINOR + (extra ? 1 : 0),
                    .pipeline = "check",
                    .instance = "source",
                    .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                    .max_delay_us = 5000,
                    .log = host_log,
                    .now_ns = host_now_ns,
                    .wake = host_wake,
                    .extension = subject_extension,
                    .begin = host_begin,
                    .batch_open = host_batch_open,
                    .batch_reserve = host_batch_reserve,
                    .batch_publish = host_batch_publish,
                    .sinks_busy = host_sinks_busy,
                    .idle_position = host_idle_position,
                    .confirm_soon = host_confirm_soon};
}

void source_host_open(struct source_host *host, uint32_t extra)
{
    source_host_prepare(host, extra);
    host->error = (leat_error){.size = sizeof host->error};
    call_begin("create", settings.timeout_ms);
    leat_status status =
        subject.source->create(&host->host, subject.options, &host->source, &host->error);
    judge_create(status, host->source, &host->error, call_end());
}

struct starting {
    struct source_host *host;
    leat_source_start start;
};

static leat_status call_start(void *argument)
{
    struct starting *it = argument;
    return subject.source->start(it->host->source, &it->start, &it->host->error);
}

bool source_host_start(struct source_host *host, const struct source_host *earlier,
                       uint64_t position)
{
    struct starting it = {.host = host, .start = {.size = sizeof it.start, .position = position}};
    leat_pair facts[FACTS_MAX];
    for (uint32_t i = 0; earlier && i < earlier->fact_count; i++)
        facts[i] = (leat_pair){earlier->fact_texts[i][0], earlier->fact_texts[i][1]};
    it.start.facts = facts;
    it.start.fact_count = earlier ? earlier->fact_count : 0;
    host->position = position;
    host->last_safe = position;
    host->error = (leat_error){.size = sizeof host->error};
    leat_status status = relay(call_start, &it, "start", settings.timeout_ms);
    (void)call_end();
    judge_error("start", status, &host->error);
    if (status > LEAT_EOF || status < LEAT_EFATAL)
        finding(C_STATUS, "start returned %d", (int)status);
    if (status >= 0)
        return true;
    (void)snprintf(page->skipped, sizeof page->skipped, "start does not succeed: %.200s",
                   host->error.text);
    return false;
}

static leat_status call_poll(void *argument)
{
    uint64_t *arguments = argument;
    struct source_host *host = (struct source_host *)(uintptr_t)arguments[0];
    return subject.source->poll(host->source, (int32_t)(uint32_t)arguments[1], &host->error);
}

leat_status source_host_poll(struct source_host *host, int32_t wait_ms, const char *name)
{
    uint64_t arguments[2] = {(uintptr_t)host, (uint32_t)wait_ms};
    uint64_t count;
    host->error = (leat_error){.size = sizeof host->error};
    leat_status status =
        relay(call_poll, arguments, name, settings.timeout_ms + (wait_ms > 0 ? wait_ms : 0));
    int64_t took_ms = call_end();
    if (wait_ms >= 0 && took_ms > wait_ms + judge_slack_ms())
        finding(C_WAITING, "%s took %lld ms", name, (long long)took_ms);
    (void)!read(host->host.wake_fd, &count, sizeof count);
    judge_error("poll", status, &host->error);
    if (status > LEAT_EOF || status < LEAT_EFATAL || status == LEAT_ERETRY)
        finding(C_STATUS, "poll returned %d: a source mends a lost connection by itself",
                (int)status);
    host->ended = status == LEAT_EOF;
    return status;
}

static leat_status call_progress(void *argument)
{
    uint64_t *arguments = argument;
    struct source_host *host = (struct source_host *)(uintptr_t)arguments[0];
    leat_progress progress = {.size = sizeof progress,
                              .durable_position = arguments[1],
                              .returned_serial = host->returned};
    subject.source->progress(host->source, &progress);
    return LEAT_OK;
}

/* Gives the oldest back until `keep` are left, and tells it. */
static void give_back(struct source_host *host, uint32_t keep, bool confirm)
{
    uint64_t before = host->returned;
    while (host->tail - host->head > keep) {
        struct out *out = &host->outs[host->head++ % OUT_MAX];
        judge_relation_again(out);
        for (uint32_t i = 0; i < out->piece_count; i++)
            lend_set(out->pieces[i], LEND_BACK);
        host->returned = out->serial;
        host->told_safe = out->safe;
    }
    if (host->returned == before)
        return;
    uint64_t arguments[2] = {(uintptr_t)host, confirm ? host->told_safe : 0};
    (void)relay(call_progress, arguments, "progress", settings.timeout_ms);
    int64_t took_ms = call_end();
    if (took_ms > judge_slack_ms())
        finding(C_WAITING, "progress took %lld ms", (long long)took_ms);
}

void source_host_read(struct source_host *host, uint32_t changes, int64_t quiet_ms, uint32_t keep,
                      bool confirm)
{
    uint32_t until = host->count + changes;
    int64_t moved_ns = check_now_ns();
    while (host->count < until && !host->ended) {
        uint32_t before = host->count;
        leat_status status = source_host_poll(host, host->count == 0 ? 100 : 20, "poll");
        give_back(host, keep, confirm);
        if (status < 0) {
            (void)snprintf(page->skipped, sizeof page->skipped, "poll ends the pipeline: %.200s",
                           host->error.text);
            return;
        }
        if (host->count != before)
            moved_ns = check_now_ns();
        if (check_now_ns() - moved_ns > quiet_ms * 1000000)
            return;
    }
}

static leat_status call_stop(void *argument)
{
    uint64_t *arguments = argument;
    struct source_host *host = (struct source_host *)(uintptr_t)arguments[0];
    return subject.source->stop(host->source, (uint32_t)arguments[1]);
}

void source_host_stop(struct source_host *host, uint32_t deadline_ms)
{
    char name[32];
    uint64_t arguments[2] = {(uintptr_t)host, deadline_ms};
    (void)snprintf(name, sizeof name, "stop(%u)", deadline_ms);
    leat_status status = relay(call_stop, arguments, name, settings.timeout_ms + deadline_ms);
    int64_t took_ms = call_end();
    host->stopped = true;
    if (took_ms > deadline_ms + judge_slack_ms())
        finding(C_STOP, "%s took %lld ms", name, (long long)took_ms);
    if (status > LEAT_EOF || status < LEAT_EFATAL)
        finding(C_STATUS, "stop returned %d", (int)status);
}

void source_host_close(struct source_host *host)
{
    /* What is still out stays valid until destroy: the daemon's workers may be reading it. */
    for (uint32_t i = host->head; i != host->tail; i++)
        judge_relation_again(&host->outs[i % OUT_MAX]);
    call_begin("destroy", settings.timeout_ms);
    subject.source->destroy(host->source);
    (void)call_end();
    for (uint32_t i = host->head; i != host->tail; i++)
        for (uint32_t k = 0; k < host->outs[i % OUT_MAX].piece_count; k++)
            lend_set(host->outs[i % OUT_MAX].pieces[k], LEND_STOPPED);
    (void)close(host->host.wake_fd);
}
