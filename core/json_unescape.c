/* SPDX-License-Identifier: Apache-2.0
 *
 * json_unescape.c -- see json_unescape.h.
 */
#include "json_unescape.h"

#include "utf8.h"

#include <string.h>

/* Four hexadecimal digits, or -1. */
static int32_t read_hex4(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t number = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        number = number * 16 + digit;
    }
    return number;
}

static size_t put_utf8(unsigned char *dst, uint32_t code)
{
    if (code < 0x80) {
        dst[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        dst[0] = (unsigned char)(0xc0 | code >> 6);
        dst[1] = (unsigned char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        dst[0] = (unsigned char)(0xe0 | code >> 12);
        dst[1] = (unsigned char)(0x80 | (code >> 6 & 63));
        dst[2] = (unsigned char)(0x80 | (code & 63));
        return 3;
    }
    dst[0] = (unsigned char)(0xf0 | code >> 18);
    dst[1] = (unsigned char)(0x80 | (code >> 12 & 63));
    dst[2] = (unsigned char)(0x80 | (code >> 6 & 63));
    dst[3] = (unsigned char)(0x80 | (code & 63));
    return 4;
}

/* The escape behind a backslash.  A surrogate without its partner becomes U+FFFD.  Returns the
 * length at dst (4 at most), 0 where it is no escape. */
static size_t read_escape(const char **from, const char *end, unsigned char *dst)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *at = *from;
    if (at == end)
        return 0;
    const char *letter = *at != 0 ? strchr(letters, *at) : NULL;
    if (letter) {
        *from = at + 1;
        dst[0] = (unsigned char)bytes[letter - letters];
        return 1;
    }
    int32_t code = *at == 'u' ? read_hex4(at + 1, end) : -1;
    if (code < 0)
        return 0;
    at += 5;
    if (code >= 0xd800 && code < 0xe000) {
        int32_t low = -1;
        if (code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u')
            low = read_hex4(at + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        } else {
            code = 0xfffd;
        }
    }
    *from = at;
    return put_utf8(dst, (uint32_t)code);
}

bool json_unescape(const char *at, const char *end, unsigned char *dst, size_t *size)
{
    size_t done = 0;
    while (at < end) {
        unsigned char piece[4];
        const unsigned char *from = (const unsigned char *)at;
        size_t len = 1;
        if (*at == '\\') {
            at++;
            len = read_escape(&at, end, piece);
            if (len == 0)
                return false;
            from = piece;
        } else if (*from >= 0x80) {
            len = utf8_sequence(from, (const unsigned char *)end);
            at += len == 0 ? 1 : len;
            if (len == 0) {
                len = UTF8_REPLACEMENT_LEN;
                from = (const unsigned char *)UTF8_REPLACEMENT;
            }
        } else {
            at++;
        }
        if (dst)
            memcpy(dst + done, from, len);
        done += len;
    }
    *size = done;
    return true;
}
