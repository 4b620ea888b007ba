/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_msgpack.c -- a change as one MessagePack map: the fields of the JSON form, in its order.
 *
 * [worker]  A value of a column: encode_msgpack_value.h.
 */
#include "encode_msgpack_value.h"

#include "json_escape.h"

/* ---- what is prepared ----------------------------------------------------------------------- */

static unsigned char *style_column(unsigned char *dst, leat_bytes name)
{
    struct pack pack = {.base = dst, .room = 6 * name.len + RELATION_NAME_MARGIN};
    pack_string(&pack, name.ptr, name.len);
    return dst + pack.at;
}

static unsigned char *style_head(unsigned char *dst, leat_bytes schema, leat_bytes table)
{
    struct pack pack = {.base = dst, .room = 6 * (schema.len + table.len) + RELATION_NAME_MARGIN};
    PACK_LITERAL(&pack, "schema");
    pack_string(&pack, schema.ptr, schema.len);
    PACK_LITERAL(&pack, "table");
    pack_string(&pack, table.ptr, table.len);
    return dst + pack.at;
}

static void put_time(const struct encoder *encoder, int64_t us, struct pack *pack)
{
    if (encoder->options.timestamp == ENCODE_EXTENSION) {
        int64_t seconds = us / 1000000, rest = us % 1000000;
        if (rest < 0) {
            rest += 1000000;
            seconds--;
        }
        pack_timestamp(pack, seconds, (uint32_t)rest * 1000);
        return;
    }
    char text[ENCODE_TIME];
    pack_text(pack, text, encode_time(us, text));
}

static unsigned char *msgpack_header(const struct encoder *encoder, const leat_change *change,
                                     unsigned char *dst)
{
    struct pack pack = {.base = dst, .room = ENCODE_HEADER};
    char lsn[20];
    PACK_LITERAL(&pack, "lsn");
    pack_text(&pack, lsn, encode_lsn(change->identity.position, lsn));
    if (change->transaction) {
        PACK_LITERAL(&pack, "xid");
        pack_uint(&pack, change->transaction->xid);
        PACK_LITERAL(&pack, "ts");
        put_time(encoder, change->transaction->commit_us, &pack);
    }
    PACK_LITERAL(&pack, "seq");
    return dst + pack.at;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static uint32_t count_missing(const struct relation_text *text, const leat_value *row)
{
    uint32_t count = 0;
    for (uint32_t i = 0; row && i < text->column_count; i++)
        count += row[i].kind == LEAT_VALUE_MISSING;
    return count;
}

static void put_column(const struct encoder *encoder, const struct relation_fragment *name,
                       const leat_value *value, struct pack *pack)
{
    pack_raw(pack, name->ptr, name->len);
    encode_msgpack_value(encoder, value, pack);
}

static void put_row(const struct encoder *encoder, const struct relation_text *text,
                    const leat_value *row, struct pack *pack)
{
    pack_map(pack, text->column_count - count_missing(text, row));
    for (uint32_t i = 0; i < text->column_count; i++) {
        if (row[i].kind != LEAT_VALUE_MISSING)
            put_column(encoder, &text->columns[i], &row[i], pack);
    }
}

static void put_key(const struct encoder *encoder, const struct relation_text *text,
                    const leat_relation *relation, const leat_value *row, struct pack *pack)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < relation->key_count; i++)
        count += row[relation->key[i]].kind != LEAT_VALUE_MISSING;
    pack_map(pack, count);
    for (uint32_t i = 0; i < relation->key_count; i++) {
        uint16_t column = relation->key[i];
        if (row[column].kind != LEAT_VALUE_MISSING)
            put_column(encoder, &text->columns[column], &row[column], pack);
    }
}

static void put_missing(const struct relation_text *text, const leat_value *row, uint32_t count,
                        struct pack *pack)
{
    PACK_LITERAL(pack, "missing");
    pack_array(pack, count);
    for (uint32_t i = 0; i < text->column_count; i++) {
        if (row[i].kind == LEAT_VALUE_MISSING)
            pack_raw(pack, text->columns[i].ptr, text->columns[i].len);
    }
}

static void put_rows(const struct encoder *encoder, const struct relation_text *text,
                     const leat_change *change, uint32_t missing_count, struct pack *pack)
{
    const leat_value *key = encode_key_row(change);
    if (key) {
        PACK_LITERAL(pack, "key");
        put_key(encoder, text, change->relation, key, pack);
    }
    if (change->u.row.before) {
        PACK_LITERAL(pack, "before");
        put_row(encoder, text, change->u.row.before, pack);
    }
    if (change->u.row.after) {
        PACK_LITERAL(pack, "after");
        put_row(encoder, text, change->u.row.after, pack);
    }
    if (missing_count != 0)
        put_missing(text, encode_missing_row(change), missing_count, pack);
}

