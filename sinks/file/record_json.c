/* SPDX-License-Identifier: Apache-2.0
 *
 * record_json.c -- finds the records in lines of JSON, a byte at a time.  [any] Pure; it looks into
 * nothing but the members of the outermost object.
 */
#include "record_machine.h"

enum { LINE_START = 0, LINE_OBJECT, LINE_STRING, LINE_ESCAPE, LINE_CLOSED, LINE_BAD };

static void json_value_ends(struct record_scan *scan)
{
    const char *text = scan->text;
    size_t len = scan->text_len;
    if (scan->wanted == WANT_LSN && len > 2 && text[0] == '"' && text[len - 1] == '"')
        scan->has_lsn = record_parse_lsn(text + 1, len - 2, &scan->identity.position);
    if (scan->wanted == WANT_SEQ)
        scan->has_seq = record_parse_seq(text, len, &scan->identity.seq);
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
        record_text_add(scan, c);
}

static void json_string(struct record_scan *scan, char c)
{
    bool key = scan->depth == 1 && scan->role == ROLE_KEY;
    if (c == '"') {
        scan->state = LINE_OBJECT;
        if (key) {
            scan->wanted = record_wanted_key(scan);
            scan->role = ROLE_COLON;
            scan->text_len = 0;
            return;
        }
    }
    if (key || scan->wanted)
        record_text_add(scan, c);
    if (c == '\\')
        scan->state = LINE_ESCAPE;
}

static void json_newline(struct record_scan *scan, uint64_t end)
{
    if (scan->state == LINE_CLOSED)
        record_ends(scan, end);
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
        record_begins(scan);
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

void record_feed_json(struct record_scan *scan, const unsigned char *p, size_t len)
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
