/* SPDX-License-Identifier: Apache-2.0
 *
 * lend.h -- memory that tells who touches it when he must not.
 *
 * A piece lies between two pages that nobody may touch, its last byte at the end of a page.  While
 * it is filled it is ordinary; lent it is read-only; given back it is closed.  Addresses are not
 * used again in one trial.  A forbidden access is a finding that ends the trial's process.
 */
#ifndef CHECK_LEND_H
#define CHECK_LEND_H

#include <stdbool.h>
#include <stddef.h>

struct piece {
    unsigned char *data; /* size bytes, the last one before the guard */
    size_t size;
    unsigned char *map; /* with the guards */
    size_t map_size;
    const char *what; /* of whom: for findings */
};

enum lend_state { LEND_OPEN, LEND_LENT, LEND_BACK, LEND_REFUSED, LEND_STOPPED };

/* [child, main] The handler of SIGSEGV and SIGBUS; once. */
void lend_guard(void);

/* [any] Zeroed, aligned for 8 when size is a multiple of 8.  Never NULL; what: static. */
struct piece *lend_make(size_t size, const char *what);
void lend_set(struct piece *piece, enum lend_state state); /* [any] */

/* [any] Whether p lies in a piece that is open or lent, with `len` bytes behind it. */
bool lend_holds(const struct piece *piece, const void *p, size_t len);

/* [any] True, and a finding, when p is memory of the host's that a plugin wants to free. */
bool lend_is_foreign_free(const void *p);

#endif
