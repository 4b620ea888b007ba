/* SPDX-License-Identifier: Apache-2.0
 *
 * helper.c -- see helper.h.
 */
#include "helper.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

void evil_begin(struct evil *evil)
{
    void *place, *pool;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (isolate_receive(ISOLATE_FD, &evil->message, evil->fds, 0) <= 0)
        _exit(90);
    memcpy(&evil->hello, evil->message.text, sizeof evil->hello);
    place = (void *)(uintptr_t)evil->hello.pool_base;
    pool = mmap(place, evil->hello.pool_size, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
                evil->fds[ISOLATE_FD_POOL], 0);
    evil->shared = mmap(NULL, sizeof *evil->shared, PROT_READ | PROT_WRITE, MAP_SHARED,
                        evil->fds[ISOLATE_FD_SHARED], 0);
    evil->pool = pool;
    if (pool != place || evil->shared == MAP_FAILED)
        _exit(91);
}

void evil_say_raw(struct evil *evil, const void *bytes, size_t size)
{
    (void)!send(ISOLATE_FD, bytes, size, MSG_NOSIGNAL);
    (void)atomic_fetch_add(&evil->shared->told, 1);
    isolate_ring_anyway(evil->fds[ISOLATE_FD_BELL]);
}

void evil_say(struct evil *evil, uint32_t kind, int32_t status, int64_t number, const char *text,
              uint32_t length)
{
    struct isolate_message *message = &evil->message;

    memset(message, 0, offsetof(struct isolate_message, text));
    message->kind = kind;
    message->status = status;
    message->number = number;
    message->length = length;
    if (length > 0)
        memcpy(message->text, text, length);
    evil_say_raw(evil, message, offsetof(struct isolate_message, text) + length);
}

void evil_result(struct evil *evil, uint64_t token, int32_t status, uint32_t durable)
{
    evil->shared->results[evil->done & (ISOLATE_RING - 1)] =
        (struct isolate_result){token, status, durable, 0, 0};
    atomic_store(&evil->shared->done, ++evil->done);
    isolate_ring_anyway(evil->fds[ISOLATE_FD_BELL]);
}

static void wait_for_bell(const struct evil *evil)
{
    struct pollfd fds[] = {{.fd = evil->fds[ISOLATE_FD_BELL], .events = POLLIN},
                           {.fd = ISOLATE_FD, .events = POLLIN}};

    (void)poll(fds, 2, -1);
    (void)isolate_hear(evil->fds[ISOLATE_FD_BELL]);
}

struct isolate_offer evil_offer(struct evil *evil, uint32_t nth)
{
    atomic_store(&evil->shared->helper_asleep, 1);
    while (atomic_load(&evil->shared->offered) <= nth) {
        wait_for_bell(evil);
        atomic_store(&evil->shared->helper_asleep, 1);
    }
    return evil->shared->offers[nth & (ISOLATE_RING - 1)];
}

void evil_started(struct evil *evil)
{
    evil_say(evil, ISOLATE_STARTED, LEAT_OK, LEAT_HOLDS_UNKNOWN, "", 1);
}

_Noreturn void evil_linger(void)
{
    for (;;)
        (void)pause();
}

_Noreturn void evil_behave(struct evil *evil)
{
    for (;;) {
        atomic_store(&evil->shared->helper_asleep, 1);
        atomic_store(&evil->shared->answered, atomic_load(&evil->shared->asked));
        while (evil->taken != atomic_load(&evil->shared->offered))
            evil_result(evil, evil->shared->offers[evil->taken++ & (ISOLATE_RING - 1)].token,
                        LEAT_OK, 0);
        int got = isolate_receive(ISOLATE_FD, &evil->message, NULL, MSG_DONTWAIT);
        if (got < 0)
            _exit(92);
        if (got > 0 && evil->message.kind == ISOLATE_STOP) {
            evil_say(evil, ISOLATE_STOPPED, LEAT_OK, 0, "", 0);
            _exit(0);
        }
        if (got == 0)
            wait_for_bell(evil);
    }
}
