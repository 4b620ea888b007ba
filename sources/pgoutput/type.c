/* SPDX-License-Identifier: Apache-2.0
 *
 * type.c -- resolves oids to types, from the table and the catalogue.
 */
#include "type.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOKUPS_MAX 4096 /* catalogue questions for one column's type: past any real type */

struct entry {
    uint32_t oid;
    const struct type *type;
};

struct types {
    struct decoder_options options;
    const struct decoder_catalog *catalog;
    struct type *builtin; /* type_builtin_count of them, in its order; static for takers */
    struct entry *entries;
    size_t count, capacity, next; /* next: the one to be replaced when all are taken */
};

/* One question on its way down: what is being resolved is not resolved again below itself. */
struct question {
    const struct question *outer;
    uint32_t oid, depth;
    uint32_t *lookups;
};

static const struct type text_type = {.convert = CONVERT_TEXT};

static enum convert chosen(const struct decoder_options *options, enum convert convert)
{
    bool text = (convert == CONVERT_JSON && options->json == DECODE_JSON_TEXT) ||
                (convert == CONVERT_COMPOSITE && options->composite == DECODE_COMPOSITE_TEXT) ||
                ((convert == CONVERT_ARRAY || convert == CONVERT_INT2VECTOR ||
                  convert == CONVERT_OIDVECTOR) &&
                 options->array == DECODE_ARRAY_TEXT);
    return text ? CONVERT_TEXT : convert;
}

