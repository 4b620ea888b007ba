/* SPDX-License-Identifier: Apache-2.0
 *
 * cursor.h -- reads a message of PostgreSQL's protocol: big-endian integers, strings ending in NUL.
 * [any]  Never reads past `end`: a read that would sets `bad` and gives 0, and so do all after it,
 * so that a parser asks once, at its end.
 */
#ifndef LEAT_PGOUTPUT_CURSOR_H
#define LEAT_PGOUTPUT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const char *at, *end;
    bool bad;
};

static inline uint32_t load_u32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof(n));
    return __builtin_bswap32(n);
}

static inline uint16_t load_u16(const char *p)
{
    uint16_t n;
    memcpy(&n, p, sizeof(n));
    return __builtin_bswap16(n);
}

/* `size` bytes, borrowed from the message; NULL and bad where there are fewer. */
static inline const char *cursor_take(struct cursor *cursor, size_t size)
{
    const char *p = cursor->at;
    if (cursor->bad || (size_t)(cursor->end - p) < size) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at = p + size;
    return p;
}

static inline uint8_t cursor_u8(struct cursor *cursor)
{
    const char *p = cursor_take(cursor, 1);
    return p ? (uint8_t)*p : 0;
}

static inline uint16_t cursor_u16(struct cursor *cursor)
{
    const char *p = cursor_take(cursor, 2);
    return p ? load_u16(p) : 0;
}

static inline uint32_t cursor_u32(struct cursor *cursor)
{
    const char *p = cursor_take(cursor, 4);
    return p ? load_u32(p) : 0;
}

static inline uint64_t cursor_u64(struct cursor *cursor)
{
    uint64_t high = cursor_u32(cursor);
    return high << 32 | cursor_u32(cursor);
}

/* A string without its NUL. */
static inline const char *cursor_string(struct cursor *cursor, size_t *len)
{
    size_t left = cursor->bad ? 0 : (size_t)(cursor->end - cursor->at);
    const char *nul = left ? memchr(cursor->at, 0, left) : NULL;
    const char *p = cursor->at;
    *len = nul ? (size_t)(nul - p) : 0;
    if (!nul) {
        cursor->bad = true;
        return "";
    }
    cursor->at = nul + 1;
    return p;
}

/* Everything was there, and nothing is left. */
static inline bool cursor_done(const struct cursor *cursor)
{
    return !cursor->bad && cursor->at == cursor->end;
}

#endif
