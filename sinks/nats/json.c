/* SPDX-License-Identifier: Apache-2.0
 *
 * json.c -- see the header.  [any]  Never recurses: nesting is counted, not followed.
 */
#include "json.h"

struct cursor {
    const char *p, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

/* Behind the closing quote; false when there is none. */
static bool skip_string(struct cursor *c)
{
    for (c->p++; c->p < c->end; c->p++) {
        if (*c->p == '\\')
            c->p++;
        else if (*c->p == '"') {
            c->p++;
            return true;
        }
    }
    c->p = c->end;
    return false;
}

/* Behind the value.  Brackets are counted without regard to their kind: the server writes them
 * right, and whoever does not only hides its own values. */
static bool skip_value(struct cursor *c)
{
    size_t depth = 0;
    skip_space(c);
    if (c->p == c->end)
        return false;
    do {
        char ch = *c->p;
        if (ch == '"') {
            if (!skip_string(c))
                return false;
        } else if (ch == '{' || ch == '[') {
            depth++;
            c->p++;
        } else if (ch == '}' || ch == ']') {
            if (!depth)
                return true;
            depth--;
            c->p++;
        } else if (depth) {
            c->p++;
        } else if (ch == ',' || ch == ':') {
            return true;
        } else {
            while (c->p < c->end && !memchr(",:{}[]\" \t\r\n", *c->p, 11))
                c->p++;
        }
    } while (depth && c->p < c->end);
    return depth == 0;
}

/* The separator before the next element; false at the closing bracket and at garbage. */
static bool begin_element(struct cursor *c, leat_bytes text, size_t at, char open)
{
    *c = (struct cursor){text.ptr, text.ptr ? text.ptr + text.len : NULL};
    skip_space(c);
    if (c->p == c->end || *c->p != open)
        return false;
    c->p = at ? text.ptr + at : c->p + 1;
    skip_space(c);
    if (at && c->p < c->end && *c->p == ',')
        c->p++;
    else if (at)
        return false;
    skip_space(c);
    return c->p < c->end && *c->p != ']' && *c->p != '}';
}

static bool take_value(struct cursor *c, leat_bytes *value)
{
    skip_space(c);
    value->ptr = c->p;
    bool whole = skip_value(c);
    value->len = (size_t)(c->p - value->ptr);
    return whole && value->len;
}

static bool member(leat_bytes object, size_t *at, leat_bytes *name, leat_bytes *value)
{
    struct cursor c;
    if (!begin_element(&c, object, *at, '{') || *c.p != '"')
        return false;
    const char *start = c.p + 1;
    if (!skip_string(&c))
        return false;
    *name = (leat_bytes){start, (size_t)(c.p - start) - 1};
    skip_space(&c);
    if (c.p == c.end || *c.p++ != ':')
        return false;
    bool whole = take_value(&c, value);
    *at = (size_t)(c.p - object.ptr);
    return whole;
}

bool json_next_member(leat_bytes object, size_t *at, leat_bytes *name, leat_bytes *value)
{
    return member(object, at, name, value);
}

bool json_next_item(leat_bytes array, size_t *at, leat_bytes *value)
{
    struct cursor c;
    if (!begin_element(&c, array, *at, '[') || !take_value(&c, value))
        return false;
    *at = (size_t)(c.p - array.ptr);
    return true;
}

bool json_find(leat_bytes document, const char *path, leat_bytes *value)
{
    leat_bytes object = document;
    for (;;) {
        size_t len = strcspn(path, "."), at = 0;
        leat_bytes name = {NULL, 0}, found = {NULL, 0};
        bool last = path[len] == '\0', whole = false;
        do {
            name.len = 0;
            name.ptr = NULL;
            whole = member(object, &at, &name, &found);
            if (name.ptr && name.len == len && memcmp(name.ptr, path, len) == 0)
                break;
        } while (whole);
        /* Inside a document that was cut off, an object may lack its end and still hold the rest
         * of the path. */
        if (!name.ptr || name.len != len || memcmp(name.ptr, path, len) != 0 || !found.ptr ||
            (last && !whole))
            return false;
        if (last) {
            *value = found;
            return true;
        }
        object = found;
        path += len + 1;
    }
}

bool json_uint(leat_bytes value, uint64_t *out)
{
    uint64_t n = 0;
    if (!value.len || value.len > 20)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || __builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(value.ptr[i] - '0'), &n))
            return false;
    }
    *out = n;
    return true;
}

