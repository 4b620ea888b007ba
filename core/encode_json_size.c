/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_json_size.c -- see encode_json_size.h.
 */
#include "encode_json_size.h"

#include "json_escape.h"
#include "utf8.h"

size_t encode_json_value_size(const struct encoder *encoder, const leat_value *value)
{
    switch (value->kind) {
    case LEAT_VALUE_NULL:
    case LEAT_VALUE_MISSING:
        return 4;
    case LEAT_VALUE_BOOL:
    case LEAT_VALUE_INTEGER:
    case LEAT_VALUE_FLOAT:
    case LEAT_VALUE_DECIMAL:
    case LEAT_VALUE_JSON:
        return (size_t)value->len + 4;
    case LEAT_VALUE_BYTES:
        return 8 + (encoder->options.bytea == ENCODE_BASE64 ? json_base64_size(value->len)
                                                            : 2 * (size_t)value->len);
    default:
        return 2 + (value->flags & LEAT_VALUE_PLAIN ? value->len
                                                    : json_escape_size(value->ptr, value->len));
    }
}

size_t encode_json_content_size(leat_bytes content, bool text)
{
    return text ? json_escape_size(content.ptr, content.len) : json_base64_size(content.len);
}

static size_t row_bound(const struct encoder *encoder, const struct relation_text *text,
                        const leat_value *row)
{
    size_t size = ENCODE_JSON_SLACK;
    for (uint32_t i = 0; i < text->column_count; i++)
        size += text->columns[i].len + encode_json_value_size(encoder, &row[i]);
    return size;
}

size_t encode_json_key_bound(const struct encoder *encoder, const struct relation_text *text,
                             const leat_relation *relation, const leat_value *row)
{
    size_t size = 2 * ENCODE_JSON_SLACK;
    for (uint32_t i = 0; i < relation->key_count; i++) {
        uint16_t column = relation->key[i];
        size += text->columns[column].len + encode_json_value_size(encoder, &row[column]);
    }
    return size;
}

size_t encode_json_bound(struct encoder *encoder, const leat_change *change)
{
    size_t size = ENCODE_HEADER + 8 * ENCODE_JSON_SLACK;
    if (change->op == LEAT_MESSAGE) {
        leat_bytes prefix = change->u.message.prefix, content = change->u.message.content;
        size += json_escape_size(prefix.ptr, prefix.len);
        return size + encode_json_content_size(content, utf8_valid(content.ptr, content.len));
    }
    if (!change->relation)
        return size;
    const struct relation_text *text = relation_cache_get(encoder->cache, change->relation);
    if (!text)
        return SIZE_MAX;
    size += text->head.len;
    if (!encode_has_row(change))
        return size;
    const leat_value *key = encode_key_row(change), *missing = encode_missing_row(change);
    if (key)
        size += encode_json_key_bound(encoder, text, change->relation, key);
    if (change->u.row.before)
        size += row_bound(encoder, text, change->u.row.before);
    if (change->u.row.after)
        size += row_bound(encoder, text, change->u.row.after);
    for (uint32_t i = 0; missing && i < text->column_count; i++)
        size += missing[i].kind == LEAT_VALUE_MISSING ? text->columns[i].len : 0;
    return size;
}
