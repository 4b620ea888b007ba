/* SPDX-License-Identifier: Apache-2.0
 *
 * record_machine.h -- between record.c and its two machines (record_json.c, record_pack.c), and for
 * nobody else.  [any]
 */
#ifndef FILE_RECORD_MACHINE_H
#define FILE_RECORD_MACHINE_H

#include "record.h"

enum { WANT_NOTHING = 0, WANT_LSN, WANT_SEQ }; /* record_scan.wanted: of the member's value */
enum { ROLE_KEY = 0, ROLE_COLON, ROLE_VALUE }; /* record_scan.role: what comes next */

/* The next byte of a key or of a value that is wanted. */
static inline void record_text_add(struct record_scan *scan, char c)
{
    if (scan->text_len < sizeof scan->text)
        scan->text[scan->text_len++] = c; /* one that is too long is full, and so parses as none */
}

/* Which value the key in scan->text announces: WANT_... */
uint8_t record_wanted_key(const struct record_scan *scan);
/* "16/B374D848", as PostgreSQL writes it, and an ordinal.  False: it is something else. */
bool record_parse_lsn(const char *text, size_t len, uint64_t *position);
bool record_parse_seq(const char *text, size_t len, int64_t *seq);

void record_begins(struct record_scan *scan);
/* A record's last byte was the one before `end`. */
void record_ends(struct record_scan *scan, uint64_t end);

void record_feed_json(struct record_scan *scan, const unsigned char *p, size_t len);
void record_feed_pack(struct record_scan *scan, const unsigned char *p, size_t len);

#endif
