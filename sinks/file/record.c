/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c -- what a segment's two formats share: the identity of a record, and whether it counts.
 * [any] Pure.
 */
#include "record_machine.h"

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

bool record_parse_lsn(const char *text, size_t len, uint64_t *position)
{
    const char *slash = memchr(text, '/', len);
    uint64_t high, low;
    if (!slash || !hex_part(text, (size_t)(slash - text), &high) ||
        !hex_part(slash + 1, len - (size_t)(slash - text) - 1, &low))
        return false;
    *position = high << 32 | low;
    return true;
}

bool record_parse_seq(const char *text, size_t len, int64_t *seq)
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

uint8_t record_wanted_key(const struct record_scan *scan)
{
    return text_is(scan, "lsn") ? WANT_LSN : text_is(scan, "seq") ? WANT_SEQ : WANT_NOTHING;
}

/* ---- the record ------------------------------------------------------------------------------ */

void record_begins(struct record_scan *scan)
{
    scan->has_lsn = scan->has_seq = false;
    scan->wanted = WANT_NOTHING;
    scan->text_len = 0;
    scan->role = ROLE_KEY;
}

void record_ends(struct record_scan *scan, uint64_t end)
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

void record_feed(struct record_scan *scan, const void *bytes, size_t len)
{
    if (scan->format == SEGMENT_MSGPACK)
        record_feed_pack(scan, bytes, len);
    else
        record_feed_json(scan, bytes, len);
}
