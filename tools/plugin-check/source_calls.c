/* SPDX-License-Identifier: Apache-2.0
 *
 * source_calls.c -- what a source calls of its host, each call judged.  [child, main], but for what
 * is [any].
 */
#include "source_calls.h"

#include "judge.h"
#include "source_judge.h"
#include "trial.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct source_host *of(const leat_host *host)
{
    return (struct source_host *)(void *)(uintptr_t)host;
}

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

void source_calls_fill(struct source_host *host)
{
    host->host =
        (leat_host){.size = (uint32_t)(sizeof host->host + (host->extra ? sizeof host->longer : 0)),
                    .abi_major = LEAT_ABI_MAJOR,
                    .abi_minor = LEAT_ABI_MINOR + (host->extra ? 1 : 0),
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
