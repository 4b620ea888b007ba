/* SPDX-License-Identifier: Apache-2.0
 *
 * tuple.c -- the manual's TupleData: for each column a byte that says what follows.
 */
#include "tuple.h"
#include "nested.h"
#include "scalar.h"

static const char not_its_type[] = "a value is not what its type prints";

static bool wrong(struct tuple *tuple, const char *at, const char *text)
{
    tuple->at = (char *)(uintptr_t)at;
    tuple->wrong = text;
    return false;
}

static uint8_t plain_flag(const char *p, size_t len)
{
    return scalar_is_plain(p, len) ? LEAT_VALUE_PLAIN : 0;
}

static bool is_numeric(const char *p, size_t len)
{
    return scalar_is_number(p, len) || scalar_is_unbounded(p, len);
}

static bool put_bool(leat_value *value, const char *p, size_t len)
{
    bool truth = len == 1 && *p == 't';
    value->ptr = truth ? "true" : "false";
    value->len = truth ? 4 : 5;
    value->kind = LEAT_VALUE_BOOL;
    value->flags = LEAT_VALUE_PLAIN;
    return truth || (len == 1 && *p == 'f');
}

static bool put_json(struct tuple *tuple, leat_value *value, char *p, size_t len)
{
    size_t kept;
    json_compact_begin(tuple->json);
    kept = json_compact_feed(tuple->json, p, len, p);
    value->len = (uint32_t)kept;
    value->kind = LEAT_VALUE_JSON;
    return kept != JSON_INVALID && json_compact_end(tuple->json);
}

static bool put_nested(struct tuple *tuple, leat_value *value, const struct type *type,
                       const char *p, size_t len)
{
    struct out *out = tuple->out;
    size_t from = out->len;
    bool ok = nested_write(out, tuple->json, type, p, len);
    if (out->len - from > UINT32_MAX)
        return false;
    value->ptr = out->base + from;
    value->len = (uint32_t)(out->len - from);
    value->kind = LEAT_VALUE_JSON;
    return ok;
}

static void put_timestamp(leat_value *value, char *p, size_t len, bool zone)
{
    value->ptr = p = scalar_timestamp(p, &len, zone);
    value->len = (uint32_t)len;
    value->kind = zone ? LEAT_VALUE_TIMESTAMPTZ : LEAT_VALUE_TIMESTAMP;
    value->flags = plain_flag(p, len);
}

static bool put_bytes(leat_value *value, char *p, size_t len)
{
    value->kind = LEAT_VALUE_BYTES;
    if (!scalar_bytea(p, &len))
        return false;
    value->len = (uint32_t)len;
    return true;
}

/* A value's text, at p in the copy.  There are at least SCALAR_HEADROOM bytes of its own header in
 * front of it. */
static bool put_value(struct tuple *tuple, uint32_t column, leat_value *value, char *p, size_t len)
{
    const struct relation *relation = tuple->relation;
    value->ptr = p;
    value->len = (uint32_t)len;
    value->kind = LEAT_VALUE_TEXT;
    value->flags = 0;
    value->reserved = 0;
    switch (relation->convert[column]) {
    case CONVERT_TEXT:
        return true;
    case CONVERT_PLAIN:
        value->flags = plain_flag(p, len);
        return true;
    case CONVERT_BOOL:
        return put_bool(value, p, len);
    case CONVERT_INT:
        value->kind = LEAT_VALUE_INTEGER;
        value->flags = LEAT_VALUE_PLAIN;
        return scalar_is_integer(p, len);
    case CONVERT_INT8:
        value->kind = LEAT_VALUE_INTEGER;
        value->flags = LEAT_VALUE_PLAIN | LEAT_VALUE_INT64;
        return scalar_is_integer(p, len);
    case CONVERT_FLOAT:
        value->kind = LEAT_VALUE_FLOAT;
        value->flags = LEAT_VALUE_PLAIN;
        return is_numeric(p, len);
    case CONVERT_DECIMAL:
        value->kind = LEAT_VALUE_DECIMAL;
        value->flags = LEAT_VALUE_PLAIN;
        return is_numeric(p, len);
    case CONVERT_DATE:
        value->kind = LEAT_VALUE_DATE;
        value->flags = plain_flag(p, len);
        return true;
    case CONVERT_TIME:
        value->kind = LEAT_VALUE_TIME;
        value->flags = plain_flag(p, len);
        return true;
    case CONVERT_TIMESTAMP:
        put_timestamp(value, p, len, false);
        return true;
    case CONVERT_TIMESTAMPTZ:
        put_timestamp(value, p, len, true);
        return true;
    case CONVERT_BYTES:
        return put_bytes(value, p, len);
    case CONVERT_JSON:
        return put_json(tuple, value, p, len);
    default:
        return put_nested(tuple, value, relation->types[column], p, len);
    }
}

