/* SPDX-License-Identifier: Apache-2.0
 *
 * test_dead_letter.c -- a letter is one line of valid JSON, whatever names, reasons and records hold,
 * and is kept once.
 */
#include "dead_letter.h"

#include "json_escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES(text)                                                                                \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static char root[64], path[128], kept[8192];
static leat_error error;
static const leat_relation relation = {.size = sizeof relation,
                                       .id = 1,
                                       .schema = BYTES("pub\"lic"),
                                       .table = BYTES("caf\xc3\xa9\xc3")};
static const leat_change change = {.identity = {16, 2}, .relation = &relation, .op = LEAT_INSERT};

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/leat-letter-XXXXXX");
    assert_non_null(mkdtemp(root));
    (void)snprintf(path, sizeof path, "%s/p-s.ndjson", root);
    error = (leat_error){.size = sizeof error};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path) == 0 && rmdir(root) == 0 ? 0 : -1;
}

/* As a daemon that was started anew: what the file has then. */
static const char *write_one(const struct dead_record *record)
{
    struct dead_letter *letter = dead_letter_open(root, "p", "s", &error);
    FILE *file;

    assert_non_null(letter);
    assert_int_equal(dead_letter_write(letter, record, &error), LEAT_OK);
    dead_letter_close(letter);
    file = fopen(path, "re");
    assert_non_null(file);
    kept[fread(kept, 1, sizeof kept - 1, file)] = '\0';
    (void)fclose(file);
    return kept;
}

static void hostile_text_is_valid_json(void **state)
{
    const struct dead_record record = {.change = &change,
                                       .route = BYTES("a\\b"),
                                       .value = BYTES("{\"id\":7}"),
                                       .reason = BYTES("no\xff: \"\0\n"),
                                       .is_json = true};
    (void)state;
    assert_string_equal(write_one(&record),
                        "{\"reason\":\"no\xef\xbf\xbd: \\\"\\u0000\\u000a\",\"sink\":\"s\","
                        "\"lsn\":\"0/10\",\"seq\":2,\"op\":\"insert\",\"schema\":\"pub\\\"lic\","
                        "\"table\":\"caf\xc3\xa9\xef\xbf\xbd\",\"route\":\"a\\\\b\","
                        "\"record\":{\"id\":7}}\n");
}

static void what_is_no_json_is_base64_as_a_whole(void **state)
{
    static char bytes[1541];
    char expected[2200];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    for (size_t length = sizeof bytes - 5; length <= sizeof bytes; length++) {
        const struct dead_record record = {
            .change = &change, .value = {bytes, length}, .reason = BYTES("x")};
        size_t at = (size_t)snprintf(expected, sizeof expected, "\"record_base64\":\"");
        unsigned char *end = json_base64((unsigned char *)expected + at, bytes, length);
        at = (size_t)(end - (unsigned char *)expected);
        (void)snprintf(expected + at, sizeof expected - at, "\"}\n");
        assert_non_null(strstr(write_one(&record), expected));
        assert_int_equal(unlink(path), 0);
    }
    assert_non_null(write_one(&(struct dead_record){.change = &change}));
}

static void a_record_that_comes_again_is_kept_once(void **state)
{
    struct dead_record record = {
        .change = &change, .value = BYTES("{}"), .reason = BYTES("first"), .is_json = true};
    char first[sizeof kept];

    (void)state;
    (void)strcpy(first, write_one(&record));
    record.reason = (leat_bytes)BYTES("said otherwise");
    assert_string_equal(write_one(&record), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_text_is_valid_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_json_is_base64_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_comes_again_is_kept_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
