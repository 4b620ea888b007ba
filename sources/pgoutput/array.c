/* SPDX-License-Identifier: Apache-2.0
 *
 * array.c -- an array's text as nested JSON.  The manual: "Array Input and Output Syntax".
 */
#include "nested.h"

#define DIMENSIONS_MAX 6 /* MAXDIM */

static void number(struct nest *nest, struct layer *layer)
{
    int digits = 0;
    if (layer_peek(layer) == '-' || layer_peek(layer) == '+')
        (void)layer_get(layer);
    while (layer_peek(layer) >= '0' && layer_peek(layer) <= '9') {
        (void)layer_get(layer);
        digits++;
    }
    if (!digits || digits > 10)
        nest->bad = true;
}

/* [2:4][-1:0]= in front of an array whose indexes do not begin at 1: JSON has no place for it. */
static void skip_bounds(struct nest *nest, struct layer *layer)
{
    int dimensions = 0;
    while (!nest->bad && layer_peek(layer) == '[') {
        (void)layer_get(layer);
        number(nest, layer);
        (void)layer_expect(layer, ':');
        number(nest, layer);
        (void)layer_expect(layer, ']');
        if (++dimensions > DIMENSIONS_MAX)
            nest->bad = true;
    }
    if (dimensions)
        (void)layer_expect(layer, '=');
}

static void element(struct nest *nest, const struct type *type, struct layer *layer)
{
    struct layer inner;
    bool quoted;
    size_t len;
    const char *span = layer_span(layer, type->delimiter, &len, &quoted);
    if (span) {
        if (!quoted && len == 4 && !memcmp(span, "NULL", 4))
            out_put(nest->out, "null", 4);
        else
            nest_span(nest, type->element, span, len);
        return;
    }
    if (layer_peek(layer) == '"') {
        (void)layer_get(layer);
        inner = layer_array_quoted(layer);
    } else {
        inner = layer_array_bare(layer, type->delimiter);
        if (layer_is_null(&inner)) {
            out_put(nest->out, "null", 4);
            return;
        }
        if (layer_peek(&inner) == LAYER_END) { /* array_out quotes what is empty */
            nest->bad = true;
            return;
        }
    }
    nest_value(nest, type->element, &inner);
    if (!nest->bad && layer_get(&inner) != LAYER_END)
        nest->bad = true;
}

/* Behind an element or a closing brace: closes what closes here.  True where another one follows.
 */
static bool another(struct nest *nest, const struct type *type, struct layer *layer, int *depth)
{
    while (*depth) {
        int c = layer_get(layer);
        if (c == (unsigned char)type->delimiter) {
            out_char(nest->out, ',');
            return true;
        }
        if (c != '}') {
            nest->bad = true;
            return false;
        }
        out_char(nest->out, ']');
        --*depth;
    }
    return false;
}

void nest_array(struct nest *nest, const struct type *type, struct layer *layer)
{
    int depth = 1;
    skip_bounds(nest, layer);
    if (nest->bad || !layer_expect(layer, '{'))
        return;
    out_char(nest->out, '[');
    if (layer_peek(layer) == '}') {
        (void)layer_get(layer);
        out_char(nest->out, ']');
        return;
    }
    do {
        while (layer_peek(layer) == '{' && depth < DIMENSIONS_MAX) {
            (void)layer_get(layer);
            out_char(nest->out, '[');
            depth++;
        }
        element(nest, type, layer);
    } while (!nest->bad && another(nest, type, layer, &depth));
}
