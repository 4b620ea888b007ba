/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_property_test.c -- what holds for every change, tried on random hostile ones.
 */
#include "encoder.h"
#include "json_check.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define CHANGES 3000

static const struct encode_options variants[] = {
    {.format = ENCODE_JSON},
    {.format = ENCODE_JSON,
     .numeric = ENCODE_STRING,
     .int8 = ENCODE_STRING,
     .bytea = ENCODE_BASE64},
    {.format = ENCODE_MSGPACK},
    {.format = ENCODE_MSGPACK, .int8 = ENCODE_STRING, .timestamp = ENCODE_EXTENSION}};
#define VARIANTS (sizeof variants / sizeof *variants)

/* The block ends with the room, so ASan sees a byte behind it; the guard is for builds without. */
static size_t encode_in(struct encoder *encoder, const leat_change *change, size_t room,
                        unsigned char **out)
{
    static const unsigned char guard[8] = "guarded";
    unsigned char *block = malloc(room + sizeof guard);
    assert_non_null(block);
    memcpy(block + room, guard, sizeof guard);
    size_t len = encoder_value(encoder, change, block, room);
    assert_true(len <= room);
    assert_memory_equal(block + room, guard, sizeof guard);
    free(block);
    *out = malloc(room != 0 ? room : 1);
    assert_non_null(*out);
    assert_int_equal(encoder_value(encoder, change, *out, room), len);
    return len;
}

static void bound_is_enough_and_json_is_valid(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct encoder *encoders[VARIANTS];
    for (size_t v = 0; v < VARIANTS; v++)
        encoders[v] = encoder_create(&variants[v]);
    for (int i = 0; i < CHANGES; i++) {
        struct sample sample;
        sample_make(&sample, &seed);
        for (size_t v = 0; v < VARIANTS; v++) {
            unsigned char *out;
            size_t bound = encoder_bound(encoders[v], &sample.change);
            size_t len = encode_in(encoders[v], &sample.change, bound, &out);
            assert_true(len > 0);
            if (variants[v].format == ENCODE_JSON && !json_check(out, len))
                fail_msg("not JSON: %.*s", (int)len, (const char *)out);
            free(out);
        }
        sample_free(&sample);
    }
    for (size_t v = 0; v < VARIANTS; v++)
        encoder_destroy(encoders[v]);
}

/* Every room from nothing up: never a byte behind it, and what fits is always the same bytes. */
static void every_room_gives_nothing_or_the_same(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 40; i++) {
        struct sample sample;
        sample_make(&sample, &seed);
        for (size_t v = 0; v < VARIANTS; v++) {
            struct encoder *encoder = encoder_create(&variants[v]);
            size_t bound = encoder_bound(encoder, &sample.change);
            unsigned char *whole, *out;
            size_t wanted = encode_in(encoder, &sample.change, bound, &whole);
            for (size_t room = 0; room <= bound; room++) {
                size_t len = encode_in(encoder, &sample.change, room, &out);
                assert_true(len == 0 || (len == wanted && memcmp(out, whole, len) == 0));
                free(out);
            }
            free(whole);
            encoder_destroy(encoder);
        }
        sample_free(&sample);
    }
}

static void every_room_of_a_key(void **state)
{
    (void)state;
    uint64_t seed = 3;
    struct encoder *encoder = encoder_create(&variants[0]);
    for (int i = 0; i < 300; i++) {
        struct sample sample;
        sample_make(&sample, &seed);
        size_t bound = encoder_bound(encoder, &sample.change);
        for (int which = ENCODE_KEY_OLD; which <= ENCODE_KEY_NEW; which++) {
            for (size_t room = 0; room <= bound; room += room + 16 < bound ? 1 + room / 8 : 1) {
                bool has;
                unsigned char *out = malloc(room != 0 ? room : 1);
                size_t len =
                    encoder_key(encoder, &sample.change, (enum encode_key)which, out, room, &has);
                assert_true(len == 0 || (has && json_check(out, len)));
                assert_true(room < bound || !has || len > 0);
                free(out);
            }
        }
        sample_free(&sample);
    }
    encoder_destroy(encoder);
}

/* Text of every length and every byte, in the one column of a table. */
static void every_length_of_text(void **state)
{
    (void)state;
    static const char *const names[] = {"v", NULL};
    uint64_t seed = 4;
    struct sample_table table;
    struct encoder *encoder = encoder_create(&variants[0]);
    sample_table_init(&table, "s", "t", names, 1);
    for (size_t len = 0; len <= 200; len++) {
        for (int what = 0; what < 8; what++) {
            char *text = malloc(len != 0 ? len : 1);
            for (size_t i = 0; i < len; i++)
                text[i] = (char)(what < 6 ? 'a' : sample_random(&seed));
            if (len != 0 && what < 6)
                text[sample_below(&seed, len)] = "\"\\\x01\x80\xc3\x1f"[what];
            leat_value value = sample_bytes(LEAT_VALUE_TEXT, text, len);
            leat_change change = {.op = LEAT_INSERT, .relation = &table.relation};
            change.u.row.after = change.u.row.key = &value;
            unsigned char *out;
            size_t bound = encoder_bound(encoder, &change);
            size_t size = encode_in(encoder, &change, bound, &out);
            assert_true(size > len && json_check(out, size));
            free(out);
            free(text);
        }
    }
    sample_table_fini(&table);
    encoder_destroy(encoder);
}

/* What pretends to be JSON goes out as text, also where half a conversion outgrows the text. */
static void wrong_json_needs_no_more_than_its_bound(void **state)
{
    (void)state;
    static const char *const names[] = {"v", NULL}, *const texts[] = {"[-0,-0,-0,-0,-0", "[", "",
                                                                      "\xff",
                                                                      "{\"a\":-0,\"b\":-0,\"c\"}"};
    struct sample_table table;
    struct encoder *encoder = encoder_create(&variants[2]);
    sample_table_init(&table, "s", "t", names, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        leat_value value = sample_value(LEAT_VALUE_JSON, texts[i]);
        leat_change change = {.op = LEAT_INSERT, .relation = &table.relation};
        change.u.row.after = &value;
        size_t bound = encoder_bound(encoder, &change);
        for (size_t room = 0; room <= bound; room++) {
            unsigned char *out;
            size_t len = encode_in(encoder, &change, room, &out);
            assert_int_equal(len, room < bound ? 0 : bound);
            free(out);
        }
    }
    sample_table_fini(&table);
    encoder_destroy(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_is_enough_and_json_is_valid),
        cmocka_unit_test(every_room_gives_nothing_or_the_same),
        cmocka_unit_test(every_room_of_a_key),
        cmocka_unit_test(every_length_of_text),
        cmocka_unit_test(wrong_json_needs_no_more_than_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