static const char *check_count(const struct relation *relation, const char *at, const char *end)
{
    if (end - at < 2)
        return "the message is too short";
    return load_u16(at) == relation->public.column_count
               ? NULL
               : "the row has another number of columns than its relation";
}

bool tuple_decode(struct tuple *tuple)
{
    uint32_t count = tuple->relation->public.column_count;
    char *p = tuple->at, *end = tuple->end;
    const char *miscount = check_count(tuple->relation, p, end);
    if (miscount)
        return wrong(tuple, p, miscount);
    p += 2;
    for (uint32_t i = 0; i < count; i++) {
        leat_value *value = &tuple->values[i];
        uint32_t len;
        if (p == end)
            return wrong(tuple, p, "the message is too short");
        if (*p == 't') {
            if (end - p < 5 || (len = load_u32(p + 1)) > (size_t)(end - p) - 5)
                return wrong(tuple, p, "a value is longer than its message");
            if (!put_value(tuple, i, value, p + 5, len))
                return wrong(tuple, p, not_its_type);
            p += 5 + (size_t)len;
            continue;
        }
        *value = (leat_value){.kind = *p == 'n' ? LEAT_VALUE_NULL : LEAT_VALUE_MISSING};
        if (*p == 'b')
            return wrong(tuple, p, "a binary value, where text was asked for");
        if (*p != 'n' && *p != 'u')
            return wrong(tuple, p, "unknown kind of a value");
        tuple->missing += *p == 'u';
        p++;
    }
    tuple->at = p;
    return true;
}

const char *tuple_measure(const struct relation *relation, struct json_compact *json,
                          const char **at, const char *end, size_t *room)
{
    const char *p = *at, *miscount = check_count(relation, p, end);
    struct out out = {NULL, *room, 0};
    if (miscount)
        return miscount;
    p += 2;
    for (uint32_t i = 0; i < relation->public.column_count; i++) {
        uint32_t len;
        *at = p;
        if (p == end)
            return "the message is too short";
        if (*p++ != 't')
            continue;
        if (end - p < 4 || (len = load_u32(p)) > (size_t)(end - p) - 4)
            return "a value is longer than its message";
        p += 4;
        if (relation->convert[i] >= CONVERT_INT2VECTOR &&
            !nested_write(&out, json, relation->types[i], p, len))
            return not_its_type;
        p += len;
    }
    *at = p;
    *room = out.len;
    return NULL;
}

static bool is_there(const leat_value *value)
{
    return value->kind != LEAT_VALUE_NULL && value->kind != LEAT_VALUE_MISSING;
}

void tuple_fill(const struct relation *relation, leat_value *row, const leat_value *old,
                bool key_only)
{
    for (uint32_t i = 0; i < relation->public.column_count; i++) {
        bool believed = !key_only || relation->columns[i].flags & LEAT_COLUMN_KEY;
        if (row[i].kind == LEAT_VALUE_MISSING && believed && is_there(&old[i]))
            row[i] = old[i];
    }
}

bool tuple_key_differs(const struct relation *relation, const leat_value *a, const leat_value *b)
{
    for (uint32_t k = 0; k < relation->public.key_count; k++) {
        const leat_value *x = &a[relation->key[k]], *y = &b[relation->key[k]];
        if (x->kind != y->kind || x->len != y->len ||
            (x->len && memcmp(x->ptr, y->ptr, x->len) != 0))
            return true;
    }
    return false;
}
