/* SPDX-License-Identifier: Apache-2.0
 *
 * json_pack_test.c -- JSON to MessagePack: bytes, counts, limits, and what is refused.
 */
#include "json_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static locale_t c_locale;

/* Counts, writes into just that, and into every room that is too small. */
static size_t convert(const char *text, size_t len, unsigned char **out)
{
    struct pack count = {.room = SIZE_MAX};
    *out = NULL;
    bool ok = json_pack(&count, text, len, c_locale);
    size_t most = ok ? count.at : 9 * len + 16;
    for (size_t room = 0; room <= most; room += room + 64 < most ? 1 + room / 4 : 1) {
        unsigned char *block = malloc(room != 0 ? room : 1);
        struct pack pack = {.base = block, .room = room};
        assert_int_equal(json_pack(&pack, text, len, c_locale), ok && room >= count.at);
        assert_true(pack.at <= room);
        if (ok && room == count.at)
            *out = block;
        else
            free(block);
    }
    return ok ? count.at : 0;
}

static void expect(const char *text, const void *bytes, size_t len)
{
    unsigned char *out;
    assert_int_equal(convert(text, strlen(text), &out), len);
    assert_memory_equal(out, bytes, len);
    free(out);
}
#define EXPECT(text, bytes) expect((text), (bytes), sizeof(bytes) - 1)

static void values(void **state)
{
    (void)state;
    EXPECT("null", "\xc0");
    EXPECT(" true ", "\xc3");
    EXPECT("false", "\xc2");
    EXPECT("127", "\x7f");
    EXPECT("128", "\xcc\x80");
    EXPECT("-32", "\xe0");
    EXPECT("-33", "\xd0\xdf");
    EXPECT("-129", "\xd1\xff\x7f");
    EXPECT("65536", "\xce\x00\x01\x00\x00");
    EXPECT("-2147483649", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
    EXPECT("9223372036854775807", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    EXPECT("1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
    EXPECT("9223372036854775808", "\xb3"
                                  "9223372036854775808");
    EXPECT("\"\"", "\xa0");
    EXPECT("\"a\\n\\u00e9\\ud83d\\ude00\\/\"", "\xa9"
                                               "a\n\xc3\xa9\xf0\x9f\x98\x80/");
    EXPECT("\"\\ud83dx\\ude00\"", "\xa7\xef\xbf\xbdx\xef\xbf\xbd");
    EXPECT("\"\\u0000\"", "\xa1\x00");
    EXPECT("\"\xff\"", "\xa3\xef\xbf\xbd");
    EXPECT("[]", "\x90");
    EXPECT("{}", "\x80");
    EXPECT("[1,[],{\"a\":{}}]", "\x93\x01\x90\x81\xa1"
                                "a\x80");
    EXPECT(" { \"a\" : 1 , \"a\" : [ ] } ", "\x82\xa1"
                                            "a\x01\xa1"
                                            "a\x90");
}

static void long_containers_get_the_right_head(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        const char *head;
        size_t head_len;
    } cases[] = {{15, "\x9f", 1},
                 {16, "\xdc\x00\x10", 3},
                 {65535, "\xdc\xff\xff", 3},
                 {65536, "\xdd\x00\x01\x00\x00", 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t count = cases[i].count;
        char *text = malloc(2 * (size_t)count + 8), *at = text;
        *at++ = '[';
        for (uint32_t j = 0; j < count; j++) {
            *at++ = (char)('0' + j % 10);
            *at++ = j + 1 < count ? ',' : ']';
        }
        size_t size = cases[i].head_len + count;
        struct pack pack = {.base = malloc(size), .room = size};
        assert_true(json_pack(&pack, text, (size_t)(at - text), c_locale));
        assert_int_equal(pack.at, size);
        assert_memory_equal(pack.base, cases[i].head, cases[i].head_len);
        for (uint32_t j = 0; j < count; j++)
            assert_int_equal(pack.base[cases[i].head_len + j], j % 10);
        free(pack.base);
        free(text);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    for (uint32_t depth = JSON_PACK_DEPTH - 1; depth <= JSON_PACK_DEPTH + 1; depth++) {
        char *text = malloc(2 * (size_t)depth);
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        unsigned char *out;
        size_t len = convert(text, 2 * (size_t)depth, &out);
        assert_int_equal(len, depth <= JSON_PACK_DEPTH ? depth : 0);
        free(out);
        free(text);
    }
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",          " ",           "nul",    "[",          "]",     "[1",    "[1,]", "[,1]",
        "{\"a\"}",   "{\"a\":}",    "{1:2}",  "{\"a\":1,}", "[1 2]", "1 2",   "\"",   "\"\\",
        "\"\\x\"",   "\"\\u12\"",   "\"\n\"", "01",         "- 1",   "tru e", "[}",   "{]",
        "{\"a\":1]", "\"a\" \"b\"", "[1]]",   "NaN",        "\x80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unsigned char *out;
        if (convert(wrong[i], strlen(wrong[i]), &out) != 0)
            fail_msg("taken: %s", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(long_containers_get_the_right_head),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(what_is_not_json_is_refused),
    };
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    freelocale(c_locale);
    return failed;
}
