/* SPDX-License-Identifier: Apache-2.0
 *
 * relation.c -- one version of a table: parsed, looked up, compared, freed.
 */
#include "relation_version.h"

#include <stdlib.h>

void relation_free(struct relation *relation)
{
    if (!relation)
        return;
    for (uint32_t i = 0; relation->types && i < relation->public.column_count; i++)
        type_give(relation->types[i]);
    free((void *)relation->types);
    free(relation->convert);
    free(relation->columns);
    free(relation->key);
    free(relation->message);
    free(relation);
}

static struct relation *allocate(const struct cursor *cursor, uint32_t columns)
{
    struct relation *relation = calloc(1, sizeof(*relation));
    uint32_t n = columns ? columns : 1;
    if (!relation)
        return NULL;
    relation->message_size = (size_t)(cursor->end - cursor->at);
    relation->message = malloc(relation->message_size);
    relation->types = calloc(n, sizeof(*relation->types));
    relation->convert = calloc(n, sizeof(*relation->convert));
    relation->columns = calloc(n, sizeof(*relation->columns));
    relation->key = calloc(n, sizeof(*relation->key));
    relation->public.column_count = columns;
    if (!relation->message || !relation->types || !relation->convert || !relation->columns ||
        !relation->key) {
        relation_free(relation);
        return NULL;
    }
    memcpy(relation->message, cursor->at, relation->message_size);
    return relation;
}

struct header {
    uint32_t oid;
    leat_bytes schema, table;
    char identity;
    uint16_t columns;
};

static void read_header(struct cursor *cursor, struct header *header)
{
    (void)cursor_u8(cursor);
    header->oid = cursor_u32(cursor);
    header->schema.ptr = cursor_string(cursor, &header->schema.len);
    if (!header->schema.len) /* so the manual */
        header->schema = (leat_bytes){"pg_catalog", 10};
    header->table.ptr = cursor_string(cursor, &header->table.len);
    header->identity = (char)cursor_u8(cursor);
    header->columns = cursor_u16(cursor);
}

static void read_columns(struct cursor *cursor, struct relation *relation)
{
    leat_relation *public = &relation->public;
    for (uint32_t i = 0; i < public->column_count; i++) {
        leat_column *column = &relation->columns[i];
        column->flags = cursor_u8(cursor) & 1 ? LEAT_COLUMN_KEY : 0;
        column->name.ptr = cursor_string(cursor, &column->name.len);
        column->origin_type = cursor_u32(cursor);
        column->origin_modifier = (int32_t)cursor_u32(cursor);
    }
    public->columns = relation->columns;
    public->column_stride = sizeof(leat_column);
    public->size = sizeof(leat_relation);
    public->key = relation->key;
}

const char *relation_parse(struct cursor *cursor, struct relation **out)
{
    struct cursor probe = *cursor;
    struct relation *relation;
    struct header header;
    read_header(&probe, &header);
    if (probe.bad)
        return "the message is too short";
    if (!memchr("dnfi", header.identity, 4))
        return "unknown replica identity";
    if (header.columns > TYPE_ATTRIBUTES_MAX)
        return "too many columns";
    relation = allocate(cursor, header.columns);
    if (!relation)
        return "no memory";
    probe = (struct cursor){relation->message, relation->message + relation->message_size, false};
    read_header(&probe, &header);
    relation->oid = header.oid;
    relation->identity = header.identity;
    relation->public.schema = header.schema;
    relation->public.table = header.table;
    read_columns(&probe, relation);
    cursor->at += probe.at - relation->message;
    if (!cursor_done(&probe)) {
        relation_free(relation);
        return probe.bad ? "the message is too short" : "the message is too long";
    }
    *out = relation;
    return NULL;
}

static leat_status take_types(struct relation *relation, struct types *types, leat_error *error)
{
    for (uint32_t i = 0; i < relation->public.column_count; i++) {
        leat_column *column = &relation->columns[i];
        const struct type *type = relation->types[i];
        leat_status status = LEAT_OK;
        if (!type)
            status = types_take(types, column->origin_type, &type, error);
        if (status != LEAT_OK)
            return status; /* what was taken is kept for the next try */
        relation->types[i] = type;
        relation->convert[i] = (uint8_t)type->convert;
        column->kind = type_kind(type);
        if (type->convert >= CONVERT_INT2VECTOR)
            relation->grows = true;
    }
    return LEAT_OK;
}

static bool is_named(const leat_column *column, const char *name)
{
    size_t len = strnlen(name, 64);
    return column->name.len == len && !memcmp(column->name.ptr, name, len);
}

/* The flags of the columns that the catalogue calls the primary key: all of it, or nothing, for a
 * part of a key identifies no row. */
static void flag_key(struct relation *relation, const struct relation_info *info)
{
    uint32_t found = 0, count = relation->public.column_count;
    for (uint32_t i = 0; i < count; i++) {
        relation->columns[i].flags = 0;
        for (uint32_t k = 0; k < info->key_count; k++) {
            if (is_named(&relation->columns[i], info->key_names[k])) {
                relation->columns[i].flags = LEAT_COLUMN_KEY;
                found++;
                break;
            }
        }
    }
    for (uint32_t i = 0; found < info->key_count && i < count; i++)
        relation->columns[i].flags = 0;
}

static leat_status look_up_key(struct relation *relation, const struct decoder_catalog *catalog,
                               leat_error *error)
{
    struct relation_info info = {0};
    leat_status status = catalog->relation(catalog->context, relation->oid, &info, error);
    if (status != LEAT_OK)
        return status;
    relation->old_row_untrue = info.old_row_untrue;
    flag_key(relation, &info);
    return LEAT_OK;
}

leat_status relation_resolve(struct relation *relation, struct types *types,
                             const struct decoder_catalog *catalog, leat_error *error)
{
    leat_relation *public = &relation->public;
    leat_status status = take_types(relation, types, error);
    if (status == LEAT_OK && relation->identity == 'f')
        status = look_up_key(relation, catalog, error);
    if (status != LEAT_OK)
        return status;
    for (uint32_t i = 0; i < public->column_count; i++) {
        if (relation->identity == 'n')
            relation->columns[i].flags = 0;
        if (relation->columns[i].flags & LEAT_COLUMN_KEY)
            relation->key[public->key_count++] = (uint16_t)i;
    }
    relation->resolved = true;
    return LEAT_OK;
}

bool relation_same_message(const struct relation *relation, const struct cursor *cursor)
{
    size_t size = (size_t)(cursor->end - cursor->at);
    return relation->message_size == size && !memcmp(relation->message, cursor->at, size);
}

bool relation_needs_catalog(const struct relation *relation)
{
    for (uint32_t i = 0; i < relation->public.column_count; i++) {
        if (relation->columns[i].origin_type >= TYPE_FIRST_LOOKED_UP)
            return true;
    }
    return relation->identity == 'f';
}

bool relation_same(const struct relation *a, const struct relation *b)
{
    return a->resolved && b->resolved && a->message_size == b->message_size &&
           !memcmp(a->message, b->message, a->message_size) &&
           a->old_row_untrue == b->old_row_untrue && a->public.key_count == b->public.key_count &&
           !memcmp(a->key, b->key, a->public.key_count * sizeof(*a->key)) &&
           !memcmp(a->types, b->types, a->public.column_count * sizeof(*a->types));
}
