/* SPDX-License-Identifier: Apache-2.0
 *
 * nested.c -- the values inside of arrays and composites.
 */
#include "nested.h"
#include "scalar.h"

#include <stdio.h>

/* Reads at most `size` characters; *more where there are others. */
static size_t take(struct layer *layer, char *buffer, size_t size, bool *more)
{
    size_t n = 0;
    while (n < size) {
        int c = layer_get(layer);
        if (c == LAYER_END)
            break;
        buffer[n++] = (char)c;
    }
    *more = n == size && layer_peek(layer) != LAYER_END;
    return n;
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* As escape_json(). */
static void put_escaped(struct out *out, unsigned char c)
{
    static const char short_of[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char text[8];
    out_char(out, '\\');
    if (c >= 0x20) {
        out_char(out, (char)c);
    } else if (short_of[c]) {
        out_char(out, short_of[c]);
    } else {
        (void)snprintf(text, sizeof(text), "u%04x", c);
        out_put(out, text, 5);
    }
}

static void put_run(struct out *out, const char *p, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (!needs_escape((unsigned char)p[i]))
            continue;
        out_put(out, p + from, i - from);
        put_escaped(out, (unsigned char)p[i]);
        from = i + 1;
    }
    out_put(out, p + from, n - from);
}

void nest_text(struct nest *nest, struct layer *layer)
{
    out_char(nest->out, '"');
    for (;;) {
        const char *run;
        size_t n = layer_run(layer, &run);
        char c;
        int next;
        if (n) {
            put_run(nest->out, run, n);
            continue;
        }
        next = layer_get(layer);
        if (next == LAYER_END)
            break;
        c = (char)next;
        put_run(nest->out, &c, 1);
    }
    out_char(nest->out, '"');
}

static void put_json(struct nest *nest, char *piece, size_t n)
{
    size_t kept = json_compact_feed(nest->json, piece, n, piece);
    if (kept == JSON_INVALID)
        nest->bad = true;
    else
        out_put(nest->out, piece, kept);
}

/* The rest of the layer is JSON, behind what json_compact_begin and put_json have had of it. */
static void rest_of_json(struct nest *nest, struct layer *layer)
{
    char piece[256];
    bool more = true;
    while (more && !nest->bad) {
        size_t n = take(layer, piece, sizeof(piece), &more);
        put_json(nest, piece, n);
    }
    if (!json_compact_end(nest->json))
        nest->bad = true;
}

static void nest_json(struct nest *nest, struct layer *layer)
{
    json_compact_begin(nest->json);
    rest_of_json(nest, layer);
}

static void nest_number(struct nest *nest, struct layer *layer)
{
    char piece[64];
    bool more;
    size_t n = take(layer, piece, sizeof(piece), &more);
    if (!more && scalar_is_number(piece, n)) {
        out_put(nest->out, piece, n);
    } else if (!more && scalar_is_unbounded(piece, n)) {
        out_char(nest->out, '"');
        out_put(nest->out, piece, n);
        out_char(nest->out, '"');
    } else if (more && (*piece == '-' || (*piece >= '0' && *piece <= '9'))) {
        /* Thousands of digits: JSON that begins like a number is one. */
        json_compact_begin(nest->json);
        put_json(nest, piece, n);
        rest_of_json(nest, layer);
    } else {
        nest->bad = true;
    }
}

static void nest_bool(struct nest *nest, struct layer *layer)
{
    int c = layer_get(layer);
    if (c == 't')
        out_put(nest->out, "true", 4);
    else if (c == 'f')
        out_put(nest->out, "false", 5);
    if ((c != 't' && c != 'f') || layer_get(layer) != LAYER_END)
        nest->bad = true;
}

static void nest_timestamp(struct nest *nest, struct layer *layer, bool zone)
{
    char buffer[SCALAR_HEADROOM + 64], *p = buffer + SCALAR_HEADROOM;
    bool more;
    size_t n = take(layer, p, 64, &more);
    if (more) {
        nest->bad = true;
        return;
    }
    p = scalar_timestamp(p, &n, zone);
    out_char(nest->out, '"');
    put_run(nest->out, p, n);
    out_char(nest->out, '"');
}

/* One number of a vector; what ended it, or LAYER_END. */
static int vector_item(struct nest *nest, struct layer *layer, bool quoted)
{
    char digits[12];
    size_t n = 0;
    int c = layer_get(layer);
    while (c != LAYER_END && c != ' ' && n < sizeof(digits)) {
        digits[n++] = (char)c;
        c = layer_get(layer);
    }
    if (!scalar_is_integer(digits, n) || (c != LAYER_END && c != ' '))
        nest->bad = true;
    if (quoted)
        out_char(nest->out, '"');
    out_put(nest->out, digits, n);
    if (quoted)
        out_char(nest->out, '"');
    return c;
}

/* int2vector and oidvector print as "1 2 3"; to_json() takes them for the arrays that they are. */
static void nest_vector(struct nest *nest, struct layer *layer, bool quoted)
{
    out_char(nest->out, '[');
    if (layer_peek(layer) != LAYER_END) {
        while (vector_item(nest, layer, quoted) != LAYER_END && !nest->bad)
            out_char(nest->out, ',');
    }
    out_char(nest->out, ']');
}

void nest_value(struct nest *nest, const struct type *type, struct layer *layer)
{
    switch (type->convert) {
    case CONVERT_BOOL:
        nest_bool(nest, layer);
        break;
    case CONVERT_INT:
    case CONVERT_INT8:
    case CONVERT_FLOAT:
    case CONVERT_DECIMAL:
        nest_number(nest, layer);
        break;
    case CONVERT_TIMESTAMP:
        nest_timestamp(nest, layer, false);
        break;
    case CONVERT_TIMESTAMPTZ:
        nest_timestamp(nest, layer, true);
        break;
    case CONVERT_JSON:
        nest_json(nest, layer);
        break;
    case CONVERT_INT2VECTOR:
        nest_vector(nest, layer, false);
        break;
    case CONVERT_OIDVECTOR:
        nest_vector(nest, layer, true);
        break;
    case CONVERT_ARRAY:
        nest_array(nest, type, layer);
        break;
    case CONVERT_COMPOSITE:
        nest_composite(nest, type, layer);
        break;
    default:
        nest_text(nest, layer);
        break;
    }
}

void nest_span(struct nest *nest, const struct type *type, const char *p, size_t len)
{
    struct layer layer;
    switch (type->convert) {
    case CONVERT_TEXT:
    case CONVERT_PLAIN:
        out_char(nest->out, '"');
        put_run(nest->out, p, len);
        out_char(nest->out, '"');
        return;
    case CONVERT_INT:
    case CONVERT_INT8:
    case CONVERT_FLOAT:
    case CONVERT_DECIMAL:
        if (scalar_is_number(p, len)) {
            out_put(nest->out, p, len);
            return;
        }
        break;
    default:
        break;
    }
    layer = layer_raw(p, len, &nest->bad);
    nest_value(nest, type, &layer);
    if (!nest->bad && layer_get(&layer) != LAYER_END)
        nest->bad = true;
}

bool nested_write(struct out *out, struct json_compact *json, const struct type *type,
                  const char *p, size_t len)
{
    struct nest nest = {out, json, false};
    nest_span(&nest, type, p, len);
    return !nest.bad;
}
