/* SPDX-License-Identifier: Apache-2.0
 *
 * heap.c -- see heap.h.
 */
#include "heap.h"

#include "lend.h"

#include <leat/plugin.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

int64_t heap_blocks(void)
{
    return -1;
}

void heap_fail(uint64_t n, const void *begin, const void *end)
{
    (void)n;
    (void)begin;
    (void)end;
}

bool heap_failed(void)
{
    return false;
}

#else

#include <errno.h>
#include <stdatomic.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

/* glibc keeps its own under these names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static _Atomic int64_t blocks;
static _Atomic uint64_t fail_at; /* counts down to 1 */
static _Atomic bool failed;
static uintptr_t fail_begin, fail_end; /* set while no plugin runs */

int64_t heap_blocks(void)
{
    return atomic_load(&blocks);
}

void heap_fail(uint64_t n, const void *begin, const void *end)
{
    fail_begin = (uintptr_t)begin;
    fail_end = (uintptr_t)end;
    atomic_store(&failed, false);
    atomic_store(&fail_at, n);
}

bool heap_failed(void)
{
    return atomic_load(&failed);
}

static bool must_fail(const void *caller)
{
    uint64_t left = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (left == 0 || (uintptr_t)caller < fail_begin || (uintptr_t)caller >= fail_end)
        return false;
    atomic_store(&fail_at, left - 1);
    if (left != 1)
        return false;
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    return p;
}

#define CALLER __builtin_return_address(0)

LEAT_EXPORT void *malloc(size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_malloc(size));
}

LEAT_EXPORT void *calloc(size_t count, size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_calloc(count, size));
}

LEAT_EXPORT void *realloc(void *p, size_t size)
{
    if (lend_is_foreign_free(p) || must_fail(CALLER))
        return NULL;
    void *q = __libc_realloc(p, size);
    if (!p)
        return counted(q);
    if (!q && size == 0)
        atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    return q;
}

LEAT_EXPORT void *memalign(size_t alignment, size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
}

LEAT_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return must_fail(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
}

LEAT_EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *p = must_fail(CALLER) ? NULL : counted(__libc_memalign(alignment, size));
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

LEAT_EXPORT void free(void *p)
{
    if (!p || lend_is_foreign_free(p))
        return;
    atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    __libc_free(p);
}

#endif
