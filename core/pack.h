/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.h -- MessagePack's formats into a piece of memory (the specification on msgpack.org).  [any]
 *
 * Every write checks its room; what does not fit sets `full` and writes nothing more.  With base
 * NULL nothing is written and `at` counts.  The shortest format is always taken.  Never allocates.
 *
 * Invariant: at <= room.
 */
#ifndef LEAT_PACK_H
#define LEAT_PACK_H

#include "bytes.h"
#include "utf8.h"

struct pack {
    unsigned char *base;
    size_t at, room;
    bool full;
};

#define PACK_CONTAINER_MAX 5u /* bytes of the largest header of an array or map */

/* Room for size bytes, or NULL: count only, or full. */
static inline unsigned char *pack_take(struct pack *pack, size_t size)
{
    if (pack->room - pack->at < size) {
        pack->full = true;
        pack->at = pack->room;
        return NULL;
    }
    pack->at += size;
    return pack->base ? pack->base + pack->at - size : NULL;
}

static inline void pack_raw(struct pack *pack, const void *bytes, size_t len)
{
    unsigned char *dst = pack_take(pack, len);
    if (dst)
        (void)bytes_copy(dst, bytes, len);
}

static inline void pack_byte(struct pack *pack, unsigned byte)
{
    unsigned char *dst = pack_take(pack, 1);
    if (dst)
        *dst = (unsigned char)byte;
}

/* `lead`, then the low `size` bytes of number, most significant first. */
void pack_number(struct pack *pack, unsigned lead, uint64_t number, unsigned size);

static inline void pack_nil(struct pack *pack)
{
    pack_byte(pack, 0xc0);
}

static inline void pack_bool(struct pack *pack, bool value)
{
    pack_byte(pack, value ? 0xc3 : 0xc2);
}

void pack_uint(struct pack *pack, uint64_t number);
void pack_int(struct pack *pack, int64_t number);
void pack_double(struct pack *pack, double number);
void pack_map(struct pack *pack, uint32_t pairs);
void pack_array(struct pack *pack, uint32_t items);
void pack_bin(struct pack *pack, const char *bytes, size_t len);
void pack_timestamp(struct pack *pack, int64_t seconds, uint32_t nanoseconds);

/* The head of a string of len bytes, which the caller writes; repaired text (utf8.h); text that is
 * known to be valid. */
void pack_string_head(struct pack *pack, size_t len);
void pack_string(struct pack *pack, const char *text, size_t len);

static inline void pack_plain(struct pack *pack, const char *text, size_t len)
{
    pack_string_head(pack, len);
    pack_raw(pack, text, len);
}

/* As pack_plain, called rather than inlined. */
void pack_text(struct pack *pack, const char *text, size_t len);

#define PACK_LITERAL(pack, text) pack_plain((pack), (text), sizeof(text) - 1)

#endif