static const struct type *find_builtin(const struct types *types, uint32_t oid)
{
    size_t low = 0, high = type_builtin_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (type_builtin[middle].oid == oid)
            return &types->builtin[middle];
        if (type_builtin[middle].oid < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return &text_type;
}

struct types *types_create(const struct decoder_options *options,
                           const struct decoder_catalog *catalog)
{
    struct types *types = calloc(1, sizeof(*types));
    if (!types)
        return NULL;
    types->options = *options;
    types->catalog = catalog;
    types->capacity = options->types_max > 0 ? (size_t)options->types_max : 1;
    types->entries = calloc(types->capacity, sizeof(*types->entries));
    types->builtin = calloc(type_builtin_count, sizeof(*types->builtin));
    if (!types->entries || !types->builtin) {
        types_destroy(types);
        return NULL;
    }
    for (size_t i = 0; i < type_builtin_count; i++) {
        types->builtin[i].convert = chosen(options, type_builtin[i].convert);
        types->builtin[i].delimiter = type_builtin[i].delimiter;
        types->builtin[i].nesting = type_builtin[i].element != 0;
        types->builtin[i].element = find_builtin(types, type_builtin[i].element);
    }
    return types;
}

void types_destroy(struct types *types)
{
    if (!types)
        return;
    if (types->entries)
        types_forget_all(types);
    free(types->entries);
    free(types->builtin);
    free(types);
}

void type_give(const struct type *type)
{
    struct type *mine = (struct type *)(uintptr_t)type;
    if (!type || !type->refs || --mine->refs)
        return;
    type_give(mine->element);
    for (uint32_t i = 0; i < mine->member_count; i++) {
        type_give(mine->members[i].type);
        free((void *)(uintptr_t)mine->members[i].name);
    }
    free(mine->members);
    free(mine);
}

static const struct type *counted(const struct type *type)
{
    if (type->refs)
        ((struct type *)(uintptr_t)type)->refs++;
    return type;
}

static void keep(struct types *types, uint32_t oid, const struct type *type)
{
    size_t at = types->count < types->capacity ? types->count++ : types->next++;
    if (types->next == types->capacity)
        types->next = 0;
    type_give(types->entries[at].type);
    types->entries[at] = (struct entry){oid, counted(type)};
}

void types_forget(struct types *types, uint32_t oid)
{
    for (size_t i = 0; i < types->count; i++) {
        if (types->entries[i].oid != oid)
            continue;
        type_give(types->entries[i].type);
        types->entries[i] = types->entries[--types->count];
        types->entries[types->count].type = NULL;
        types->next = 0;
        return;
    }
}

void types_forget_all(struct types *types)
{
    for (size_t i = 0; i < types->count; i++) {
        type_give(types->entries[i].type);
        types->entries[i].type = NULL;
    }
    types->count = types->next = 0;
}

static leat_status resolve(struct types *types, const struct question *outer, uint32_t oid,
                           uint32_t *lookups, const struct type **out, leat_error *error);

static leat_status no_memory(leat_error *error)
{
    error->status = LEAT_EFATAL;
    (void)snprintf(error->text, sizeof(error->text), "no memory for a type of the catalogue");
    return LEAT_EFATAL;
}

/* Takes over a finished type: a text where it nests too deep to be taken apart. */
static const struct type *unless_too_deep(struct type *type, uint32_t below)
{
    type->nesting = (uint8_t)(below + 1);
    if (below < TYPE_NESTING_MAX)
        return type;
    type_give(type);
    return &text_type;
}

static leat_status make_array(struct types *types, const struct question *question,
                              const struct type_info *info, const struct type **out,
                              leat_error *error)
{
    char delimiter = info->delimiter;
    struct type *type = calloc(1, sizeof(*type));
    leat_status status;
    if (!type)
        return no_memory(error);
    type->refs = 1;
    type->convert = CONVERT_ARRAY;
    type->delimiter = delimiter && !strchr("{}\"\\", delimiter) ? delimiter : ',';
    status = resolve(types, question, info->element, question->lookups, &type->element, error);
    if (status != LEAT_OK) {
        type_give(type);
        return status;
    }
    *out = unless_too_deep(type, type->element->nesting);
    return LEAT_OK;
}

/* "name": with what JSON wants escaped, as escape_json() does.  Owned by the caller. */
static char *json_name(const char *name, size_t *len)
{
    size_t n = strnlen(name, sizeof(((struct type_attribute *)0)->name));
    char *json = malloc(6 * n + 4), *p = json;
    if (!json)
        return NULL;
    *p++ = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        static const char short_of[] = {
            ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char)c;
        } else if (c < sizeof(short_of) && short_of[c]) {
            *p++ = '\\';
            *p++ = short_of[c];
        } else if (c < 0x20) {
            p += sprintf(p, "\\u%04x", c);
        } else {
            *p++ = (char)c;
        }
    }
    *p++ = '"';
    *p++ = ':';
    *len = (size_t)(p - json);
    return json;
}

static leat_status fill_members(struct types *types, const struct question *question,
                                struct type *type, const uint32_t *oids, leat_error *error)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        leat_status status =
            resolve(types, question, oids[i], question->lookups, &type->members[i].type, error);
        if (status != LEAT_OK)
            return status;
    }
    return LEAT_OK;
}

static leat_status make_composite(struct types *types, const struct question *question,
                                  const struct type_info *info, const struct type **out,
                                  leat_error *error)
{
    uint32_t n = info->attribute_count, below = 0;
    struct type *type = calloc(1, sizeof(*type));
    uint32_t *oids = calloc(n ? n : 1, sizeof(*oids));
    leat_status status = LEAT_OK;
    if (type) {
        type->refs = 1;
        type->convert = CONVERT_COMPOSITE;
        type->members = calloc(n ? n : 1, sizeof(*type->members));
    }
    if (!type || !oids || !type->members)
        status = no_memory(error);
    /* The attributes are the catalogue's until it is asked for the first member's type. */
    for (uint32_t i = 0; status == LEAT_OK && i < n; i++) {
        struct type_member *member = &type->members[i];
        oids[i] = info->attributes[i].type;
        member->name = json_name(info->attributes[i].name, &member->name_len);
        if (!member->name)
            status = no_memory(error);
        type->member_count = i + 1;
    }
    if (status == LEAT_OK)
        status = fill_members(types, question, type, oids, error);
    free(oids);
    if (status != LEAT_OK) {
        type_give(type);
        return status;
    }
    for (uint32_t i = 0; i < n; i++)
        below = type->members[i].type->nesting > below ? type->members[i].type->nesting : below;
    *out = unless_too_deep(type, below);
    return LEAT_OK;
}

