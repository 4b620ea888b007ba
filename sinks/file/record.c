/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c -- see the header.  Two little machines, one for lines of JSON and one for MessagePack
 * objects one behind another; both take one byte at a time and jump over what they need not see.
 */
#include "record.h"

enum { WANT_NOTHING = 0, WANT_LSN, WANT_SEQ };
enum { ROLE_KEY = 0, ROLE_COLON, ROLE_VALUE };

void record_init(struct record_scan *scan, uint8_t format, const struct record_limits *limits)
{
    memset(scan, 0, sizeof *scan);
    scan->format = format;
    scan->limits = *limits;
}

/* ---- the identity ---------------------------------------------------------------------------- */

static bool hex_part(const char *text, size_t len, uint64_t *value)
{
    if (len == 0 || len > 8)
        return false;
    *value = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint64_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            *value = *value << 4 | (uint64_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* "16/B374D848", as PostgreSQL writes it. */
static bool parse_lsn(const char *text, size_t len, uint64_t *position)
{
    const char *slash = memchr(text, '/', len);
    uint64_t high, low;
    if (!slash || !hex_part(text, (size_t)(slash - text), &high) ||
        !hex_part(slash + 1, len - (size_t)(slash - text) - 1, &low))
        return false;
    *position = high << 32 | low;
    return true;
}

static bool parse_seq(const char *text, size_t len, int64_t *seq)
{
    if (len == 2 && text[0] == '-' && text[1] == '1') {
        *seq = -1;
        return true;
    }
    if (len == 0 || len > 18)
        return false;
    *seq = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *seq = *seq * 10 + (text[i] - '0');
    }
    return true;
}

static bool text_is(const struct record_scan *scan, const char *word)
{
    return scan->text_len == strlen(word) && memcmp(scan->text, word, scan->text_len) == 0;
}

static void text_add(struct record_scan *scan, char c)
{
    if (scan->text_len < sizeof scan->text)
        scan->text[scan->text_len++] = c; /* one that is too long is full, and so parses as none */
}

static uint8_t wanted_key(const struct record_scan *scan)
{
    return text_is(scan, "lsn") ? WANT_LSN : text_is(scan, "seq") ? WANT_SEQ : WANT_NOTHING;
}

static void begin_record(struct record_scan *scan)
{
    scan->has_lsn = scan->has_seq = false;
    scan->wanted = WANT_NOTHING;
    scan->text_len = 0;
    scan->role = ROLE_KEY;
}

/* A record's last byte was the one before `end`. */
static void end_record(struct record_scan *scan, uint64_t end)
{
    const struct record_limits *limits = &scan->limits;
    if (!scan->has_lsn || !scan->has_seq) {
        scan->broken = true;
        return;
    }
    if (!scan->broken && limits->bounded &&
        leat_identity_compare(scan->identity, limits->bound) >= 0)
        scan->broken = scan->beyond = true;
    if (scan->broken) {
        /* What was known durable can only stand behind a hole when the disk lost something. */
        if (!scan->beyond && limits->known &&
            leat_identity_compare(scan->identity, limits->durable) <= 0)
            scan->damaged = true;
        return;
    }
    if (!scan->any || leat_identity_compare(scan->identity, scan->last) > 0)
        scan->last = scan->identity;
    scan->any = true;
    scan->end = end;
}

/* ---- lines of JSON --------------------------------------------------------------------------- */

enum { LINE_START = 0, LINE_OBJECT, LINE_STRING, LINE_ESCAPE, LINE_CLOSED, LINE_BAD };

static void json_value_ends(struct record_scan *scan)
{
    const char *text = scan->text;
    size_t len = scan->text_len;
    if (scan->wanted == WANT_LSN && len > 2 && text[0] == '"' && text[len - 1] == '"')
        scan->has_lsn = parse_lsn(text + 1, len - 2, &scan->identity.position);
    if (scan->wanted == WANT_SEQ)
        scan->has_seq = parse_seq(text, len, &scan->identity.seq);
    scan->wanted = WANT_NOTHING;
    scan->text_len = 0;
    scan->role = ROLE_KEY;
}

/* One byte of a record outside its strings. */
static void json_plain(struct record_scan *scan, char c)
{
    if (c == '"')
        scan->state = LINE_STRING;
    if (scan->depth == 1 && c == ':' && scan->role == ROLE_COLON) {
        scan->role = ROLE_VALUE;
        scan->text_len = 0;
        return;
    }
    if (scan->depth == 1 && c == ',' && scan->role == ROLE_VALUE) {
        json_value_ends(scan);
        return;
    }
    if (c == '{' || c == '[') {
        if (++scan->depth == UINT32_MAX)
            scan->state = LINE_BAD;
    } else if ((c == '}' || c == ']') && --scan->depth == 0) {
        scan->state = c == '}' ? LINE_CLOSED : LINE_BAD;
        if (scan->role == ROLE_VALUE)
            json_value_ends(scan);
        return;
    }
    if (scan->wanted)
        text_add(scan, c);
}

static void json_string(struct record_scan *scan, char c)
{
    bool key = scan->depth == 1 && scan->role == ROLE_KEY;
    if (c == '"') {
        scan->state = LINE_OBJECT;
        if (key) {
            scan->wanted = wanted_key(scan);
            scan->role = ROLE_COLON;
            scan->text_len = 0;
            return;
        }
    }
    if (key || scan->wanted)
        text_add(scan, c);
    if (c == '\\')
        scan->state = LINE_ESCAPE;
}

static void json_newline(struct record_scan *scan, uint64_t end)
{
    if (scan->state == LINE_CLOSED)
        end_record(scan, end);
    else
        scan->broken = true;
    scan->state = LINE_START;
}

static void json_byte(struct record_scan *scan, unsigned char c)
{
    switch (scan->state) {
    case LINE_START:
        scan->state = c == '{' ? LINE_OBJECT : LINE_BAD;
        scan->depth = 1;
        begin_record(scan);
        break;
    case LINE_OBJECT:
        json_plain(scan, (char)c);
        break;
    case LINE_STRING:
        json_string(scan, (char)c);
        break;
    case LINE_ESCAPE:
        scan->state = LINE_STRING;
        break;
    default:
        scan->state = LINE_BAD;
    }
}

static void json_feed(struct record_scan *scan, const unsigned char *p, size_t len)
{
    uint64_t base = scan->offset;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = p[i];
        if (c == '\n')
            json_newline(scan, base + i + 1);
        else if (c < 0x20)
            scan->state = LINE_BAD; /* NULs above all: blocks that never reached the disk */
        else
            json_byte(scan, c);
    }
    scan->offset = base + len;
}

/* ---- MessagePack ----------------------------------------------------------------------------- */

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
        scan->wanted = wanted_key(scan);
        scan->role = ROLE_VALUE;
    } else {
        if (scan->wanted == WANT_LSN && !scan->has_lsn)
            scan->has_lsn = parse_lsn(scan->text, scan->text_len, &scan->identity.position);
        scan->wanted = WANT_NOTHING;
        scan->role = ROLE_KEY;
        scan->pairs--;
    }
    scan->text_len = 0;
    if (scan->pairs == 0) {
        scan->depth = 0;
        end_record(scan, end);
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
        begin_record(scan);
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
        text_add(scan, (char)p[i]);
    scan->skip -= n;
    return n;
}

static void pack_feed(struct record_scan *scan, const unsigned char *p, size_t len)
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

void record_feed(struct record_scan *scan, const void *bytes, size_t len)
{
    if (scan->format == SEGMENT_MSGPACK)
        pack_feed(scan, bytes, len);
    else
        json_feed(scan, bytes, len);
}