/* ---- the others ----------------------------------------------------------------------------- */

static void put_truncate(uint32_t flags, struct pack *pack)
{
    PACK_LITERAL(pack, "cascade");
    pack_bool(pack, (flags & LEAT_CHANGE_CASCADE) != 0);
    PACK_LITERAL(pack, "restart_identity");
    pack_bool(pack, (flags & LEAT_CHANGE_RESTART_IDENTITY) != 0);
}

static void put_message(const leat_change *change, bool text, struct pack *pack)
{
    leat_bytes prefix = change->u.message.prefix, content = change->u.message.content;
    PACK_LITERAL(pack, "prefix");
    pack_string(pack, prefix.ptr, prefix.len);
    PACK_LITERAL(pack, "transactional");
    pack_bool(pack, (change->flags & LEAT_CHANGE_TRANSACTIONAL) != 0);
    PACK_LITERAL(pack, "content");
    if (text) {
        pack_plain(pack, content.ptr, content.len);
        return;
    }
    size_t size = json_base64_size(content.len);
    pack_string_head(pack, size);
    unsigned char *dst = pack_take(pack, size);
    if (dst)
        (void)json_base64(dst, content.ptr, content.len);
    PACK_LITERAL(pack, "encoding");
    PACK_LITERAL(pack, "base64");
}

/* ---- the record ----------------------------------------------------------------------------- */

struct shape {
    uint32_t fields, missing;
    bool text; /* of a message: its content is */
};

static struct shape shape_of(const leat_change *change, const struct relation_text *text)
{
    struct shape shape = {.fields = 3, .text = true}; /* op, lsn, seq */
    shape.fields += text ? 2 : 0;
    shape.fields += change->transaction ? 2 : 0;
    if (encode_has_row(change)) {
        shape.missing = count_missing(text, encode_missing_row(change));
        shape.fields += encode_key_row(change) != NULL;
        shape.fields += change->u.row.before != NULL;
        shape.fields += change->u.row.after != NULL;
        shape.fields += shape.missing != 0;
    } else if (change->op == LEAT_TRUNCATE) {
        shape.fields += 2;
    } else if (change->op == LEAT_MESSAGE) {
        leat_bytes content = change->u.message.content;
        shape.text = utf8_valid(content.ptr, content.len);
        shape.fields += shape.text ? 3 : 4;
    }
    return shape;
}

static void put_op(struct pack *pack, uint32_t op)
{
    static const char ops[][16] = {"\242op\247unknown", "\242op\246insert",   "\242op\246update",
                                   "\242op\246delete",  "\242op\250truncate", "\242op\247message",
                                   "\242op\244read"};
    const char *text = ops[op < sizeof ops / sizeof *ops ? op : 0];
    pack_raw(pack, text, 4 + (unsigned)(text[3] & 31));
}

/* False: no memory for the relation's names. */
static bool put_record(struct encoder *encoder, const leat_change *change, struct pack *pack)
{
    const struct relation_text *text = NULL;
    if (change->relation) {
        text = relation_cache_get(encoder->cache, change->relation);
        if (!text)
            return false;
    }
    const struct encode_header *header = encode_header_get(encoder, change);
    struct shape shape = shape_of(change, text);
    pack_map(pack, shape.fields);
    put_op(pack, change->op);
    if (text)
        pack_raw(pack, text->head.ptr, text->head.len);
    pack_raw(pack, header->text, header->len);
    pack_int(pack, change->identity.seq);
    if (encode_has_row(change))
        put_rows(encoder, text, change, shape.missing, pack);
    else if (change->op == LEAT_TRUNCATE)
        put_truncate(change->flags, pack);
    else if (change->op == LEAT_MESSAGE)
        put_message(change, shape.text, pack);
    return true;
}

static size_t msgpack_value(struct encoder *encoder, const leat_change *change, unsigned char *dst,
                            size_t room)
{
    struct pack pack = {.base = dst, .room = room};
    return put_record(encoder, change, &pack) && !pack.full ? pack.at : 0;
}

static size_t msgpack_bound(struct encoder *encoder, const leat_change *change)
{
    struct pack pack = {.base = NULL, .room = PACK_ROOM_UNBOUNDED};
    return put_record(encoder, change, &pack) && !pack.full ? pack.at : SIZE_MAX;
}

static const struct relation_style msgpack_style = {style_head, style_column};

const struct encode_format_ops encode_msgpack_ops = {
    .style = &msgpack_style,
    .value = msgpack_value,
    .bound = msgpack_bound,
    .header = msgpack_header,
};
