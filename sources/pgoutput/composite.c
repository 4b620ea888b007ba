/* SPDX-License-Identifier: Apache-2.0
 *
 * composite.c -- a composite's text as a JSON object.  The manual: "Composite Type Input and Output
 * Syntax".
 */
#include "nested.h"

/* True when the text has a field for each of the names that are known: the type may have changed
 * since.  Leaves the layer behind the parenthesis. */
static bool count_agrees(const struct type *type, struct layer *layer, struct nest *nest)
{
    struct layer_mark mark;
    uint32_t fields = 0;
    int c = layer_get(layer);
    layer_save(layer, &mark);
    if (c != '(')
        nest->bad = true;
    if (type->member_count == 0 && layer_peek(layer) == ')') {
        layer_restore(layer, &mark);
        return true;
    }
    do {
        struct layer field = layer_attribute(layer);
        layer_drain(&field);
        fields++;
        c = layer_get(layer);
    } while (c == ',' && !nest->bad);
    if (c != ')')
        nest->bad = true;
    layer_restore(layer, &mark);
    return fields == type->member_count;
}

static void field(struct nest *nest, const struct type_member *member, struct layer *layer)
{
    struct layer inner;
    int c = layer_peek(layer);
    out_put(nest->out, member->name, member->name_len);
    if (c == ',' || c == ')') {
        out_put(nest->out, "null", 4);
        return;
    }
    inner = layer_attribute(layer);
    nest_value(nest, member->type, &inner);
    if (!nest->bad && layer_get(&inner) != LAYER_END)
        nest->bad = true;
}

static void fields(struct nest *nest, const struct type *type, struct layer *layer)
{
    out_char(nest->out, '{');
    for (uint32_t i = 0; i < type->member_count && !nest->bad; i++) {
        if (i) {
            (void)layer_expect(layer, ',');
            out_char(nest->out, ',');
        }
        field(nest, &type->members[i], layer);
    }
    (void)layer_expect(layer, ')');
    out_char(nest->out, '}');
}

/* A value of another time's attributes is its text: one that has not as many of them, and one that
 * is whole, but in which a value is not what the attribute of that place prints today. */
void nest_composite(struct nest *nest, const struct type *type, struct layer *layer)
{
    size_t from = nest->out->len;
    struct layer_mark mark;
    layer_save(layer, &mark);
    bool agrees = count_agrees(type, layer, nest);
    if (nest->bad)
        return;
    if (agrees) {
        fields(nest, type, layer);
        if (!nest->bad)
            return;
        nest->bad = false;
        nest->out->len = from;
    }
    layer_restore(layer, &mark);
    nest_text(nest, layer);
}
