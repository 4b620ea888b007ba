/* SPDX-License-Identifier: Apache-2.0
 *
 * malloc_count.c -- a library to be preloaded: counts malloc and free by who calls them.  [any]
 *
 * The return address says whose code asked: ours (the leat program, our plugins), libc's (strdup,
 * getline and the like, most of them called by us), or another library's.  The counts stand in the
 * file that MALLOC_COUNT_FILE names, which a test maps and reads while the process runs.  Never
 * allocates by itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OTHER, OURS, LIBC, CLASSES };
enum { SITES = 4096, RANGES = 256 };

struct site {
    _Atomic uintptr_t address;
    _Atomic uint64_t calls;
};

/* What the test reads: see test_memory.py. */
struct counts {
    _Atomic uint64_t malloc_calls[CLASSES], free_calls[CLASSES];
    struct site sites[SITES]; /* of our own calls, by return address */
    uint64_t base;            /* where the program itself was loaded */
};

struct range {
    uintptr_t low, high;
    int class;
};

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static struct counts early;
static struct counts *counts = &early;
static struct range ranges[RANGES];
static _Atomic int range_count;
static _Thread_local int inside; /* dl_iterate_phdr may allocate */

static int classify(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (*path == '\0' || strcmp(name, "leat") == 0 || strstr(path, "/plugins/") != NULL)
        return OURS;
    return strncmp(name, "libc.so", 7) == 0 ? LIBC : OTHER;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0)
            continue;
        uintptr_t low = info->dlpi_addr + header->p_vaddr;
        int n = atomic_load_explicit(&range_count, memory_order_acquire), known = 0;
        for (int k = 0; k < n; k++)
            known |= ranges[k].low == low;
        if (known || n == RANGES)
            continue;
        ranges[n] = (struct range){low, low + header->p_memsz, classify(info->dlpi_name)};
        if (info->dlpi_name[0] == '\0')
            counts->base = info->dlpi_addr;
        /* One writer at a time: the loader's lock is held here. */
        atomic_store_explicit(&range_count, n + 1, memory_order_release);
    }
    return 0;
}

static int look_up(uintptr_t address)
{
    int n = atomic_load_explicit(&range_count, memory_order_acquire);
    for (int i = 0; i < n; i++)
        if (address >= ranges[i].low && address < ranges[i].high)
            return ranges[i].class;
    return -1;
}

static void count(_Atomic uint64_t *calls, void *caller)
{
    if (inside)
        return;
    int class = look_up((uintptr_t)caller);
    if (class < 0) {
        inside = 1;
        dl_iterate_phdr(add_object, NULL);
        inside = 0;
        class = look_up((uintptr_t)caller);
        if (class < 0)
            class = OTHER;
    }
    atomic_fetch_add_explicit(&calls[class], 1, memory_order_relaxed);
    if (class != OURS)
        return;
    for (size_t i = ((uintptr_t)caller >> 1) % SITES, tries = 0; tries < SITES;
         i = (i + 1) % SITES, tries++) {
        uintptr_t none = 0;
        if (counts->sites[i].address == (uintptr_t)caller ||
            atomic_compare_exchange_strong(&counts->sites[i].address, &none, (uintptr_t)caller) ||
            none == (uintptr_t)caller) {
            atomic_fetch_add_explicit(&counts->sites[i].calls, 1, memory_order_relaxed);
            return;
        }
    }
}

__attribute__((constructor)) static void map_counts(void)
{
    const char *path = getenv("MALLOC_COUNT_FILE");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, sizeof(struct counts)) != 0)
        return;
    void *map = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        counts = map;
}

void *malloc(size_t size)
{
    count(counts->malloc_calls, __builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(counts->malloc_calls, __builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    count(counts->malloc_calls, __builtin_return_address(0));
    return __libc_realloc(old, size);
}

void free(void *memory)
{
    if (memory)
        count(counts->free_calls, __builtin_return_address(0));
    __libc_free(memory);
}
