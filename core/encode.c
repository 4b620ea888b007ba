/* SPDX-License-Identifier: Apache-2.0
 *
 * encode.c -- what all encodings share: choosing one, the key, names of operations, LSNs, times.
 *
 * [worker], but for create and destroy.  Never keeps a pointer into a change or a relation.
 */
#include "encoder.h"

#include "bytes.h"

#include <stdlib.h>

struct encoder *encoder_create(const struct encode_options *options)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return NULL;
    encoder->options = *options;
    encoder->format = options->format == ENCODE_MSGPACK ? &encode_msgpack_ops : &encode_json_ops;
    encoder->cache = relation_cache_create(encoder->format->style, RELATION_CACHE_BYTES);
    encoder->json_cache = encoder->cache;
    if (encoder->format != &encode_json_ops)
        encoder->json_cache = relation_cache_create(encode_json_ops.style, RELATION_CACHE_BYTES);
    encoder->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!encoder->cache || !encoder->json_cache || !encoder->c_locale) {
        encoder_destroy(encoder);
        return NULL;
    }
    return encoder;
}

void encoder_destroy(struct encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->json_cache != encoder->cache)
        relation_cache_destroy(encoder->json_cache);
    relation_cache_destroy(encoder->cache);
    if (encoder->c_locale)
        freelocale(encoder->c_locale);
    free(encoder);
}

size_t encoder_value(struct encoder *encoder, const leat_change *change, unsigned char *dst,
                     size_t room)
{
    return encoder->format->value(encoder, change, dst, room);
}

static const leat_value *row_of_key(const leat_change *change, enum encode_key which)
{
    if (!encode_has_row(change) || change->relation->key_count == 0)
        return NULL;
    return which == ENCODE_KEY_NEW ? change->u.row.after : change->u.row.key;
}

size_t encoder_bound(struct encoder *encoder, const leat_change *change)
{
    size_t bound = encoder->format->bound(encoder, change);
    for (int which = ENCODE_KEY_OLD; which <= ENCODE_KEY_NEW; which++) {
        const leat_value *row = row_of_key(change, (enum encode_key)which);
        if (!row)
            continue;
        const struct relation_text *text =
            relation_cache_get(encoder->json_cache, change->relation);
        if (!text)
            return SIZE_MAX;
        size_t key = encode_json_key_bound(encoder, text, change->relation, row);
        bound = key > bound ? key : bound;
    }
    return bound;
}

size_t encoder_key(struct encoder *encoder, const leat_change *change, enum encode_key which,
                   unsigned char *dst, size_t room, bool *has)
{
    const leat_value *row = row_of_key(change, which);
    *has = row != NULL;
    if (!row)
        return 0;
    const struct relation_text *text = relation_cache_get(encoder->json_cache, change->relation);
    if (!text)
        return 0;
    unsigned char *end = encode_json_key(encoder, text, change->relation, row, dst, dst + room);
    return end ? (size_t)(end - dst) : 0;
}

const struct encode_header *encode_header_make(struct encoder *encoder, const leat_change *change)
{
    struct encode_header *header = &encoder->header;
    const leat_transaction *transaction = change->transaction;
    header->set = true;
    header->has_transaction = transaction != NULL;
    header->position = change->identity.position;
    header->xid = transaction ? transaction->xid : 0;
    header->commit_us = transaction ? transaction->commit_us : 0;
    header->len = (size_t)(encoder->format->header(encoder, change, header->text) - header->text);
    return header;
}

const char *encode_op_name(uint32_t op)
{
    static const char *const names[] = {"unknown",  "insert",  "update", "delete",
                                        "truncate", "message", "read"};
    return names[op < sizeof names / sizeof *names ? op : 0];
}

static unsigned char *put_hex(unsigned char *dst, uint32_t number)
{
    static const char digits[17] = "0123456789ABCDEF";
    int shift = 28;
    while (shift > 0 && (number >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *dst++ = (unsigned char)digits[number >> shift & 15];
    return dst;
}

size_t encode_lsn(uint64_t position, char *dst)
{
    unsigned char *at = put_hex((unsigned char *)dst, (uint32_t)(position >> 32));
    *at++ = '/';
    at = put_hex(at, (uint32_t)position);
    return (size_t)(at - (unsigned char *)dst);
}

/* `number` with at least `width` digits. */
static unsigned char *put_padded(unsigned char *dst, uint64_t number, int width)
{
    uint64_t limit = 10;
    for (int i = 1; i < width; i++, limit *= 10) {
        if (number < limit) {
            for (; i < width; i++)
                *dst++ = '0';
            break;
        }
    }
    return bytes_uint(dst, number);
}

/* Days since 1970-01-01 to the proleptic Gregorian calendar, counting in eras of 400 years that
 * begin on the first of March, so that the leap day is a year's last. */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

size_t encode_time(int64_t us, char *dst)
{
    const int64_t us_per_day = INT64_C(86400000000);
    int64_t days = us / us_per_day, rest = us % us_per_day, year;
    if (rest < 0) {
        rest += us_per_day;
        days--;
    }
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    unsigned char *at = (unsigned char *)dst;
    if (year < 0)
        *at++ = '-';
    at = put_padded(at, (uint64_t)(year < 0 ? -year : year), 4);
    *at++ = '-';
    at = put_padded(at, month, 2);
    *at++ = '-';
    at = put_padded(at, day, 2);
    *at++ = 'T';
    uint64_t seconds = (uint64_t)rest / 1000000;
    at = put_padded(at, seconds / 3600, 2);
    *at++ = ':';
    at = put_padded(at, seconds / 60 % 60, 2);
    *at++ = ':';
    at = put_padded(at, seconds % 60, 2);
    *at++ = '.';
    at = put_padded(at, (uint64_t)rest % 1000000, 6);
    *at++ = 'Z';
    return (size_t)(at - (unsigned char *)dst);
}
