/* SPDX-License-Identifier: Apache-2.0
 *
 * record_pack.c -- finds the records in MessagePack objects one behind another; it jumps over what it
 * need not see.  [any] Pure.  The format: github.com/msgpack/msgpack, spec.md.
 */
#include "record_machine.h"

enum { PACK_HEADER = 0, PACK_BAD };

/* What stands in front of an object's payload. */
struct pack {
    enum { PACK_NUMBER, PACK_TEXT, PACK_BYTES, PACK_ARRAY, PACK_MAP } kind;
    uint64_t payload; /* bytes that follow, or members */
    int64_t number;
    bool is_number;
};

/* Bytes of the header that begins with `c`, itself included; 0: there is no such object. */
static uint8_t pack_header_size(unsigned char c)
{
    static const uint8_t sizes[32] = {1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9,
                                      2, 3, 5, 9, 2, 2, 2, 2, 2, 2, 3, 5, 3, 5, 3, 5};
    return c >= 0xc0 && c < 0xe0 ? sizes[c - 0xc0] : 1;
}

static uint64_t big_endian(const uint8_t *p, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

static struct pack pack_sized(const uint8_t *h)
{
    static const uint8_t extensions[] = {1, 2, 4, 8, 16};
    struct pack pack = {.kind = PACK_NUMBER};
    uint8_t c = h[0];
    if (c >= 0xc4 && c <= 0xc6) { /* bin */
        pack.kind = PACK_BYTES;
        pack.payload = big_endian(h + 1, 1 << (c - 0xc4));
    } else if (c >= 0xc7 && c <= 0xc9) { /* ext: its type is the last byte of the header */
        pack.kind = PACK_BYTES;
        pack.payload = big_endian(h + 1, 1 << (c - 0xc7));
    } else if (c >= 0xcc && c <= 0xcf) { /* uint */
        pack.number = (int64_t)big_endian(h + 1, 1 << (c - 0xcc));
        pack.is_number = true;
    } else if (c >= 0xd0 && c <= 0xd3) { /* int: shifted up and down again for its sign */
        int bytes = 1 << (c - 0xd0);
        uint64_t raw = big_endian(h + 1, bytes) << (64 - 8 * bytes);
        pack.number = (int64_t)raw >> (64 - 8 * bytes);
        pack.is_number = true;
    } else if (c >= 0xd4 && c <= 0xd8) { /* fixext */
        pack.kind = PACK_BYTES;
        pack.payload = extensions[c - 0xd4];
    } else if (c >= 0xd9 && c <= 0xdb) {
        pack.kind = PACK_TEXT;
        pack.payload = big_endian(h + 1, 1 << (c - 0xd9));
    } else if (c == 0xdc || c == 0xdd) {
        pack.kind = PACK_ARRAY;
        pack.payload = big_endian(h + 1, c == 0xdc ? 2 : 4);
    } else if (c == 0xde || c == 0xdf) {
        pack.kind = PACK_MAP;
        pack.payload = big_endian(h + 1, c == 0xde ? 2 : 4);
    }
    return pack; /* nil, booleans and floats: nothing follows */
}

static struct pack pack_decode(const uint8_t *h)
{
    uint8_t c = h[0];
    struct pack pack = {.kind = PACK_NUMBER, .number = (int8_t)c, .is_number = true};
    if (c < 0x80 || c >= 0xe0)
        return pack;
    if (c >= 0xc0)
        return pack_sized(h);
    pack.is_number = false;
    pack.kind = c < 0x90 ? PACK_MAP : c < 0xa0 ? PACK_ARRAY : PACK_TEXT;
    pack.payload = c < 0xa0 ? (c & 15u) : (c & 31u);
    return pack;
}

/* An object directly in the record has ended. */
static void pack_member_ends(struct record_scan *scan, uint64_t end)
{
    if (scan->role == ROLE_KEY) {
        scan->wanted = record_wanted_key(scan);
        scan->role = ROLE_VALUE;
    } else {
        if (scan->wanted == WANT_LSN && !scan->has_lsn)
            scan->has_lsn = record_parse_lsn(scan->text, scan->text_len, &scan->identity.position);
        scan->wanted = WANT_NOTHING;
        scan->role = ROLE_KEY;
        scan->pairs--;
    }
    scan->text_len = 0;
    if (scan->pairs == 0) {
        scan->depth = 0;
        record_ends(scan, end);
    }
}

/* An object has ended, its payload included; `members` more follow inside it. */
static void pack_object_ends(struct record_scan *scan, uint64_t members, uint64_t end)
{
    if (scan->depth == 2) /* inside a member */
        scan->nested--;
    if (scan->nested > UINT64_MAX - members) {
        scan->state = PACK_BAD;
        return;
    }
    scan->nested += members;
    scan->depth = scan->nested ? 2 : 1;
    if (scan->nested == 0)
        pack_member_ends(scan, end);
}

static void pack_object(struct record_scan *scan, uint64_t end)
{
    struct pack pack = pack_decode(scan->header);
    scan->header_len = 0;
    if (scan->depth == 0) {
        record_begins(scan);
        scan->pairs = pack.payload;
        scan->nested = 0;
        scan->depth = 1;
        if (pack.kind != PACK_MAP || pack.payload == 0)
            scan->state = PACK_BAD;
        return;
    }
    if (scan->depth == 1 && scan->role == ROLE_VALUE && pack.is_number) {
        if (scan->wanted == WANT_SEQ && pack.number >= -1) {
            scan->identity.seq = pack.number;
            scan->has_seq = true;
        }
        if (scan->wanted == WANT_LSN) {
            scan->identity.position = (uint64_t)pack.number;
            scan->has_lsn = true;
        }
    }
    if (pack.kind == PACK_ARRAY || pack.kind == PACK_MAP) {
        pack_object_ends(scan, pack.kind == PACK_MAP ? pack.payload * 2 : pack.payload, end);
        return;
    }
    scan->skip = pack.payload;
    if (scan->skip == 0)
        pack_object_ends(scan, 0, end);
}

/* Takes what it can of a payload; text directly in the record is looked at. */
static size_t pack_payload(struct record_scan *scan, const unsigned char *p, size_t len)
{
    size_t n = scan->skip < len ? (size_t)scan->skip : len;
    bool look = scan->depth == 1 && (scan->role == ROLE_KEY || scan->wanted == WANT_LSN);
    for (size_t i = 0; look && i < n && scan->text_len < sizeof scan->text; i++)
        record_text_add(scan, (char)p[i]);
    scan->skip -= n;
    return n;
}

void record_feed_pack(struct record_scan *scan, const unsigned char *p, size_t len)
{
    uint64_t base = scan->offset;
    for (size_t i = 0; i < len && scan->state != PACK_BAD && !scan->broken;) {
        if (scan->skip) {
            i += pack_payload(scan, p + i, len - i);
            if (scan->skip == 0)
                pack_object_ends(scan, 0, base + i);
            continue;
        }
        scan->header[scan->header_len++] = p[i++];
        uint8_t size = pack_header_size(scan->header[0]);
        if (size == 0)
            scan->state = PACK_BAD;
        else if (scan->header_len == size)
            pack_object(scan, base + i);
    }
    if (scan->state == PACK_BAD)
        scan->broken = true;
    scan->offset = base + len;
}