static leat_status ask(struct types *types, const struct question *question,
                       const struct type **out, leat_error *error)
{
    struct type_info info = {0};
    leat_status status = types->catalog->type(types->catalog->context, question->oid, &info, error);
    if (status != LEAT_OK)
        return status;
    *out = &text_type;
    if (info.class == TYPE_DOMAIN)
        return resolve(types, question, info.element, question->lookups, out, error);
    if (info.class == TYPE_ARRAY && chosen(&types->options, CONVERT_ARRAY) == CONVERT_ARRAY)
        return make_array(types, question, &info, out, error);
    if (info.class == TYPE_COMPOSITE && info.attribute_count <= TYPE_ATTRIBUTES_MAX &&
        chosen(&types->options, CONVERT_COMPOSITE) == CONVERT_COMPOSITE)
        return make_composite(types, question, &info, out, error);
    return LEAT_OK;
}

static leat_status resolve(struct types *types, const struct question *outer, uint32_t oid,
                           uint32_t *lookups, const struct type **out, leat_error *error)
{
    struct question question = {outer, oid, outer ? outer->depth + 1 : 0, lookups};
    leat_status status;
    if (oid < TYPE_FIRST_LOOKED_UP) {
        *out = find_builtin(types, oid);
        return LEAT_OK;
    }
    for (size_t i = 0; i < types->count; i++) {
        if (types->entries[i].oid == oid) {
            *out = counted(types->entries[i].type);
            return LEAT_OK;
        }
    }
    *out = &text_type;
    for (; outer; outer = outer->outer) {
        if (outer->oid == oid)
            return LEAT_OK;
    }
    if (question.depth >= TYPE_NESTING_MAX || ++*lookups > LOOKUPS_MAX)
        return LEAT_OK;
    status = ask(types, &question, out, error);
    if (status == LEAT_OK)
        keep(types, oid, *out);
    return status;
}

leat_status types_take(struct types *types, uint32_t oid, const struct type **out,
                       leat_error *error)
{
    uint32_t lookups = 0;
    return resolve(types, NULL, oid, &lookups, out, error);
}

uint32_t type_kind(const struct type *type)
{
    static const uint8_t kinds[] = {
        [CONVERT_TEXT] = LEAT_VALUE_TEXT,
        [CONVERT_PLAIN] = LEAT_VALUE_TEXT,
        [CONVERT_BOOL] = LEAT_VALUE_BOOL,
        [CONVERT_INT] = LEAT_VALUE_INTEGER,
        [CONVERT_INT8] = LEAT_VALUE_INTEGER,
        [CONVERT_FLOAT] = LEAT_VALUE_FLOAT,
        [CONVERT_DECIMAL] = LEAT_VALUE_DECIMAL,
        [CONVERT_DATE] = LEAT_VALUE_DATE,
        [CONVERT_TIME] = LEAT_VALUE_TIME,
        [CONVERT_TIMESTAMP] = LEAT_VALUE_TIMESTAMP,
        [CONVERT_TIMESTAMPTZ] = LEAT_VALUE_TIMESTAMPTZ,
        [CONVERT_BYTES] = LEAT_VALUE_BYTES,
        [CONVERT_JSON] = LEAT_VALUE_JSON,
        [CONVERT_INT2VECTOR] = LEAT_VALUE_JSON,
        [CONVERT_OIDVECTOR] = LEAT_VALUE_JSON,
        [CONVERT_ARRAY] = LEAT_VALUE_JSON,
        [CONVERT_COMPOSITE] = LEAT_VALUE_JSON,
    };
    return kinds[type->convert];
}
