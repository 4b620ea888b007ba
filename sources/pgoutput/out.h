/* SPDX-License-Identifier: Apache-2.0
 *
 * out.h -- where rewritten text goes: into `room` bytes at `base`, or, without a base, nowhere.
 * [any]  Never writes past the room; `len` counts on all the same, so one pass over the same code
 * says how much room a text takes.
 */
#ifndef LEAT_PGOUTPUT_OUT_H
#define LEAT_PGOUTPUT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct out {
    char *base; /* NULL: only count */
    size_t len, room;
};

static inline void out_put(struct out *out, const char *p, size_t n)
{
    if (out->len <= out->room && n <= out->room - out->len && out->base)
        memcpy(out->base + out->len, p, n);
    out->len += n;
}

static inline void out_char(struct out *out, char c)
{
    if (out->len < out->room && out->base)
        out->base[out->len] = c;
    out->len++;
}

static inline bool out_overflowed(const struct out *out)
{
    return out->base && out->len > out->room;
}

#endif
