/* SPDX-License-Identifier: Apache-2.0
 *
 * json_escape.h -- text as the inside of a JSON string (RFC 8259, section 7).  [any]
 *
 * Escaped is what JSON demands and nothing else: quote, backslash and the bytes below 0x20 (short
 * forms where there are some, \u00xx for the rest).  What is not UTF-8 is replaced (utf8.h).  The
 * scan copies 16 bytes a step with SSE2, 8 without; a byte of 0x80 or more only makes it look
 * closer, so ASCII pays nothing for the validation.  Never allocates.
 */
#ifndef LEAT_JSON_ESCAPE_H
#define LEAT_JSON_ESCAPE_H

#include <stddef.h>

/* json_escape may touch so many bytes behind what it returns. */
#define JSON_ESCAPE_SLACK 16u

/* One byte of text is at most so many bytes of JSON. */
#define JSON_ESCAPE_WORST 6u

/* Writes the escaped text, without quotes.  dst has room for json_escape_size + JSON_ESCAPE_SLACK.
 * Returns the end. */
unsigned char *json_escape(unsigned char *dst, const char *text, size_t len);

/* The exact length that json_escape gives.  Slow: for when room is tight. */
size_t json_escape_size(const char *text, size_t len);

/* Lower-case hexadecimal, two digits a byte; base64 with padding (RFC 4648, section 4).  They write
 * exactly 2 * len and json_base64_size(len) bytes.  Return the end. */
unsigned char *json_hex(unsigned char *dst, const char *bytes, size_t len);
unsigned char *json_base64(unsigned char *dst, const char *bytes, size_t len);

static inline size_t json_base64_size(size_t len)
{
    return (len + 2) / 3 * 4;
}

#endif
