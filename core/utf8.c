/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.c -- validation and repair of UTF-8.  [any]  Never allocates.
 */
#include "utf8.h"

#include "bytes.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

bool utf8_valid(const char *text, size_t len)
{
    if (len == 0)
        return true;
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    while (at < end) {
        uint64_t words[4];
        if (end - at >= 32) {
            memcpy(words, at, 32);
            if (((words[0] | words[1] | words[2] | words[3]) & HIGH_BITS) == 0) {
                at += 32;
                continue;
            }
        }
        if (end - at >= 8) {
            memcpy(words, at, 8);
            if ((words[0] & HIGH_BITS) == 0) {
                at += 8;
                continue;
            }
        }
        if (*at < 0x80) {
            at++;
            continue;
        }
        do { /* such characters come in runs */
            size_t step = utf8_sequence(at, end);
            if (step == 0)
                return false;
            at += step;
        } while (at < end && *at >= 0x80);
    }
    return true;
}

size_t utf8_repaired_size(const char *text, size_t len)
{
    if (len == 0)
        return 0;
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    size_t size = 0;
    while (at < end) {
        size_t step = *at < 0x80 ? 1 : utf8_sequence(at, end);
        size += step == 0 ? UTF8_REPLACEMENT_LEN : step;
        at += step == 0 ? 1 : step;
    }
    return size;
}

unsigned char *utf8_repair(unsigned char *dst, const char *text, size_t len)
{
    if (len == 0)
        return dst;
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    while (at < end) {
        size_t step = *at < 0x80 ? 1 : utf8_sequence(at, end);
        if (step == 0) {
            dst = bytes_copy(dst, UTF8_REPLACEMENT, UTF8_REPLACEMENT_LEN);
            at++;
        } else {
            dst = bytes_copy(dst, at, step);
            at += step;
        }
    }
    return dst;
}