bool json_int(leat_bytes value, int64_t *out)
{
    uint64_t n;
    bool negative = value.len && value.ptr[0] == '-';
    if (negative) {
        value.ptr++;
        value.len--;
    }
    if (!json_uint(value, &n) || n > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

bool json_bool(leat_bytes value)
{
    return value.len == 4 && memcmp(value.ptr, "true", 4) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \uXXXX at p (on the u): its code, and how many bytes behind the u it takes.  Surrogates are not
 * joined: nothing that is looked for here needs them. */
static size_t utf8_of_escape(const char *p, const char *end, char *dst)
{
    unsigned code = 0;
    if (end - p < 5)
        return 0;
    for (int i = 1; i <= 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return 0;
        code = code << 4 | (unsigned)digit;
    }
    if (code < 0x80) {
        dst[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        dst[0] = (char)(0xc0 | code >> 6);
        dst[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    dst[0] = (char)(0xe0 | code >> 12);
    dst[1] = (char)(0x80 | (code >> 6 & 0x3f));
    dst[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

bool json_string(leat_bytes value, char *dst, size_t size)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
        return false;
    const char *p = value.ptr + 1, *end = value.ptr + value.len - 1;
    size_t len = 0;
    for (; p < end; p++) {
        char piece[4];
        size_t n = 1;
        piece[0] = *p;
        if (*p == '\\') {
            if (++p == end)
                return false;
            const char *known = strchr(from, *p);
            if (*p == 'u') {
                n = utf8_of_escape(p, end, piece);
                p += 4;
            } else if (known && *p) {
                piece[0] = to[known - from];
            } else {
                n = 0;
            }
            if (!n)
                return false;
        }
        if (len + n >= size || memchr(piece, '\0', n))
            return false;
        memcpy(dst + len, piece, n);
        len += n;
    }
    if (len >= size)
        return false;
    dst[len] = '\0';
    return true;
}

uint64_t json_find_uint(leat_bytes document, const char *path, uint64_t missing)
{
    leat_bytes value;
    uint64_t n;
    return json_find(document, path, &value) && json_uint(value, &n) ? n : missing;
}

int64_t json_find_int(leat_bytes document, const char *path, int64_t missing)
{
    leat_bytes value;
    int64_t n;
    return json_find(document, path, &value) && json_int(value, &n) ? n : missing;
}

bool json_find_bool(leat_bytes document, const char *path)
{
    leat_bytes value;
    return json_find(document, path, &value) && json_bool(value);
}

bool json_find_string(leat_bytes document, const char *path, char *dst, size_t size)
{
    leat_bytes value;
    if (json_find(document, path, &value) && json_string(value, dst, size))
        return true;
    if (size)
        dst[0] = '\0';
    return false;
}

size_t json_quote(leat_bytes text, char *dst, size_t room)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    if (room < 2)
        return 0;
    dst[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (len + 7 > room)
            return 0;
        if (c == '"' || c == '\\') {
            dst[len++] = '\\';
            dst[len++] = (char)c;
        } else if (c < 0x20) {
            memcpy(dst + len, "\\u00", 4);
            dst[len + 4] = digits[c >> 4];
            dst[len + 5] = digits[c & 15];
            len += 6;
        } else {
            dst[len++] = (char)c;
        }
    }
    if (len == room)
        return 0;
    dst[len++] = '"';
    return len;
}
