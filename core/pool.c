/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.c -- see pool.h.  First fit from the low end over a bitmap.  It never allocates after
 * pool_init.
 */
#include "pool.h"

#include "memfd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define POOL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define POOL_TSAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size) ASAN_POISON_MEMORY_REGION(ptr, size)
#define UNPOISON(ptr, size) ASAN_UNPOISON_MEMORY_REGION(ptr, size)
#elif defined(LEAT_DEBUG)
/* Without ASan a debug build overwrites what was given back, so that a stale pointer shows. */
#define POISON(ptr, size) memset(ptr, 0xa5, size)
#define UNPOISON(ptr, size) ((void)0)
#else
#define POISON(ptr, size) ((void)0)
#define UNPOISON(ptr, size) ((void)0)
#endif

/* A place where no program, library or stack lies by itself, so that another process can map the pool
 * at the same address; where the system has no such place, any.  The thread sanitizer has its own
 * memory there, and leaves a program the low half a TiB, where none of ours lies. */
static void *quiet_place(size_t bytes)
{
#ifdef POOL_TSAN
    static const uint64_t from = (uint64_t)1 << 36, room = (uint64_t)1 << 38;
#else
    static const uint64_t from = (uint64_t)1 << 45, room = (uint64_t)1 << 44;
#endif
    static _Atomic uint64_t taken;
    uint64_t steps = (bytes >> 30) + 1;

    return (void *)(uintptr_t)(from + (atomic_fetch_add(&taken, steps) << 30) % room);
}

/* Sealed behind our own mapping: nobody can write to it or map it to write from now on, whatever
 * descriptor they have. */
static void *map_shared(struct pool *pool)
{
    void *map;

    pool->fd = memfd_make("leat-pool");
    if (pool->fd < 0 || ftruncate(pool->fd, (off_t)pool_bytes(pool)) != 0)
        return MAP_FAILED;
    map = mmap(quiet_place(pool_bytes(pool)), pool_bytes(pool), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_NORESERVE, pool->fd, 0);
    if (map != MAP_FAILED &&
        fcntl(pool->fd, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
        (void)munmap(map, pool_bytes(pool));
        return MAP_FAILED;
    }
    return map;
}

static bool init(struct pool *pool, size_t bytes, size_t slab_size, bool lock, bool shared)
{
    memset(pool, 0, sizeof *pool);
    pool->fd = -1;
    pool->slab_size = slab_size;
    pool->count = (uint32_t)(bytes / slab_size);
    if (pool->count == 0) {
        errno = EINVAL;
        return false;
    }
    pool->map = calloc((pool->count + 63) / 64, sizeof *pool->map);
    if (!pool->map)
        return false;
    pool->base = shared ? map_shared(pool)
                        : mmap(NULL, pool_bytes(pool), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool->base == MAP_FAILED) {
        pool->base = NULL;
        if (pool->fd >= 0)
            (void)close(pool->fd);
        pool->fd = -1;
        return false;
    }
    if (lock) {
        if (mlock(pool->base, pool_bytes(pool)) != 0)
            return false;
        pool->locked = true;
    }
#ifdef POOL_ASAN
    POISON(pool->base, pool_bytes(pool));
#endif
    return true;
}

bool pool_init(struct pool *pool, size_t bytes, size_t slab_size, bool lock)
{
    return init(pool, bytes, slab_size, lock, false);
}

bool pool_init_shared(struct pool *pool, size_t bytes, size_t slab_size, bool lock)
{
    return init(pool, bytes, slab_size, lock, true);
}

void pool_fini(struct pool *pool)
{
    if (pool->base && pool->fd >= 0)
        (void)close(pool->fd);
    if (pool->base) {
        UNPOISON(pool->base, pool_bytes(pool));
        (void)munmap(pool->base, pool_bytes(pool));
    }
    free(pool->map);
    memset(pool, 0, sizeof *pool);
}

static bool slab_taken(const struct pool *pool, uint32_t slab)
{
    return pool->map[slab / 64] >> (slab % 64) & 1;
}

/* The lowest free slab from `from` on, or count. */
static uint32_t next_free(const struct pool *pool, uint32_t from)
{
    uint32_t slab = from;

    while (slab < pool->count) {
        uint64_t open = ~pool->map[slab / 64] >> (slab % 64);
        if (open) {
            slab += (uint32_t)__builtin_ctzll(open);
            return slab < pool->count ? slab : pool->count;
        }
        slab = (slab / 64 + 1) * 64;
    }
    return pool->count;
}

static uint32_t find_run(const struct pool *pool, uint32_t slabs)
{
    uint32_t start = next_free(pool, 0);

    while (start < pool->count && pool->count - start >= slabs) {
        uint32_t length = 1;
        while (length < slabs && !slab_taken(pool, start + length))
            length++;
        if (length == slabs)
            return start;
        start = next_free(pool, start + length);
    }
    return pool->count;
}

static void mark(struct pool *pool, uint32_t start, uint32_t slabs, bool taken)
{
    for (uint32_t slab = start; slab < start + slabs; slab++) {
        assert(slab_taken(pool, slab) != taken);
        pool->map[slab / 64] ^= (uint64_t)1 << (slab % 64);
    }
}

void *pool_take(struct pool *pool, uint32_t slabs)
{
    uint32_t start;
    unsigned char *run;

    assert(slabs > 0);
    if (slabs > pool->count - pool->used)
        return NULL;
    start = find_run(pool, slabs);
    if (start == pool->count)
        return NULL;
    mark(pool, start, slabs, true);
    pool->used += slabs;
    if (start + slabs > pool->touched)
        pool->touched = start + slabs;
    run = pool->base + (size_t)start * pool->slab_size;
    UNPOISON(run, (size_t)slabs * pool->slab_size);
    return run;
}

void pool_give(struct pool *pool, void *run, uint32_t slabs)
{
    size_t offset = (size_t)((unsigned char *)run - pool->base);
    size_t size = (size_t)slabs * pool->slab_size;

    assert(offset % pool->slab_size == 0 && offset + size <= pool_bytes(pool));
    mark(pool, (uint32_t)(offset / pool->slab_size), slabs, false);
    pool->used -= slabs;
    /* A run for a large row is rare and may be hundreds of MB: its pages go back at once. */
    if (size > (1u << 20) && !pool->locked && pool->fd < 0) {
        UNPOISON(run, size);
        (void)madvise(run, size, MADV_DONTNEED);
#ifdef POOL_ASAN
        POISON(run, size);
#endif
        return;
    }
    POISON(run, size);
}

void pool_trim(struct pool *pool)
{
    uint32_t keep = 0;

    if (pool->locked || pool->fd >= 0)
        return;
    for (uint32_t slab = 0; slab < pool->touched; slab++)
        if (slab_taken(pool, slab))
            keep = slab + 1;
    if (keep < pool->touched)
        (void)madvise(pool->base + (size_t)keep * pool->slab_size,
                      (size_t)(pool->touched - keep) * pool->slab_size, MADV_DONTNEED);
    pool->touched = keep;
}
