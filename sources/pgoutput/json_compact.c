/* SPDX-License-Identifier: Apache-2.0
 *
 * json_compact.c -- the grammar of RFC 8259 as a state machine.
 */
#include "json_compact.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUE, /* a value has to follow */
    FIRST_VALUE,
    FIRST_NAME,
    NAME,
    COLON,
    AFTER, /* behind a value: comma, closing bracket, or the end */
    STRING,
    ESCAPE,
    HEX,
    MINUS,
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
    LITERAL
};

bool json_compact_init(struct json_compact *json)
{
    memset(json, 0, sizeof(*json));
    json->objects = calloc(JSON_DEPTH_MAX / 64, sizeof(uint64_t));
    return json->objects != NULL;
}

void json_compact_fini(struct json_compact *json)
{
    free(json->objects);
    json->objects = NULL;
}

void json_compact_begin(struct json_compact *json)
{
    json->depth = 0;
    json->state = VALUE;
}

static bool in_object(const struct json_compact *json)
{
    uint32_t top = json->depth - 1;
    return json->objects[top / 64] >> (top % 64) & 1;
}

static bool open_bracket(struct json_compact *json, bool object)
{
    uint64_t bit = UINT64_C(1) << (json->depth % 64);
    if (json->depth == JSON_DEPTH_MAX)
        return false;
    if (object)
        json->objects[json->depth / 64] |= bit;
    else
        json->objects[json->depth / 64] &= ~bit;
    json->depth++;
    json->state = object ? FIRST_NAME : FIRST_VALUE;
    return true;
}

static bool close_bracket(struct json_compact *json, bool object)
{
    if (!json->depth || in_object(json) != object)
        return false;
    json->depth--;
    json->state = AFTER;
    return true;
}

static bool begin_literal(struct json_compact *json, const char *rest)
{
    json->literal = rest;
    json->state = LITERAL;
    return true;
}

static bool begin_value(struct json_compact *json, char c)
{
    switch (c) {
    case '{':
        return open_bracket(json, true);
    case '[':
        return open_bracket(json, false);
    case '"':
        json->name = false;
        json->state = STRING;
        return true;
    case 't':
        return begin_literal(json, "rue");
    case 'f':
        return begin_literal(json, "alse");
    case 'n':
        return begin_literal(json, "ull");
    case '-':
        json->state = MINUS;
        return true;
    case '0':
        json->state = ZERO;
        return true;
    default:
        json->state = INTEGER;
        return c >= '1' && c <= '9';
    }
}

static bool begin_name(struct json_compact *json, char c)
{
    json->name = true;
    json->state = STRING;
    return c == '"';
}

static bool after_value(struct json_compact *json, char c)
{
    if (c == '}' || c == ']')
        return close_bracket(json, c == '}');
    if (c != ',' || !json->depth)
        return false;
    json->state = in_object(json) ? NAME : VALUE;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A byte that goes on with the number; *ended where it does not belong to it any more. */
static bool in_number(struct json_compact *json, char c, bool *ended)
{
    *ended = false;
    switch (json->state) {
    case MINUS:
        json->state = c == '0' ? ZERO : INTEGER;
        return is_digit(c);
    case POINT:
        json->state = FRACTION;
        return is_digit(c);
    case EXPONENT:
        json->state = c == '+' || c == '-' ? EXPONENT_SIGN : EXPONENT_DIGITS;
        return c == '+' || c == '-' || is_digit(c);
    case EXPONENT_SIGN:
        json->state = EXPONENT_DIGITS;
        return is_digit(c);
    default:
        break;
    }
    if (is_digit(c) && json->state != ZERO)
        return true;
    if (c == '.' && (json->state == ZERO || json->state == INTEGER)) {
        json->state = POINT;
        return true;
    }
    if ((c == 'e' || c == 'E') && json->state != EXPONENT_DIGITS) {
        json->state = EXPONENT;
        return true;
    }
    json->state = AFTER;
    *ended = true;
    return true;
}

static bool in_escape(struct json_compact *json, char c)
{
    if (json->state == ESCAPE) {
        json->digits = 0;
        json->state = c == 'u' ? HEX : STRING;
        return c && strchr("\"\\/bfnrtu", c) != NULL;
    }
    if (!is_digit(c) && !((c | 32) >= 'a' && (c | 32) <= 'f'))
        return false;
    if (++json->digits == 4)
        json->state = STRING;
    return true;
}

static bool in_literal(struct json_compact *json, char c)
{
    if (c != *json->literal)
        return false;
    if (!*++json->literal)
        json->state = AFTER;
    return true;
}

/* How many of n bytes stand for themselves in a string.  Eight at a time: the lowest top bit that a
 * subtraction leaves is true, those above it may be borrowed. */
static size_t plain_run(const char *p, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t w, quote, slash, found;
        memcpy(&w, p + i, 8);
        w = le64toh(w);
        quote = w ^ ones * '"';
        slash = w ^ ones * '\\';
        found = (quote - ones) & ~quote;
        found |= (slash - ones) & ~slash;
        found |= (w - ones * 0x20) & ~w;
        found &= tops;
        if (found)
            return i + (size_t)__builtin_ctzll(found) / 8;
    }
    while (i < n && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

/* One byte outside of the plain part of a string. */
static inline __attribute__((always_inline)) bool step(struct json_compact *json, char c,
                                                       bool *keep)
{
    bool ended;
    *keep = true;
    switch (json->state) {
    case STRING: /* a quote, a backslash, or what may not be there */
        if (c == '"')
            json->state = json->name ? COLON : AFTER;
        else
            json->state = ESCAPE;
        return c == '"' || c == '\\';
    case ESCAPE:
    case HEX:
        return in_escape(json, c);
    case LITERAL:
        return in_literal(json, c);
    case MINUS:
    case ZERO:
    case INTEGER:
    case POINT:
    case FRACTION:
    case EXPONENT:
    case EXPONENT_SIGN:
    case EXPONENT_DIGITS:
        if (!in_number(json, c, &ended))
            return false;
        if (!ended)
            return true;
        break;
    default:
        break;
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        *keep = false;
        return true;
    }
    switch (json->state) {
    case VALUE:
        return begin_value(json, c);
    case FIRST_VALUE:
        return c == ']' ? close_bracket(json, false) : begin_value(json, c);
    case FIRST_NAME:
        return c == '}' ? close_bracket(json, true) : begin_name(json, c);
    case NAME:
        return begin_name(json, c);
    case COLON:
        json->state = VALUE;
        return c == ':';
    default:
        return after_value(json, c);
    }
}

size_t json_compact_feed(struct json_compact *json, const char *src, size_t n, char *dst)
{
    struct json_compact now = *json; /* in registers */
    size_t kept = 0;
    for (size_t i = 0; i < n;) {
        bool keep;
        if (now.state == STRING) {
            size_t run = plain_run(src + i, n - i);
            if (dst && run && dst + kept != src + i)
                memmove(dst + kept, src + i, run);
            kept += run;
            i += run;
            if (i == n)
                break;
        }
        char c = src[i++];
        if (c == ' ' && now.state < STRING)
            continue;
        if (!step(&now, c, &keep))
            return JSON_INVALID;
        if (!keep)
            continue;
        if (dst)
            dst[kept] = c;
        kept++;
    }
    *json = now;
    return kept;
}

bool json_compact_end(struct json_compact *json)
{
    uint8_t state = json->state;
    return !json->depth && (state == AFTER || state == ZERO || state == INTEGER ||
                            state == FRACTION || state == EXPONENT_DIGITS);
}
