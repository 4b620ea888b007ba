/* SPDX-License-Identifier: Apache-2.0
 *
 * position.h -- positions that have been seen and positions that are durable, as two C types.
 *
 * A position that was only seen must never be confirmed to the source; so the two do not convert
 * into one another, and the one place where "seen" becomes "durable" is durable_from_window.
 */
#ifndef LEAT_POSITION_H
#define LEAT_POSITION_H

#include <stdbool.h>
#include <stdint.h>

typedef struct { /* read from the source; may be in flight */
    uint64_t value;
} position_seen;

typedef struct { /* durable in every sink */
    uint64_t value;
} position_durable;

/* Only for window.c, when every batch before `seen` has been given back as durable. */
static inline position_durable durable_from_window(position_seen seen)
{
    return (position_durable){seen.value};
}

#endif
