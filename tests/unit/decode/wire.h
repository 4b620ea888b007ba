/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h -- makes pgoutput messages by hand, for tests.
 */
#ifndef LEAT_TESTS_WIRE_H
#define LEAT_TESTS_WIRE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wire {
    char *bytes;
    size_t len, capacity;
};

static inline void wire_put(struct wire *wire, const void *p, size_t n)
{
    if (wire->len + n > wire->capacity) {
        wire->capacity = (wire->len + n) * 2 + 64;
        wire->bytes = realloc(wire->bytes, wire->capacity);
        if (!wire->bytes)
            abort();
    }
    if (n)
        memcpy(wire->bytes + wire->len, p, n);
    wire->len += n;
}

static inline void wire_u8(struct wire *wire, int n)
{
    char c = (char)n;
    wire_put(wire, &c, 1);
}

static inline void wire_u16(struct wire *wire, uint32_t n)
{
    wire_u8(wire, (int)(n >> 8 & 255));
    wire_u8(wire, (int)(n & 255));
}

static inline void wire_u32(struct wire *wire, uint32_t n)
{
    wire_u16(wire, n >> 16);
    wire_u16(wire, n & 0xffff);
}

static inline void wire_u64(struct wire *wire, uint64_t n)
{
    wire_u32(wire, (uint32_t)(n >> 32));
    wire_u32(wire, (uint32_t)n);
}

static inline void wire_string(struct wire *wire, const char *s)
{
    wire_put(wire, s, strlen(s) + 1);
}

static inline void wire_begin(struct wire *wire, uint64_t final_lsn, uint32_t xid)
{
    wire_u8(wire, 'B');
    wire_u64(wire, final_lsn);
    wire_u64(wire, 1000000); /* one second behind 2000-01-01 */
    wire_u32(wire, xid);
}

static inline void wire_commit(struct wire *wire, uint64_t commit_lsn, uint64_t end_lsn)
{
    wire_u8(wire, 'C');
    wire_u8(wire, 0);
    wire_u64(wire, commit_lsn);
    wire_u64(wire, end_lsn);
    wire_u64(wire, 1000000);
}

/* columns: "+id:23 note:25", a plus for a key's column. */
static inline void wire_relation(struct wire *wire, uint32_t oid, const char *schema,
                                 const char *table, char identity, const char *columns)
{
    char copy[2048], *save = NULL, *at;
    size_t count_at;
    uint16_t count = 0;
    wire_u8(wire, 'R');
    wire_u32(wire, oid);
    wire_string(wire, schema);
    wire_string(wire, table);
    wire_u8(wire, identity);
    count_at = wire->len;
    wire_u16(wire, 0);
    strncpy(copy, columns, sizeof(copy) - 1);
    copy[sizeof(copy) - 1] = '\0';
    for (at = strtok_r(copy, " ", &save); at; at = strtok_r(NULL, " ", &save), count++) {
        char *colon = strrchr(at, ':');
        *colon = '\0';
        wire_u8(wire, *at == '+');
        wire_string(wire, at + (*at == '+'));
        wire_u32(wire, (uint32_t)strtoul(colon + 1, NULL, 10));
        wire_u32(wire, UINT32_MAX);
    }
    wire->bytes[count_at] = (char)(count >> 8);
    wire->bytes[count_at + 1] = (char)count;
}

/* A tuple: NULL is null, WIRE_TOAST was not sent. */
#define WIRE_TOAST ((const char *)1)
static inline void wire_tuple(struct wire *wire, char what, uint32_t count,
                              const char *const *values)
{
    wire_u8(wire, what);
    wire_u16(wire, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!values[i] || values[i] == WIRE_TOAST) {
            wire_u8(wire, values[i] ? 'u' : 'n');
            continue;
        }
        wire_u8(wire, 't');
        wire_u32(wire, (uint32_t)strlen(values[i]));
        wire_put(wire, values[i], strlen(values[i]));
    }
}

static inline void wire_row(struct wire *wire, char type, uint32_t oid)
{
    wire_u8(wire, type);
    wire_u32(wire, oid);
}

static inline void wire_message(struct wire *wire, int flags, uint64_t lsn, const char *prefix,
                                const char *content)
{
    wire_u8(wire, 'M');
    wire_u8(wire, flags);
    wire_u64(wire, lsn);
    wire_string(wire, prefix);
    wire_u32(wire, (uint32_t)strlen(content));
    wire_put(wire, content, strlen(content));
}

#endif
