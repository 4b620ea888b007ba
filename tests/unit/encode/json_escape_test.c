/* SPDX-License-Identifier: Apache-2.0
 *
 * json_escape_test.c -- the scan against a reference that looks at one byte at a time.  Also built
 * with LEAT_PORTABLE, for machines without SSE2.
 */
#include "json_escape.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

static size_t reference(char *dst, const unsigned char *text, size_t len)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    size_t size = 0;
    for (size_t i = 0; i < len; i++) {
        const char *letter = text[i] != 0 ? strchr(from, text[i]) : NULL;
        if (letter && text[i] < 0x80) {
            dst[size++] = '\\';
            dst[size++] = to[letter - from];
        } else if (text[i] < 0x20) {
            size += (size_t)sprintf(dst + size, "\\u%04x", text[i]);
        } else if (text[i] < 0x80) {
            dst[size++] = (char)text[i];
        } else {
            size_t step = utf8_sequence(text + i, text + len);
            memcpy(dst + size, step ? (const char *)text + i : UTF8_REPLACEMENT, step ? step : 3);
            size += step ? step : 3;
            i += step ? step - 1 : 0;
        }
    }
    return size;
}

static void check(const void *bytes, size_t len)
{
    char wanted[2048];
    char *text = malloc(len != 0 ? len : 1); /* of this very size, for ASan */
    if (len != 0)
        memcpy(text, bytes, len);
    size_t size = reference(wanted, (const unsigned char *)text, len);
    assert_int_equal(json_escape_size(text, len), size);
    unsigned char *out = malloc(size + JSON_ESCAPE_SLACK);
    assert_ptr_equal(json_escape(out, text, len), out + size);
    assert_memory_equal(out, wanted, size);
    free(out);
    free(text);
}

static void every_pair_of_bytes_at_every_offset(void **state)
{
    (void)state;
    char text[48];
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second += first % 16 == 0 ? 1 : 37) {
            for (size_t at = 0; at < 40; at += first % 8 == 0 ? 1 : 7) {
                memset(text, 'x', sizeof text);
                text[at] = (char)first;
                text[at + 1] = (char)second;
                check(text, at + 2);
                check(text, sizeof text);
            }
        }
    }
}

static void every_byte_and_length(void **state)
{
    (void)state;
    char text[64];
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t len = 0; len <= sizeof text; len++) {
            memset(text, (int)byte, sizeof text);
            check(text, len);
        }
    }
}

static void random_bytes(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int i = 0; i < 30000; i++) {
        unsigned char text[100];
        for (size_t j = 0; j < sizeof text; j++) {
            seed = seed * 1664525u + 1013904223u;
            unsigned char byte = (unsigned char)(seed >> 24);
            text[j] = i % 3 == 0 ? byte : i % 3 == 1 ? byte & 0x7f : (byte & 0x3f) | 0x80;
            if (i % 3 == 2 && j % 2 == 0)
                text[j] |= 0x40;
        }
        check(text, seed % sizeof text);
    }
}

/* Every sequence of one to four bytes around the borders of RFC 3629, section 4. */
static void utf8_borders(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {{"\xc2\x80", true},
                 {"\xc1\xbf", false},
                 {"\xdf\xbf", true},
                 {"\xe0\xa0\x80", true},
                 {"\xe0\x9f\xbf", false},
                 {"\xed\x9f\xbf", true},
                 {"\xed\xa0\x80", false},
                 {"\xee\x80\x80", true},
                 {"\xef\xbf\xbf", true},
                 {"\xf0\x90\x80\x80", true},
                 {"\xf0\x8f\xbf\xbf", false},
                 {"\xf4\x8f\xbf\xbf", true},
                 {"\xf4\x90\x80\x80", false},
                 {"\xf5\x80\x80\x80", false},
                 {"\x80", false},
                 {"\xc3", false},
                 {"\xe2\x82", false},
                 {"\xf0\x9f\x98", false},
                 {"\xc3(", false},
                 {"", true},
                 {"plain", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        for (size_t pad = 0; pad < 70; pad++) {
            memset(text, 'x', sizeof text);
            memcpy(text + pad, cases[i].text, strlen(cases[i].text));
            assert_int_equal(utf8_valid(text, sizeof text), cases[i].valid);
            assert_int_equal(utf8_valid(text, pad + strlen(cases[i].text)), cases[i].valid);
            assert_int_equal(utf8_repaired_size(text, sizeof text) == sizeof text, cases[i].valid);
        }
    }
}

static void hex_and_base64(void **state)
{
    (void)state;
    static const char *const wanted[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                         "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    unsigned char out[16];
    for (size_t len = 0; len <= 6; len++) { /* RFC 4648, section 10 */
        assert_int_equal(json_base64(out, "foobar", len) - out, json_base64_size(len));
        assert_memory_equal(out, wanted[len], strlen(wanted[len]));
        assert_int_equal(json_base64_size(len), strlen(wanted[len]));
    }
    assert_int_equal(json_hex(out, "\x00\xff\x1e", 3) - out, 6);
    assert_memory_equal(out, "00ff1e", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_bytes_at_every_offset),
        cmocka_unit_test(every_byte_and_length),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(utf8_borders),
        cmocka_unit_test(hex_and_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
