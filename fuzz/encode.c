/* SPDX-License-Identifier: Apache-2.0
 *
 * encode.c -- a change with hostile names and values: the bound is one, no room is overrun, and the
 * JSON of text and bytes alone is well-formed.  Input: op, format, options, then for each column
 * its kind and a string with one byte of length.
 */
#include "encode.h"

#include "utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMNS 6u

struct input {
    const uint8_t *at, *end;
};

static uint8_t byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static leat_bytes string(struct input *input)
{
    size_t len = byte(input);
    size_t left = (size_t)(input->end - input->at);
    leat_bytes bytes = {(const char *)input->at, len < left ? len : left};
    input->at += bytes.len;
    return bytes;
}

/* Numbers and words are the source's promise, so those kinds become text here. */
static uint8_t kind_of(uint8_t choice)
{
    static const uint8_t kinds[] = {
        LEAT_VALUE_NULL,  LEAT_VALUE_MISSING,   LEAT_VALUE_TEXT,        LEAT_VALUE_TEXT,
        LEAT_VALUE_BYTES, LEAT_VALUE_TIMESTAMP, LEAT_VALUE_TIMESTAMPTZ, 200};
    return kinds[choice % sizeof kinds];
}

static void encode(struct encoder *encoder, const leat_change *change, bool json)
{
    size_t bound = encoder_bound(encoder, change), wanted = 0;
    for (size_t back = 0; back <= bound && back < 1024; back += 1 + back / 16) {
        unsigned char *out = malloc(bound - back + 1);
        size_t len = encoder_value(encoder, change, out, bound - back);
        if (back == 0)
            wanted = len;
        if (wanted == 0 || (len != 0 && len != wanted))
            abort();
        if (json && len != 0 && (!utf8_valid((const char *)out, len) || out[len - 1] != '}'))
            abort();
        for (size_t i = 0; json && i < len; i++) {
            if (out[i] < 0x20)
                abort();
        }
        free(out);
    }
}

/* One for each set of options, kept: making one costs more than all the rest. */
static struct encoder *encoder_of(unsigned index, const struct encode_options *options)
{
    static struct encoder *encoders[32];
    if (!encoders[index])
        encoders[index] = encoder_create(options);
    return encoders[index];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t relation_id;
    struct input input = {data, data + size};
    uint8_t op = byte(&input), bits = byte(&input);
    struct encode_options options = {.format = bits & 1,
                                     .numeric = bits >> 1 & 1,
                                     .int8 = bits >> 2 & 1,
                                     .bytea = bits >> 3 & 1,
                                     .timestamp = bits >> 4 & 1};
    leat_column columns[COLUMNS] = {0};
    leat_value row[COLUMNS] = {0};
    uint16_t key[2] = {0, 3};
    leat_relation relation = {.size = sizeof relation,
                              .column_count = COLUMNS,
                              .column_stride = sizeof(leat_column),
                              .key_count = bits >> 6,
                              .id = ++relation_id,
                              .schema = string(&input),
                              .table = string(&input),
                              .columns = columns,
                              .key = key};
    if (relation.key_count > 2)
        relation.key_count = 2;
    for (uint32_t i = 0; i < COLUMNS; i++) {
        columns[i].name = string(&input);
        uint8_t kind = kind_of(byte(&input));
        leat_bytes text = string(&input);
        row[i] = (leat_value){.ptr = text.ptr, .len = (uint32_t)text.len, .kind = kind};
    }
    leat_transaction transaction = {.size = sizeof transaction, .xid = op, .position = bits};
    leat_change change = {.transaction = bits & 32 ? &transaction : NULL,
                          .relation = &relation,
                          .op = op % 8,
                          .flags = bits};
    if (change.op == LEAT_MESSAGE) {
        change.relation = NULL;
        change.u.message.prefix = relation.schema;
        change.u.message.content = relation.table;
    } else if (change.op != LEAT_TRUNCATE) {
        change.u.row.key = change.u.row.after = row;
        change.u.row.before = bits & 64 ? row : NULL;
    }
    encode(encoder_of(bits & 31, &options), &change, options.format == ENCODE_JSON);
    return 0;
}
