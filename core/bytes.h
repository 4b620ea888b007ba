/* SPDX-License-Identifier: Apache-2.0
 *
 * bytes.h -- short copies, as the encoders make them by the dozen for each record.  [any]
 *
 * memcpy with a length that the compiler does not know is a call and a jump table; most of what a
 * record is made of has fewer than 32 bytes.  Nothing here reads a byte outside of its source
 * unless the function says so.
 */
#ifndef LEAT_BYTES_H
#define LEAT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What a padded copy may touch behind the end, at the source and at the destination. */
#define BYTES_PAD 16u

/* Copies in steps of 16: reads and writes up to BYTES_PAD - 1 bytes behind len.  Returns the end.
 */
static inline unsigned char *bytes_copy_padded(unsigned char *dst, const void *src, size_t len)
{
    const unsigned char *from = src;
    size_t done = 0;
    do {
        memcpy(dst + done, from + done, 16);
        done += 16;
    } while (done < len);
    return dst + len;
}

/* Copies exactly len bytes.  Returns the end. */
static inline unsigned char *bytes_copy(unsigned char *dst, const void *src, size_t len)
{
    const unsigned char *from = src;
    if (len > 256) {
        memcpy(dst, from, len);
    } else if (len >= 16) {
        for (size_t done = 0; done + 16 < len; done += 16)
            memcpy(dst + done, from + done, 16);
        memcpy(dst + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(dst, from, 8);
        memcpy(dst + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(dst, from, 4);
        memcpy(dst + len - 4, from + len - 4, 4);
    } else if (len > 0) {
        dst[0] = from[0];
        dst[len / 2] = from[len / 2];
        dst[len - 1] = from[len - 1];
    }
    return dst + len;
}

/* Writes a number's decimal digits, at most 20.  Returns the end. */
static inline unsigned char *bytes_uint(unsigned char *dst, uint64_t number)
{
    size_t len = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        len++;
    for (size_t at = len; at > 0; number /= 10)
        dst[--at] = (unsigned char)('0' + number % 10);
    return dst + len;
}

static inline unsigned char *bytes_int(unsigned char *dst, int64_t number)
{
    if (number >= 0)
        return bytes_uint(dst, (uint64_t)number);
    *dst++ = '-';
    return bytes_uint(dst, 0 - (uint64_t)number);
}

#endif
