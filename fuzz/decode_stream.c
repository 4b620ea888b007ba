/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_stream.c -- a stream of pgoutput messages and the catalogue's answers, all from the input.
 *
 * Input: one byte of options, one byte n, n * 4 bytes of types for the catalogue, then messages,
 * each behind two bytes of length.  A length with its top bit set, instead: begin a new stream, or
 * give batches back.
 */
#include "decoder.h"
#include "fake_source_host.h"
#include "json_compact.h"
#include "scalar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *answers;
static size_t answer_count;

static leat_status ask_type(void *context, uint32_t oid, struct type_info *out, leat_error *error)
{
    static struct type_attribute attributes[4];
    const uint8_t *a =
        answer_count ? answers + 4 * (oid % answer_count) : (const uint8_t *)"\0\0\0\0";
    (void)context;
    (void)error;
    if (a[0] >= 250)
        return LEAT_ERETRY;
    for (uint32_t i = 0; i < 4; i++) {
        memset(attributes[i].name, 'a' + (int)i, a[2] % 64);
        attributes[i].type = i & 1 ? a[3] : 10000u + a[1] + i;
    }
    *out = (struct type_info){.class = a[0] % (TYPE_OTHER + 1),
                              .element = a[1] & 1 ? 10000u + a[2] : (uint32_t)a[2] << 3 | a[3],
                              .delimiter = (char)a[3],
                              .attributes = attributes,
                              .attribute_count = a[3] % 5u};
    return LEAT_OK;
}

static leat_status ask_relation(void *context, uint32_t oid, struct relation_info *out,
                                leat_error *error)
{
    static const char names[2][64] = {"id", "a"};
    (void)context;
    (void)error;
    *out = (struct relation_info){names, oid % 3, oid & 4};
    return LEAT_OK;
}

static uint32_t sum; /* so that every byte is read */

static void read_value(const leat_value *value)
{
    static struct json_compact json;
    if (value->kind == LEAT_VALUE_NULL || value->kind == LEAT_VALUE_MISSING)
        return;
    for (uint32_t i = 0; i < value->len; i++)
        sum += (unsigned char)value->ptr[i];
    if (value->flags & LEAT_VALUE_PLAIN && !scalar_is_plain(value->ptr, value->len))
        abort();
    if (value->kind == LEAT_VALUE_INTEGER && !scalar_is_integer(value->ptr, value->len))
        abort();
    if (value->kind != LEAT_VALUE_JSON)
        return;
    if (!json.objects && !json_compact_init(&json))
        abort();
    json_compact_begin(&json);
    if (json_compact_feed(&json, value->ptr, value->len, NULL) != value->len ||
        !json_compact_end(&json))
        abort(); /* not JSON, or not compact */
}

static void read_row(const leat_relation *relation, const leat_value *row)
{
    for (uint32_t i = 0; row && i < relation->column_count; i++)
        read_value(&row[i]);
}

static void read_change(const leat_change *change, leat_identity *last)
{
    const leat_relation *relation = change->relation;
    if (leat_identity_compare(change->identity, *last) <= 0)
        abort(); /* twice, or out of order */
    *last = change->identity;
    if (!relation) {
        for (size_t i = 0; i < change->u.message.content.len; i++)
            sum += (unsigned char)change->u.message.content.ptr[i];
        return;
    }
    for (uint32_t i = 0; i < relation->column_count; i++)
        sum += (uint32_t)leat_relation_column(relation, i)->name.len;
    read_row(relation, change->u.row.before);
    read_row(relation, change->u.row.after);
    read_row(relation, change->u.row.key);
}

static void read_batches(struct fake_source_host *fake, struct decoder *decoder,
                         leat_identity *last)
{
    for (struct fake_batch *batch = fake->first; batch; batch = batch->next)
        for (const leat_change *change = batch->writer.first; change; change = change->next)
            read_change(change, last);
    if (fake->first)
        decoder_returned(decoder, fake_source_host_return(fake, SIZE_MAX));
}

static void feed(struct fake_source_host *fake, struct decoder *decoder, const uint8_t *p, size_t n,
                 leat_identity *last)
{
    leat_error error = {.size = sizeof(error)};
    char *exact = malloc(n ? n : 1);
    memcpy(exact, p, n);
    leat_status status = decoder_feed(decoder, exact, n, &error);
    if (status == LEAT_AGAIN) {
        read_batches(fake, decoder, last);
        status = decoder_feed(decoder, exact, n, &error);
    }
    free(exact);
    if (status == LEAT_EFATAL)
        decoder_begin_stream(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_source_host fake;
    struct decoder_catalog catalog = {NULL, ask_type, ask_relation};
    struct decoder_options options = {.types_max = 3, .relations_max = 4};
    leat_identity last = {0, INT64_MIN};
    struct decoder *decoder;
    if (size < 2 || size < 2 + 4 * (size_t)data[1])
        return 0;
    options.json = data[0] & 1;
    options.array = data[0] >> 1 & 1;
    options.composite = data[0] >> 2 & 1;
    answers = data + 2;
    answer_count = data[1];
    fake_source_host_init(&fake);
    fake.slab_bytes = 8u << (data[0] >> 3 & 7);
    fake.memory_bytes = 4096;
    fake.target_bytes = 1024;
    decoder = decoder_create(&fake.host, &options, &catalog);
    data += 2 + 4 * answer_count;
    size -= 2 + 4 * answer_count;
    while (size >= 2) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (n & 0x8000) {
            if (n & 1)
                decoder_begin_stream(decoder);
            decoder_flush(decoder);
            read_batches(&fake, decoder, &last);
            continue;
        }
        n = n > size ? size : n;
        feed(&fake, decoder, data, n, &last);
        data += n;
        size -= n;
    }
    decoder_flush(decoder);
    read_batches(&fake, decoder, &last);
    decoder_destroy(decoder);
    fake_source_host_fini(&fake);
    return 0;
}
