/* SPDX-License-Identifier: Apache-2.0
 *
 * json_escape.c -- the escape scan, hexadecimal and base64.  [any]  Never allocates.
 */
#include "json_escape.h"

#include "bytes.h"
#include "utf8.h"

#if defined(__SSE2__) && !defined(LEAT_PORTABLE)
#include <emmintrin.h>
#endif

static const char hex_digits[16] = "0123456789abcdef";

static inline bool is_special(unsigned char byte)
{
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

/* The letter of the two-byte escape, or 0. */
static inline char short_form(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static unsigned char *escape_ascii(unsigned char *dst, unsigned char byte)
{
    char letter = short_form(byte);
    *dst++ = '\\';
    if (letter != 0) {
        *dst++ = (unsigned char)letter;
        return dst;
    }
    dst = bytes_copy(dst, "u00", 3);
    *dst++ = (unsigned char)hex_digits[byte >> 4];
    *dst++ = (unsigned char)hex_digits[byte & 15];
    return dst;
}

/* One sequence of two to four bytes, or what stands for a byte that begins none. */
static inline unsigned char *escape_high(unsigned char *dst, const unsigned char **from,
                                         const unsigned char *end)
{
    const unsigned char *at = *from;
    size_t step = utf8_sequence(at, end);
    *from = at + (step == 0 ? 1 : step);
    if (step == 2) { /* most of them */
        memcpy(dst, at, 2);
        return dst + 2;
    }
    if (step == 0) {
        at = (const unsigned char *)UTF8_REPLACEMENT;
        step = UTF8_REPLACEMENT_LEN;
    }
    memcpy(dst, at, 3);
    if (step == 4)
        dst[3] = at[3];
    return dst + step;
}

/* From a special byte on, one character at a time, until two clean bytes follow each other. */
static unsigned char *escape_run(unsigned char *dst, const unsigned char **from,
                                 const unsigned char *end)
{
    const unsigned char *at = *from;
    for (;;) {
        if (*at >= 0x80)
            dst = escape_high(dst, &at, end);
        else if (is_special(*at))
            dst = escape_ascii(dst, *at++);
        else
            *dst++ = *at++;
        if (at == end)
            break;
        if (*at >= 0x80)
            continue;
        if (!is_special(*at) && (at + 1 == end || !is_special(at[1])))
            break;
    }
    *from = at;
    return dst;
}

#if defined(__SSE2__) && !defined(LEAT_PORTABLE)

/* 1 to 15 bytes in a register, zeros behind them; reads nothing else. */
static inline __m128i load_short(const unsigned char *at, size_t len)
{
    uint64_t low = 0, high = 0;
    if (len >= 8) {
        memcpy(&low, at, 8);
        if (len > 8) {
            memcpy(&high, at + len - 8, 8);
            high >>= 8 * (16 - len);
        }
    } else if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, at, 4);
        memcpy(&last, at + len - 4, 4);
        low = first | (uint64_t)last << (8 * (len - 4));
    } else {
        low = at[0] | (uint64_t)at[len / 2] << (8 * (len / 2)) |
              (uint64_t)at[len - 1] << (8 * (len - 1));
    }
    return _mm_set_epi64x((int64_t)high, (int64_t)low);
}

/* A bit for each byte that is_special.  Signed "less than 0x20" takes 0x80 and more with it. */
static inline unsigned special_mask(__m128i bytes)
{
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, quote), slash));
}

unsigned char *json_escape(unsigned char *dst, const char *text, size_t len)
{
    if (len == 0)
        return dst;
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    while (at < end) {
        size_t step = (size_t)(end - at);
        unsigned mask;
        __m128i bytes;
        if (step >= 16) {
            step = 16;
            bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
            mask = special_mask(bytes);
        } else {
            bytes = load_short(at, step);
            mask = special_mask(bytes) & ((1u << step) - 1);
        }
        _mm_storeu_si128((__m128i *)(void *)dst, bytes);
        if (mask == 0) {
            at += step;
            dst += step;
            continue;
        }
        unsigned clean = (unsigned)__builtin_ctz(mask);
        at += clean;
        dst = escape_run(dst + clean, &at, end);
    }
    return dst;
}

#else

/* Not zero when one of the eight bytes is_special: high bit, below 0x20, quote or backslash.  May
 * also say so of a clean byte behind a special one: then the eight are only looked at more closely.
 */
static inline uint64_t special_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    return (word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & highs;
}

unsigned char *json_escape(unsigned char *dst, const char *text, size_t len)
{
    if (len == 0)
        return dst;
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    while (at < end) {
        if (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, 8);
            if (special_word(word) == 0) {
                memcpy(dst, at, 8);
                at += 8;
                dst += 8;
                continue;
            }
        }
        if (is_special(*at))
            dst = escape_run(dst, &at, end);
        else
            *dst++ = *at++;
    }
    return dst;
}

#endif

size_t json_escape_size(const char *text, size_t len)
{
    if (len == 0)
        return 0;
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    size_t size = 0;
    while (at < end) {
        if (!is_special(*at)) {
            size++;
            at++;
        } else if (*at < 0x80) {
            size += short_form(*at++) != 0 ? 2 : JSON_ESCAPE_WORST;
        } else {
            size_t step = utf8_sequence(at, end);
            size += step == 0 ? UTF8_REPLACEMENT_LEN : step;
            at += step == 0 ? 1 : step;
        }
    }
    return size;
}

unsigned char *json_hex(unsigned char *dst, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        *dst++ = (unsigned char)hex_digits[byte >> 4];
        *dst++ = (unsigned char)hex_digits[byte & 15];
    }
    return dst;
}

unsigned char *json_base64(unsigned char *dst, const char *bytes, size_t len)
{
    static const char digits[65] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes;
    for (; len >= 3; len -= 3, at += 3) {
        uint32_t three = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *dst++ = (unsigned char)digits[three >> 18];
        *dst++ = (unsigned char)digits[three >> 12 & 63];
        *dst++ = (unsigned char)digits[three >> 6 & 63];
        *dst++ = (unsigned char)digits[three & 63];
    }
    if (len == 0)
        return dst;
    uint32_t rest = (uint32_t)at[0] << 16 | (len > 1 ? (uint32_t)at[1] << 8 : 0);
    *dst++ = (unsigned char)digits[rest >> 18];
    *dst++ = (unsigned char)digits[rest >> 12 & 63];
    *dst++ = len > 1 ? (unsigned char)digits[rest >> 6 & 63] : '=';
    *dst++ = '=';
    return dst;
}
