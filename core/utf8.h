/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.h -- is this UTF-8?  [any]
 *
 * PostgreSQL sends valid UTF-8 under client_encoding=UTF8, but what an encoder emits has to be
 * valid whatever came: a byte that begins no valid sequence is replaced by U+FFFD, one for each
 * byte.
 */
#ifndef LEAT_UTF8_H
#define LEAT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd"
#define UTF8_REPLACEMENT_LEN 3u

/* The length, 2 to 4, of the multi-byte sequence at `at` (the byte there is 0x80 or more), or 0
 * where it is none: overlong, a surrogate, above U+10FFFF, cut off (RFC 3629, section 4). */
static inline size_t utf8_sequence(const unsigned char *at, const unsigned char *end)
{
    size_t left = (size_t)(end - at);
    unsigned char lead = at[0];
    if (lead < 0xc2 || lead > 0xf4 || left < 2 || (at[1] & 0xc0) != 0x80)
        return 0;
    if (lead < 0xe0)
        return 2;
    if (left < 3 || (at[2] & 0xc0) != 0x80)
        return 0;
    if (lead < 0xf0) {
        bool wrong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f);
        return wrong ? 0 : 3;
    }
    if (left < 4 || (at[3] & 0xc0) != 0x80)
        return 0;
    return (lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f) ? 0 : 4;
}

/* True when all of it is valid.  32 bytes a step over ASCII. */
bool utf8_valid(const char *text, size_t len);

/* The length after replacement; equal to len when it is valid. */
size_t utf8_repaired_size(const char *text, size_t len);

/* Copies, replacing; dst has room for utf8_repaired_size.  Returns the end. */
unsigned char *utf8_repair(unsigned char *dst, const char *text, size_t len);

#endif
