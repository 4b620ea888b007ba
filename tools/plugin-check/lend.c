/* SPDX-License-Identifier: Apache-2.0
 *
 * lend.c -- see lend.h.
 */
#include "lend.h"

#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECES_MAX = 16384, PAGE = 4096 };

static struct slot {
    struct piece piece;
    _Atomic int state;
} slots[PIECES_MAX];
static _Atomic uint32_t slot_count;

/* One range of addresses for all pieces, so that every free can be told apart by two comparisons.
 */
#define RANGE_BYTES ((size_t)16 * 1024 * 1024 * 1024)
static unsigned char *range;
static _Atomic size_t range_used;

static struct slot *slot_at(const void *p)
{
    uint32_t count = atomic_load(&slot_count);
    if (!range || (uintptr_t)p < (uintptr_t)range || (uintptr_t)p >= (uintptr_t)range + RANGE_BYTES)
        return NULL;
    for (uint32_t i = count < PIECES_MAX ? count : PIECES_MAX; i-- > 0;) {
        struct piece *piece = &slots[i].piece;
        if ((const unsigned char *)p >= piece->map &&
            (const unsigned char *)p < piece->map + piece->map_size)
            return &slots[i];
    }
    return NULL;
}

static bool is_guard(const struct piece *piece, const unsigned char *p)
{
    return p < piece->map + PAGE || p >= piece->map + piece->map_size - PAGE;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    struct slot *slot = slot_at(info->si_addr);
    const char *in = atomic_load(&page->call_since_ns) ? "inside" : "after";
    if (!slot) {
        finding(page->crash, "it crashed: signal %d (%s) at address %p, %s %s", number,
                strsignal(number), info->si_addr, in, page->call);
    } else if (is_guard(&slot->piece, info->si_addr)) {
        finding(C_BOUNDS, "it touched memory beside %s, %s %s", slot->piece.what, in, page->call);
    } else {
        switch (atomic_load(&slot->state)) {
        case LEND_LENT:
            finding(C_READ_ONLY, "it wrote into %s that was only lent, %s %s", slot->piece.what, in,
                    page->call);
            break;
        case LEND_REFUSED:
            finding(C_AGAIN, "it touched %s after it had answered AGAIN to it, %s %s",
                    slot->piece.what, in, page->call);
            break;
        case LEND_STOPPED:
            finding(C_SILENCE, "it touched %s after stop, %s %s", slot->piece.what, in, page->call);
            break;
        default:
            finding(C_LIFE, "it touched %s after it was given back, %s %s", slot->piece.what, in,
                    page->call);
        }
    }
    give_up();
}

void lend_guard(void)
{
    static unsigned char stack[64 * 1024];
    (void)sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    (void)sigaction(SIGSEGV, &action, NULL);
    (void)sigaction(SIGBUS, &action, NULL);
    range = mmap(NULL, RANGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) {
        (void)snprintf(page->skipped, sizeof page->skipped, "no address space for the trial");
        give_up();
    }
}

struct piece *lend_make(size_t size, const char *what)
{
    uint32_t index = atomic_fetch_add(&slot_count, 1);
    size_t room = (size + PAGE - 1) / PAGE * PAGE;
    if (index >= PIECES_MAX) {
        (void)snprintf(page->skipped, sizeof page->skipped, "the trial's memory is used up");
        give_up();
    }
    struct slot *slot = &slots[index];
    size_t whole = room + (size_t)2 * PAGE;
    size_t at = atomic_fetch_add(&range_used, whole);
    unsigned char *map = range + at;
    if (at + whole > RANGE_BYTES || mprotect(map + PAGE, room, PROT_READ | PROT_WRITE) != 0) {
        (void)snprintf(page->skipped, sizeof page->skipped, "no memory for the trial");
        give_up();
    }
    slot->piece = (struct piece){.data = map + PAGE + room - size,
                                 .size = size,
                                 .map = map,
                                 .map_size = whole,
                                 .what = what};
    atomic_store(&slot->state, LEND_OPEN);
    return &slot->piece;
}

void lend_set(struct piece *piece, enum lend_state state)
{
    struct slot *slot = (struct slot *)(void *)piece;
    int protection = state == LEND_OPEN   ? PROT_READ | PROT_WRITE
                     : state == LEND_LENT ? PROT_READ
                                          : PROT_NONE;
    atomic_store(&slot->state, (int)state);
    (void)mprotect(piece->map + PAGE, piece->map_size - (size_t)2 * PAGE, protection);
    if (protection == PROT_NONE) /* its contents are not needed again */
        (void)madvise(piece->map + PAGE, piece->map_size - (size_t)2 * PAGE, MADV_DONTNEED);
}

bool lend_holds(const struct piece *piece, const void *p, size_t len)
{
    const unsigned char *at = p;
    return at >= piece->data && at <= piece->data + piece->size &&
           len <= (size_t)(piece->data + piece->size - at);
}

bool lend_is_foreign_free(const void *p)
{
    if (!p || !page || !slot_at(p))
        return false;
    finding(C_FREE, "it freed memory that the host had lent, inside %s", page->call);
    return true;
}
