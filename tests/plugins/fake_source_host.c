/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_source_host.c -- see the header.
 */
#include "fake_source_host.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_slab {
    struct fake_slab *next;
    unsigned char *memory;
    size_t size;
};

static struct fake_source_host *fake_of(const leat_host *host)
{
    return (struct fake_source_host *)(uintptr_t)host;
}

static bool add_slab(struct fake_source_host *fake, struct fake_batch *batch, size_t size)
{
    struct fake_slab *slab;
    if (fake->memory_bytes - fake->used_bytes < size)
        return false;
    slab = calloc(1, sizeof(*slab));
    if (slab)
        slab->memory = malloc(size ? size : 1);
    if (!slab || !slab->memory)
        abort();
    memset(slab->memory, 0xa5, size);
    slab->size = size;
    slab->next = batch->slabs;
    batch->slabs = slab;
    batch->bytes += size;
    fake->used_bytes += size;
    batch->writer.arena.cur = slab->memory;
    batch->writer.arena.end = slab->memory + size;
    return true;
}

static void free_batch(struct fake_source_host *fake, struct fake_batch *batch)
{
    while (batch->slabs) {
        struct fake_slab *slab = batch->slabs;
        batch->slabs = slab->next;
        free(slab->memory);
        free(slab);
    }
    fake->used_bytes -= batch->bytes;
    free(batch);
}

static leat_status batch_open(const leat_host *host, leat_writer **out)
{
    struct fake_source_host *fake = fake_of(host);
    struct fake_batch *batch;
    if (fake->open)
        abort(); /* at most one is open */
    if (fake->again_opens && fake->again_opens--)
        return LEAT_AGAIN;
    if (fake->memory_bytes - fake->used_bytes < fake->slab_bytes)
        return LEAT_AGAIN;
    batch = calloc(1, sizeof(*batch));
    if (!batch)
        abort();
    (void)add_slab(fake, batch, fake->slab_bytes);
    batch->writer.size = sizeof(batch->writer);
    batch->writer.change_size = (uint32_t)sizeof(leat_change) + fake->extra_change_bytes;
    batch->writer.serial = ++fake->next_serial;
    batch->writer.safe_position = fake->safe_position;
    fake->open = batch;
    *out = &batch->writer;
    return LEAT_OK;
}

static leat_status batch_reserve(const leat_host *host, leat_writer *writer, size_t size,
                                 leat_error *error)
{
    struct fake_source_host *fake = fake_of(host);
    struct fake_batch *batch = fake->open;
    size_t want = size > fake->slab_bytes ? size : fake->slab_bytes;
    if (!batch || writer != &batch->writer)
        abort();
    if (fake->again_reserves && fake->again_reserves--)
        return LEAT_AGAIN;
    if (size > fake->memory_bytes) {
        error->status = LEAT_EREJECT;
        (void)snprintf(error->text, sizeof(error->text), "memory is %zu bytes", fake->memory_bytes);
        return LEAT_EREJECT;
    }
    /* An empty batch may have its slab taken for a larger one, as nothing stands in it. */
    if (!writer->change_count) {
        struct fake_slab *slab = batch->slabs;
        batch->slabs = NULL;
        while (slab) {
            struct fake_slab *next = slab->next;
            free(slab->memory);
            free(slab);
            slab = next;
        }
        fake->used_bytes -= batch->bytes;
        batch->bytes = 0;
        writer->arena.cur = writer->arena.end = NULL;
    }
    if (!add_slab(fake, batch, want)) {
        size_t little = fake->memory_bytes - fake->used_bytes;
        if (!add_slab(fake, batch, size > little ? fake->memory_bytes + 1 : size))
            return LEAT_AGAIN;
    }
    writer->full = fake->target_bytes && batch->bytes >= fake->target_bytes;
    return LEAT_OK;
}

static void batch_publish(const leat_host *host, leat_writer *writer)
{
    struct fake_source_host *fake = fake_of(host);
    struct fake_batch *batch = fake->open;
    if (!batch || writer != &batch->writer || writer->safe_position < fake->safe_position)
        abort();
    fake->open = NULL;
    if (fake->last)
        fake->last->next = batch;
    else
        fake->first = batch;
    fake->last = batch;
    fake->safe_position = writer->safe_position;
    fake->published++;
    fake->changes += writer->change_count;
}

static int32_t sinks_busy(const leat_host *host)
{
    return fake_of(host)->busy;
}

static void idle_position(const leat_host *host, uint64_t position)
{
    struct fake_source_host *fake = fake_of(host);
    fake->idle_position = position;
    fake->idle_count++;
}

static void confirm_soon(const leat_host *host)
{
    fake_of(host)->confirms++;
}

static void begin(const leat_host *host, const leat_origin *origin)
{
    fake_of(host)->begins++;
    fake_of(host)->begin_position = origin->position;
}

static void take_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    (void)level;
    (void)message;
    (void)fields;
    (void)field_count;
    fake_of(host)->logs++;
}

static int64_t now_ns(const leat_host *host)
{
    return fake_of(host)->clock_ns;
}

static void wake(const leat_host *host)
{
    fake_of(host)->wakes++;
}

static const void *extension(const leat_host *host, const char *id)
{
    (void)host;
    (void)id;
    return NULL;
}

void fake_source_host_init(struct fake_source_host *fake)
{
    memset(fake, 0, sizeof(*fake));
    fake->slab_bytes = 64 * 1024;
    fake->memory_bytes = 16 * 1024 * 1024;
    fake->host = (leat_host){
        .size = sizeof(leat_host),
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .pipeline = "test",
        .instance = "source",
        .wake_fd = -1,
        .log = take_log,
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
}

uint64_t fake_source_host_return(struct fake_source_host *fake, size_t count)
{
    uint64_t serial = 0;
    while (count-- && fake->first) {
        struct fake_batch *batch = fake->first;
        fake->first = batch->next;
        if (!fake->first)
            fake->last = NULL;
        serial = batch->writer.serial;
        free_batch(fake, batch);
    }
    return serial;
}

void fake_source_host_fini(struct fake_source_host *fake)
{
    (void)fake_source_host_return(fake, SIZE_MAX);
    if (fake->open)
        free_batch(fake, fake->open);
    fake->open = NULL;
}
