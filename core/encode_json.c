/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_json.c -- a change as one JSON object, as docs say: fixed order, compact, no newline.
 *
 * [worker]  Room is checked once a column, for the worst that its value can become; only where that
 * does not fit is the exact size worked out.  All that is constant for a relation or a transaction
 * comes ready to copy.  Writers return the end, or NULL where the room ends too early.
 */
#include "encode_json_size.h"

#include "bytes.h"
#include "json_escape.h"
#include "utf8.h"

#define SLACK ENCODE_JSON_SLACK
#define LITERAL(at, text) bytes_copy((at), (text), sizeof(text) - 1)

static unsigned char *put_string(unsigned char *at, leat_bytes text)
{
    *at++ = '"';
    at = json_escape(at, text.ptr, text.len);
    *at++ = '"';
    return at;
}

static unsigned char *style_head(unsigned char *at, leat_bytes schema, leat_bytes table)
{
    at = put_string(LITERAL(at, ",\"schema\":"), schema);
    return put_string(LITERAL(at, ",\"table\":"), table);
}

static unsigned char *style_column(unsigned char *at, leat_bytes name)
{
    *at++ = ',';
    at = put_string(at, name);
    *at++ = ':';
    return at;
}

static unsigned char *json_header(const struct encoder *encoder, const leat_change *change,
                                  unsigned char *at)
{
    (void)encoder;
    at = LITERAL(at, ",\"lsn\":\"");
    at += encode_lsn(change->identity.position, (char *)at);
    *at++ = '"';
    if (change->transaction) {
        at = bytes_uint(LITERAL(at, ",\"xid\":"), change->transaction->xid);
        at = LITERAL(at, ",\"ts\":\"");
        at += encode_time(change->transaction->commit_us, (char *)at);
        *at++ = '"';
    }
    return LITERAL(at, ",\"seq\":");
}

/* ---- values --------------------------------------------------------------------------------- */

/* A number that goes out as a string: NaN and the infinities end in a letter. */
static inline bool is_quoted(const struct encoder *encoder, const leat_value *value)
{
    if (value->kind == LEAT_VALUE_INTEGER)
        return (value->flags & LEAT_VALUE_INT64) && encoder->options.int8 == ENCODE_STRING;
    return value->ptr[value->len - 1] > '9' ||
           (value->kind == LEAT_VALUE_DECIMAL && encoder->options.numeric == ENCODE_STRING);
}

static unsigned char *put_quoted(unsigned char *at, const leat_value *value)
{
    *at++ = '"';
    at = bytes_copy(at, value->ptr, value->len);
    *at++ = '"';
    return at;
}

static unsigned char *put_binary(const struct encoder *encoder, unsigned char *at,
                                 const leat_value *value)
{
    if (encoder->options.bytea == ENCODE_BASE64) {
        *at++ = '"';
        at = json_base64(at, value->ptr, value->len);
    } else {
        at = json_hex(LITERAL(at, "\"\\\\x"), value->ptr, value->len);
    }
    *at++ = '"';
    return at;
}

static inline unsigned char *put_value(const struct encoder *encoder, unsigned char *at,
                                       const leat_value *value)
{
    switch (value->kind) {
    case LEAT_VALUE_NULL:
    case LEAT_VALUE_MISSING:
        return LITERAL(at, "null");
    case LEAT_VALUE_INTEGER:
    case LEAT_VALUE_FLOAT:
    case LEAT_VALUE_DECIMAL:
        if (value->len != 0 && is_quoted(encoder, value))
            return put_quoted(at, value);
        /* fall through */
    case LEAT_VALUE_BOOL:
    case LEAT_VALUE_JSON:
        return value->len != 0 ? bytes_copy(at, value->ptr, value->len) : LITERAL(at, "null");
    case LEAT_VALUE_BYTES:
        return put_binary(encoder, at, value);
    default:
        if (value->flags & LEAT_VALUE_PLAIN)
            return put_quoted(at, value);
        *at++ = '"';
        at = json_escape(at, value->ptr, value->len);
        *at++ = '"';
        return at;
    }
}

