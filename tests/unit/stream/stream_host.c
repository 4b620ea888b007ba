/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_host.c -- a host for one source, without threads.
 */
#include "stream_host.h"
#include "source.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLAB (1u << 20)

static struct stream_host *of(const leat_host *api)
{
    return (struct stream_host *)(uintptr_t)api;
}

static void append(struct stream_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct stream_host *host, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t used = strlen(host->log), more = strlen(line);
    if (used + more + 1 > sizeof host->log) {
        memmove(host->log, host->log + used / 2, used - used / 2 + 1);
        used = strlen(host->log);
    }
    memcpy(host->log + used, line, more + 1);
}

static void log_line(const leat_host *api, int32_t level, const char *message,
                     const leat_field *fields, size_t count)
{
    struct stream_host *host = of(api);
    host->warnings += level <= LEAT_LOG_WARN;
    append(host, "%s", message);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == LEAT_FIELD_STRING)
            append(host, " %s=\"%s\"", fields[i].name, fields[i].string);
        else if (fields[i].kind == LEAT_FIELD_LSN)
            append(host, " %s=%llX", fields[i].name, (unsigned long long)fields[i].number);
        else
            append(host, " %s=%lld", fields[i].name, (long long)fields[i].number);
    }
    append(host, "\n");
    if (getenv("STREAM_HOST_VERBOSE"))
        fprintf(stderr, "%s\n", strrchr(host->log, '\n') == host->log ? "" : message);
}

static int64_t now_ns(const leat_host *api)
{
    (void)api;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void wake(const leat_host *api)
{
    (void)api;
}

static const void *extension(const leat_host *api, const char *id)
{
    (void)api;
    (void)id;
    return NULL;
}

static void begin(const leat_host *api, const leat_origin *origin)
{
    struct stream_host *host = of(api);
    host->begins++;
    host->origin_position = origin->position;
    if (host->durable < origin->position)
        host->durable = origin->position;
    if (host->writer.safe_position < origin->position)
        host->writer.safe_position = origin->position;
    for (uint32_t i = 0; i < origin->fact_count && i < 4; i++) {
        (void)snprintf(host->facts[i][0], 64, "%s", origin->facts[i].name);
        (void)snprintf(host->facts[i][1], 64, "%s", origin->facts[i].value);
    }
}

static leat_status batch_open(const leat_host *api, leat_writer **out)
{
    struct stream_host *host = of(api);
    assert(!host->open);
    if (host->starve)
        return LEAT_AGAIN;
    host->open = true;
    uint64_t safe = host->writer.safe_position;
    host->writer = (leat_writer){
        .size = sizeof host->writer,
        .change_size = sizeof(leat_change),
        .serial = ++host->serial,
        .arena = {host->slab, host->slab + host->slab_size},
        .safe_position = safe,
    };
    *out = &host->writer;
    return LEAT_OK;
}

static leat_status batch_reserve(const leat_host *api, leat_writer *writer, size_t size,
                                 leat_error *error)
{
    struct stream_host *host = of(api);
    if (size <= (size_t)(writer->arena.end - writer->arena.cur))
        return LEAT_OK;
    if (size <= host->slab_size)
        return LEAT_AGAIN;
    error->status = LEAT_EREJECT;
    (void)snprintf(error->text, sizeof error->text, "there are %zu bytes", host->slab_size);
    return LEAT_EREJECT;
}

static void count(struct stream_host *host, const leat_change *change)
{
    if (leat_identity_compare(change->identity, host->last) <= 0)
        host->doubled++;
    host->last = change->identity;
    switch (change->op) {
    case LEAT_INSERT:
        host->inserts++;
        break;
    case LEAT_UPDATE:
        host->updates++;
        break;
    case LEAT_DELETE:
        host->deletes++;
        break;
    case LEAT_TRUNCATE:
        host->truncates++;
        break;
    default:
        host->messages++;
    }
}

static void batch_publish(const leat_host *api, leat_writer *writer)
{
    struct stream_host *host = of(api);
    assert(host->open && writer == &host->writer);
    host->open = false;
    host->batches++;
    host->empty_batches += !writer->first;
    for (const leat_change *change = writer->first; change; change = change->next)
        count(host, change);
    if (!host->forget && writer->safe_position > host->durable)
        host->durable = writer->safe_position;
}

static int32_t sinks_busy(const leat_host *api)
{
    return of(api)->busy;
}

static void idle_position(const leat_host *api, uint64_t position)
{
    struct stream_host *host = of(api);
    assert(!host->open);
    host->idle = position;
    if (position > host->writer.safe_position)
        host->writer.safe_position = position;
    if (!host->forget && position > host->durable)
        host->durable = position;
}

static void confirm_soon(const leat_host *api)
{
    of(api)->confirms++;
}

void stream_host_init(struct stream_host *host)
{
    *host = (struct stream_host){.slab = malloc(SLAB), .slab_size = SLAB};
    host->error.size = sizeof host->error;
    host->api = (leat_host){
        .size = sizeof host->api,
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .pipeline = "test",
        .instance = "source",
        .wake_fd = -1,
        .log = log_line,
        .now_ns = now_ns,
        .wake = wake,
        .extension = extension,
        .begin = begin,
        .batch_open = batch_open,
        .batch_reserve = batch_reserve,
        .batch_publish = batch_publish,
        .sinks_busy = sinks_busy,
        .idle_position = idle_position,
        .confirm_soon = confirm_soon,
    };
    assert(host->slab);
}

void stream_host_fini(struct stream_host *host)
{
    source_ops.destroy(host->source);
    host->source = NULL;
    free(host->slab);
    host->slab = NULL;
}

void stream_host_run(struct stream_host *host, const struct pgoutput_options *options,
                     const leat_source_start *start)
{
    const leat_source_start fresh = {.size = sizeof fresh};
    leat_status status = source_ops.create(&host->api, options, &host->source, &host->error);
    assert(status == LEAT_OK);
    host->durable = start ? start->position : 0;
    status = source_ops.start(host->source, start ? start : &fresh, &host->error);
    assert(status == LEAT_OK);
    (void)status;
}

leat_status stream_host_step(struct stream_host *host, int32_t max_wait_ms)
{
    leat_status status = source_ops.poll(host->source, max_wait_ms, &host->error);
    if (status)
        host->status = status;
    const leat_progress now = {.size = sizeof now,
                               .durable_position = host->durable,
                               .returned_serial = host->open ? host->serial - 1 : host->serial};
    if (now.durable_position != host->told.durable_position ||
        now.returned_serial != host->told.returned_serial) {
        host->told = now;
        source_ops.progress(host->source, &now);
    }
    return status;
}

void stream_host_stop(struct stream_host *host)
{
    (void)source_ops.stop(host->source, 5000);
}
