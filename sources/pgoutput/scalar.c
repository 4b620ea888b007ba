/* SPDX-License-Identifier: Apache-2.0
 *
 * scalar.c -- the formats are those of PostgreSQL's output functions under the settings that the
 * connection asks for: DateStyle ISO, bytea_output hex.
 */
#include "scalar.h"

#include <string.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

bool scalar_is_integer(const char *p, size_t len)
{
    size_t sign = len && *p == '-', digits = len - sign;
    unsigned char bad = 0;
    for (size_t i = sign; i < len; i++)
        bad |= (unsigned char)(p[i] - '0') > 9;
    if (bad || !digits || digits > 19 || (p[sign] == '0' && len > 1))
        return false;
    return digits < 19 ||
           memcmp(p + sign, sign ? "9223372036854775808" : "9223372036854775807", 19) <= 0;
}

bool scalar_is_number(const char *p, size_t len)
{
    const char *end = p + len, *from;
    if (p < end && *p == '-')
        p++;
    from = p;
    while (p < end && is_digit(*p))
        p++;
    if (p == from || (*from == '0' && p - from > 1))
        return false;
    if (p < end && *p == '.') {
        from = ++p;
        while (p < end && is_digit(*p))
            p++;
        if (p == from)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        while (p < end && is_digit(*p))
            p++;
        if (p == from)
            return false;
    }
    return p == end;
}

bool scalar_is_unbounded(const char *p, size_t len)
{
    return (len == 3 && !memcmp(p, "NaN", 3)) || (len == 8 && !memcmp(p, "Infinity", 8)) ||
           (len == 9 && !memcmp(p, "-Infinity", 9));
}

/* Eight bytes that are printable ASCII without quote or backslash.  Where none of them has its top
 * bit set, a difference has one only for what is looked for, or above such a byte. */
static bool plain_word(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t w, quote, slash, del;
    memcpy(&w, p, 8);
    quote = w ^ ones * '"';
    slash = w ^ ones * '\\';
    del = w ^ ones * 0x7f;
    return !(((quote - ones) | (slash - ones) | (del - ones) | (w - ones * 0x20) | w) & tops);
}

bool scalar_is_plain(const char *p, size_t len)
{
    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            if (!plain_word(p + i))
                return false;
        }
        return plain_word(p + len - 8);
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            return false;
    }
    return true;
}

/* Where the zone begins in p[from..end): the sign behind the time; end where there is none. */
static size_t find_zone(const char *p, size_t from, size_t end)
{
    while (from < end && (is_digit(p[from]) || p[from] == ':' || p[from] == '.'))
        from++;
    return from < end && (p[from] == '+' || p[from] == '-') ? from : end;
}

/* 2026-11-22 10:00:00.123456+00: four digits of a year, hours alone of a zone. */
static bool has_usual_form(const char *p, size_t len)
{
    return len >= 22 && p[10] == ' ' && is_digit(p[11]) &&
           (p[len - 3] == '+' || p[len - 3] == '-') && is_digit(p[len - 1]);
}

char *scalar_timestamp(char *p, size_t *len, bool zone)
{
    char *space;
    size_t at, tail;
    if (zone && has_usual_form(p, *len)) {
        memmove(p - 3, p, *len);
        p[7] = 'T';
        memcpy(p - 3 + *len, ":00", 3);
        *len += 3;
        return p - 3;
    }
    space = memchr(p, ' ', *len);
    if (!space || (size_t)(space - p) + 1 >= *len || !is_digit(space[1]))
        return p;
    *space = 'T';
    at = find_zone(p, (size_t)(space - p) + 1, *len);
    if (!zone || *len - at < 3)
        return p;
    tail = at + 3; /* behind the hours */
    if (tail < *len && p[tail] == ':')
        return p;
    memmove(p - 3, p, tail);
    memcpy(p - 3 + tail, ":00", 3);
    *len += 3;
    return p - 3;
}

static const signed char hex_digit[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool scalar_bytea(char *p, size_t *len)
{
    size_t n = *len / 2;
    const unsigned char *src = (const unsigned char *)p + 2;
    if (*len < 2 || *len % 2 || p[0] != '\\' || p[1] != 'x')
        return false;
    n -= 1;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit[src[2 * i]], low = hex_digit[src[2 * i + 1]];
        if (!high || !low)
            return false;
        p[i] = (char)((high - 1) << 4 | (low - 1));
    }
    *len = n;
    return true;
}