static inline unsigned char *put_column(const struct encoder *encoder,
                                        const struct relation_fragment *name,
                                        const leat_value *value, unsigned char *at,
                                        const unsigned char *end)
{
    size_t left = (size_t)(end - at);
    if (left < name->len + (size_t)value->len * JSON_ESCAPE_WORST + SLACK &&
        left < name->len + encode_json_value_size(encoder, value) + SLACK)
        return NULL;
    return put_value(encoder, bytes_copy_padded(at, name->ptr, name->len), value);
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Each column's name comes with a comma in front; the first one's becomes the brace. */
static inline unsigned char *close_object(unsigned char *start, unsigned char *at,
                                          const unsigned char *end)
{
    if ((size_t)(end - at) < SLACK)
        return NULL;
    if (at == start)
        at++;
    *start = '{';
    *at++ = '}';
    return at;
}

static unsigned char *put_row(const struct encoder *encoder, const struct relation_text *text,
                              const leat_value *row, unsigned char *at, const unsigned char *end)
{
    unsigned char *start = at;
    for (uint32_t i = 0; i < text->column_count; i++) {
        if (row[i].kind == LEAT_VALUE_MISSING)
            continue;
        at = put_column(encoder, &text->columns[i], &row[i], at, end);
        if (!at)
            return NULL;
    }
    return close_object(start, at, end);
}

unsigned char *encode_json_key(const struct encoder *encoder, const struct relation_text *text,
                               const leat_relation *relation, const leat_value *row,
                               unsigned char *at, const unsigned char *end)
{
    unsigned char *start = at;
    for (uint32_t i = 0; i < relation->key_count; i++) {
        uint16_t column = relation->key[i];
        if (row[column].kind == LEAT_VALUE_MISSING)
            continue;
        at = put_column(encoder, &text->columns[column], &row[column], at, end);
        if (!at)
            return NULL;
    }
    return close_object(start, at, end);
}

static unsigned char *put_missing(const struct relation_text *text, const leat_value *row,
                                  unsigned char *at, const unsigned char *end)
{
    bool first = true;
    for (uint32_t i = 0; i < text->column_count; i++) {
        if (row[i].kind != LEAT_VALUE_MISSING)
            continue;
        const struct relation_fragment *name = &text->columns[i];
        if ((size_t)(end - at) < name->len + SLACK)
            return NULL;
        at = first ? LITERAL(at, ",\"missing\":[") : LITERAL(at, ",");
        at = bytes_copy(at, name->ptr + 1, name->len - 2); /* without comma and colon */
        first = false;
    }
    if (!first)
        *at++ = ']'; /* fits: SLACK was more than what came behind the name */
    return at;
}

static unsigned char *put_rows(const struct encoder *encoder, const struct relation_text *text,
                               const leat_change *change, unsigned char *at,
                               const unsigned char *end)
{
    const leat_value *key = encode_key_row(change);
    if (key) {
        at = LITERAL(at, ",\"key\":");
        at = encode_json_key(encoder, text, change->relation, key, at, end);
        if (!at)
            return NULL;
    }
    if (change->u.row.before) {
        at = put_row(encoder, text, change->u.row.before, LITERAL(at, ",\"before\":"), end);
        if (!at)
            return NULL;
    }
    if (change->u.row.after) {
        at = put_row(encoder, text, change->u.row.after, LITERAL(at, ",\"after\":"), end);
        if (!at)
            return NULL;
    }
    const leat_value *missing = encode_missing_row(change);
    return missing ? put_missing(text, missing, at, end) : at;
}

static unsigned char *put_truncate(uint32_t flags, unsigned char *at)
{
    at = LITERAL(at, ",\"cascade\":");
    at = flags & LEAT_CHANGE_CASCADE ? LITERAL(at, "true") : LITERAL(at, "false");
    at = LITERAL(at, ",\"restart_identity\":");
    return flags & LEAT_CHANGE_RESTART_IDENTITY ? LITERAL(at, "true") : LITERAL(at, "false");
}

/* ---- messages ------------------------------------------------------------------------------- */

static unsigned char *put_message(const leat_change *change, unsigned char *at,
                                  const unsigned char *end)
{
    leat_bytes prefix = change->u.message.prefix, content = change->u.message.content;
    bool text = utf8_valid(content.ptr, content.len);
    size_t need =
        json_escape_size(prefix.ptr, prefix.len) + encode_json_content_size(content, text);
    if ((size_t)(end - at) < need + 2 * SLACK)
        return NULL;
    at = put_string(LITERAL(at, ",\"prefix\":"), prefix);
    at = LITERAL(at, ",\"transactional\":");
    at = change->flags & LEAT_CHANGE_TRANSACTIONAL ? LITERAL(at, "true") : LITERAL(at, "false");
    at = LITERAL(at, ",\"content\":");
    if (text)
        return put_string(at, content);
    *at++ = '"';
    at = json_base64(at, content.ptr, content.len);
    return LITERAL(at, "\",\"encoding\":\"base64\"");
}

/* ---- the record ----------------------------------------------------------------------------- */

static inline unsigned char *put_op(unsigned char *at, uint32_t op)
{
    static const struct {
        char text[32];
        uint8_t len;
    } ops[] = {{"{\"op\":\"unknown\"", 15},  {"{\"op\":\"insert\"", 14},
               {"{\"op\":\"update\"", 14},   {"{\"op\":\"delete\"", 14},
               {"{\"op\":\"truncate\"", 16}, {"{\"op\":\"message\"", 15},
               {"{\"op\":\"read\"", 12}};
    size_t index = op < sizeof ops / sizeof *ops ? op : 0;
    memcpy(at, ops[index].text, 16);
    return at + ops[index].len;
}

static size_t json_value(struct encoder *encoder, const leat_change *change, unsigned char *dst,
                         size_t room)
{
    const struct relation_text *text = NULL;
    size_t head = 0;
    if (change->relation) {
        text = relation_cache_get(encoder->cache, change->relation);
        if (!text)
            return 0;
        head = text->head.len;
    }
    const struct encode_header *header = encode_header_get(encoder, change);
    if (room < head + ENCODE_HEADER + 2 * SLACK)
        return 0;
    const unsigned char *end = dst + room;
    unsigned char *at = put_op(dst, change->op);
    if (text)
        at = bytes_copy_padded(at, text->head.ptr, head);
    at = bytes_copy_padded(at, header->text, header->len);
    at = bytes_int(at, change->identity.seq);
    if (encode_has_row(change))
        at = put_rows(encoder, text, change, at, end);
    else if (change->op == LEAT_TRUNCATE)
        at = put_truncate(change->flags, at);
    else if (change->op == LEAT_MESSAGE)
        at = put_message(change, at, end);
    if (!at)
        return 0;
    *at++ = '}';
    return (size_t)(at - dst);
}

static const struct relation_style json_style = {style_head, style_column};

const struct encode_format_ops encode_json_ops = {
    .style = &json_style,
    .value = json_value,
    .bound = encode_json_bound,
    .header = json_header,
};
