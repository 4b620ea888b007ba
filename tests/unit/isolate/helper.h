/* SPDX-License-Identifier: Apache-2.0
 *
 * helper.h -- a helper process that speaks the wire of isolate_wire.h by hand, so that it can speak
 * it wrongly.
 */
#ifndef LEAT_TESTS_ISOLATE_HELPER_H
#define LEAT_TESTS_ISOLATE_HELPER_H

#include "isolate_wire.h"

struct evil {
    struct isolate_hello hello;
    struct isolate_shared *shared;
    const unsigned char *pool;
    int fds[ISOLATE_FDS];
    uint32_t done, taken;
    struct isolate_message message;
};

/* Receives the hello and maps what came with it; ends the process when that fails. */
void evil_begin(struct evil *evil);

/* One message as the wire has it. */
void evil_say(struct evil *evil, uint32_t kind, int32_t status, int64_t number, const char *text,
              uint32_t length);

/* One whose envelope is not what it says: `size` bytes as they are. */
void evil_say_raw(struct evil *evil, const void *bytes, size_t size);

/* An entry of the ring of results, and the index that covers it. */
void evil_result(struct evil *evil, uint64_t token, int32_t status, uint32_t durable);

/* The nth offer (from 0), once it is there. */
struct isolate_offer evil_offer(struct evil *evil, uint32_t nth);

void evil_started(struct evil *evil);

/* Says nothing more, and does nothing, until it is killed. */
_Noreturn void evil_linger(void);

/* From here on a good helper: gives back what it gets, answers, stops when told, and exits 0. */
_Noreturn void evil_behave(struct evil *evil);

#endif
