/* SPDX-License-Identifier: Apache-2.0
 *
 * route_expand.c -- a route's template and a change make a route.  [worker]  Allocates nothing; what
 * comes from names and keys is hostile, and escaped.
 */
#include "route_template.h"

#include "encode.h"

#include <stdio.h>

/* Counts what it cannot write, so that the length is known in any case. */
struct output {
    unsigned char *dst;
    size_t room, len;
};

static inline void put(struct output *output, unsigned char byte)
{
    if (output->len < output->room)
        output->dst[output->len] = byte;
    output->len++;
}

static void put_escaped(const struct route_template *route, leat_bytes name, struct output *output)
{
    static const char digits[17] = "0123456789abcdef";
    unsigned char escape = (unsigned char)route->rules->escape;
    if (name.len == 0)
        put(output, escape);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char byte = (unsigned char)name.ptr[i];
        if (route->allowed[byte]) {
            put(output, byte);
            continue;
        }
        put(output, escape);
        put(output, (unsigned char)digits[byte >> 4]);
        put(output, (unsigned char)digits[byte & 15]);
    }
}

/* Names in errors: printable, and not long. */
static void printable(char *dst, size_t size, leat_bytes name)
{
    size_t i = 0;
    for (; i + 1 < size && i < name.len; i++)
        dst[i] = name.ptr[i] > 0x20 && name.ptr[i] < 0x7f ? name.ptr[i] : '?';
    dst[i] = 0;
}

static leat_status reject(leat_error *error, const leat_change *change, const char *what,
                          leat_bytes column)
{
    char schema[80] = "", table[80] = "", name[80] = "";
    if (change->relation) {
        printable(schema, sizeof schema, change->relation->schema);
        printable(table, sizeof table, change->relation->table);
    }
    printable(name, sizeof name, column);
    error->status = LEAT_EREJECT;
    (void)snprintf(error->text, sizeof error->text, "route of %s %s%s%s: %s%s%s",
                   encode_op_name(change->op), schema, change->relation ? "." : "", table, what,
                   name[0] ? ": " : "", name);
    return LEAT_EREJECT;
}

/* The key column's value, or NULL: not in the key, not sent, or null. */
static const leat_value *key_value(const leat_change *change, leat_bytes name)
{
    const leat_relation *relation = change->relation;
    for (uint32_t i = 0; change->u.row.key && i < relation->key_count; i++) {
        const leat_column *column = leat_relation_column(relation, relation->key[i]);
        if (column->name.len != name.len || memcmp(column->name.ptr, name.ptr, name.len) != 0)
            continue;
        const leat_value *value = &change->u.row.key[relation->key[i]];
        bool known = value->kind != LEAT_VALUE_NULL && value->kind != LEAT_VALUE_MISSING;
        return known ? value : NULL;
    }
    return NULL;
}

static leat_status put_key(const struct route_template *route, const leat_change *change,
                           leat_bytes column, struct output *output, leat_error *error)
{
    leat_bytes text = {NULL, 0};
    bool has_row = change->relation && change->op != LEAT_TRUNCATE && change->op != LEAT_MESSAGE;
    if (has_row) {
        const leat_value *value = key_value(change, column);
        if (!value)
            return reject(error, change, "the row has no value for the key column", column);
        text = (leat_bytes){value->ptr, value->len};
    }
    put_escaped(route, text, output);
    return LEAT_OK;
}

static leat_status put_part(const struct route_template *route, const struct route_part *part,
                            const leat_change *change, struct output *output, leat_error *error)
{
    leat_bytes name = {NULL, 0};
    switch (part->kind) {
    case ROUTE_LITERAL:
        for (size_t i = 0; i < part->text.len; i++)
            put(output, (unsigned char)part->text.ptr[i]);
        return LEAT_OK;
    case ROUTE_KEY:
        return put_key(route, change, part->text, output, error);
    case ROUTE_SCHEMA:
        if (change->relation)
            name = change->relation->schema;
        break;
    case ROUTE_TABLE:
        if (change->relation)
            name = change->relation->table;
        break;
    case ROUTE_OP:
        name.ptr = encode_op_name(change->op);
        name.len = strlen(name.ptr);
        break;
    case ROUTE_PREFIX:
        if (change->op == LEAT_MESSAGE)
            name = change->u.message.prefix;
        break;
    }
    put_escaped(route, name, output);
    return LEAT_OK;
}

static bool has_dots(const unsigned char *path, size_t len)
{
    const char *at = (const char *)path, *end = at + len;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        if (stop == at || route_is_dots(at, (size_t)(stop - at)))
            return true;
        at = stop + 1;
    }
    return false;
}

leat_status route_template_expand(const struct route_template *route, const leat_change *change,
                                  unsigned char *dst, size_t room, size_t *len, leat_error *error)
{
    static const leat_bytes none = {NULL, 0};
    struct output output = {dst, room, 0};
    for (size_t i = 0; i < route->part_count; i++) {
        leat_status status = put_part(route, &route->parts[i], change, &output, error);
        if (status != LEAT_OK)
            return status;
    }
    if (output.len > route->rules->max_length)
        return reject(error, change, "longer than the sink takes", none);
    if (output.len > room)
        return LEAT_AGAIN;
    if (route->has_paths && has_dots(dst, output.len))
        return reject(error, change, "a folder would be empty, \".\" or \"..\"", none);
    *len = output.len;
    return LEAT_OK;
}
