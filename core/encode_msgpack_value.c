/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_msgpack_value.c -- see encode_msgpack_value.h.
 */
#include "encode_msgpack_value.h"

#include "iso_time.h"
#include "json_pack.h"
#include "number.h"

#include <math.h>

static void put_float(const struct encoder *encoder, const leat_value *value, struct pack *pack)
{
    leat_bytes text = {value->ptr, value->len};
    struct number number;
    switch (number_parse(text.ptr, text.len, encoder->c_locale, &number)) {
    case NUMBER_INTEGER: /* up to 2^53 and some more are doubles: the digits decide */
        if (number.integer >= -(INT64_C(1) << 53) && number.integer <= INT64_C(1) << 53)
            pack_double(pack, (double)number.integer);
        else
            pack_plain(pack, text.ptr, text.len);
        return;
    case NUMBER_DOUBLE:
        pack_double(pack, number.floating);
        return;
    default:
        break;
    }
    if (text.len == 3 && memcmp(text.ptr, "NaN", 3) == 0)
        pack_double(pack, (double)NAN);
    else if (text.len == 8 && memcmp(text.ptr, "Infinity", 8) == 0)
        pack_double(pack, (double)INFINITY);
    else if (text.len == 9 && memcmp(text.ptr, "-Infinity", 9) == 0)
        pack_double(pack, -(double)INFINITY);
    else
        pack_string(pack, text.ptr, text.len);
}

static void put_integer(const struct encoder *encoder, const leat_value *value, struct pack *pack)
{
    int64_t number;
    bool quoted = (value->flags & LEAT_VALUE_INT64) && encoder->options.int8 == ENCODE_STRING;
    if (!quoted && number_parse_integer(value->ptr, value->len, &number))
        pack_int(pack, number);
    else
        pack_string(pack, value->ptr, value->len);
}

static void put_timestamp(const struct encoder *encoder, const leat_value *value, struct pack *pack)
{
    int64_t seconds;
    uint32_t nanoseconds;
    if (encoder->options.timestamp == ENCODE_EXTENSION &&
        iso_time_parse(value->ptr, value->len, &seconds, &nanoseconds))
        pack_timestamp(pack, seconds, nanoseconds);
    else
        pack_string(pack, value->ptr, value->len);
}

/* What cannot be converted goes out as its text.  Half a conversion may have filled the room where
 * the text fits: then counting tells which it is. */
static void put_json(const struct encoder *encoder, const leat_value *value, struct pack *pack)
{
    size_t start = pack->at;
    if (pack->full || json_pack(pack, value->ptr, value->len, encoder->c_locale))
        return;
    if (pack->full) {
        struct pack count = {.base = NULL, .at = start, .room = PACK_ROOM_UNBOUNDED};
        if (json_pack(&count, value->ptr, value->len, encoder->c_locale))
            return;
        pack->full = false;
    }
    pack->at = start;
    pack_string(pack, value->ptr, value->len);
}

void encode_msgpack_value(const struct encoder *encoder, const leat_value *value, struct pack *pack)
{
    switch (value->kind) {
    case LEAT_VALUE_NULL:
    case LEAT_VALUE_MISSING:
        pack_nil(pack);
        break;
    case LEAT_VALUE_BOOL:
        pack_bool(pack, value->len != 0 && value->ptr[0] == 't');
        break;
    case LEAT_VALUE_INTEGER:
        put_integer(encoder, value, pack);
        break;
    case LEAT_VALUE_FLOAT:
        put_float(encoder, value, pack);
        break;
    case LEAT_VALUE_TIMESTAMP:
    case LEAT_VALUE_TIMESTAMPTZ:
        put_timestamp(encoder, value, pack);
        break;
    case LEAT_VALUE_BYTES:
        pack_bin(pack, value->ptr, value->len);
        break;
    case LEAT_VALUE_JSON:
        put_json(encoder, value, pack);
        break;
    default:
        if (value->flags & LEAT_VALUE_PLAIN)
            pack_plain(pack, value->ptr, value->len);
        else
            pack_string(pack, value->ptr, value->len);
    }
}
