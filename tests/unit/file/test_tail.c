/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tail.c -- the record recogniser, the tail scanner and what start does with a torn tail.
 */
#include "fixture.h"
#include "xxh64.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct record_scan scan_text(uint8_t format, const char *text, size_t len, size_t step)
{
    struct record_scan scan;
    struct record_limits limits = {.known = false};
    record_init(&scan, format, &limits);
    for (size_t at = 0; at < len; at += step)
        record_feed(&scan, text + at, len - at < step ? len - at : step);
    return scan;
}

static void a_line_counts_only_with_its_identity(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool whole;
    } lines[] = {
        {"{\"lsn\":\"0/15D5C98\",\"seq\":3}\n", true},
        {"{\"lsn\":\"16/B374D848\",\"seq\":-1}\n", true},
        {"{\"seq\":3,\"x\":[{\"a\":\"\\\"}{\\\\\"}],\"lsn\":\"0/1\"}\n", true},
        {"{\"schema\":\"lsn\",\"table\":\"seq\",\"lsn\":\"0/1\",\"seq\":0}\n", true},
        {"{\"lsn\":\"0/1\",\"seq\":0}", false},
        {"{\"lsn\":\"0/1\",\"seq\":0\n", false},
        {"{\"lsn\":\"0/1\"}\n", false},
        {"{\"seq\":0}\n", false},
        {"{\"after\":{\"lsn\":\"0/1\",\"seq\":0}}\n", false},
        {"{\"lsn\":\"0/1\",\"seq\":\"0\"}\n", false},
        {"{\"lsn\":\"0/\",\"seq\":0}\n", false},
        {"{\"lsn\":\"01\",\"seq\":0}\n", false},
        {"{\"lsn\":\"0/123456789\",\"seq\":0}\n", false},
        {"{\"lsn\":\"0/1\",\"seq\":-2}\n", false},
        {"{\"lsn\":\"0/1\",\"seq\":1234567890123456789}\n", false},
        {"{\"lsn\":\"0/1\",\"seq\":0}}\n", false},
        {"{\"lsn\":\"0/1\",\"seq\":0} \n", false},
        {"\n", false},
        {"x\n", false},
        {"{\"lsn\":\"0/1\",\"a\":\"b\nc\",\"seq\":0}\n", false},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        for (size_t step = 1; step < 9; step += 7) {
            size_t len = strlen(lines[i].text);
            struct record_scan scan = scan_text(SEGMENT_JSON, lines[i].text, len, step);
            if (scan.any != lines[i].whole)
                print_message("line: %s", lines[i].text);
            assert_int_equal(scan.any, lines[i].whole);
            assert_int_equal(scan.end, lines[i].whole ? len : 0);
        }
    char hole[] = "{\"lsn\":\"0/1\",\"x\":\"?\",\"seq\":0}\n";
    *strchr(hole, '?') = '\0';
    assert_false(scan_text(SEGMENT_JSON, hole, sizeof hole - 1, 3).any);
}

static void a_packed_object_counts_only_whole(void **state)
{
    (void)state;
    /* {"x":[1,{"lsn":nil}], "lsn":"0/15D5C98", "y":ext, "seq":300, "z":"..."} */
    static const unsigned char object[] = {
        0x85, 0xa1, 'x',  0x92, 0x01, 0x81, 0xa3, 'l',  's', 'n', 0xc0, 0xa3, 'l',
        's',  'n',  0xa9, '0',  '/',  '1',  '5',  'D',  '5', 'C', '9',  '8',  0xa1,
        'y',  0xd7, 0xff, 1,    2,    3,    4,    5,    6,   7,   8,    0xa3, 's',
        'e',  'q',  0xcd, 0x01, 0x2c, 0xa1, 'z',  0xd9, 3,   'a', 'b',  'c'};
    char twice[2 * sizeof object];
    memcpy(twice, object, sizeof object);
    memcpy(twice + sizeof object, object, sizeof object);
    for (size_t len = 0; len <= sizeof twice; len++)
        for (size_t step = 1; step < 30; step += 9) {
            struct record_scan scan = scan_text(SEGMENT_MSGPACK, twice, len, step);
            assert_false(scan.broken);
            assert_int_equal(scan.end, len / sizeof object * sizeof object);
            if (scan.any) {
                assert_int_equal(scan.last.position, 0x15d5c98);
                assert_int_equal(scan.last.seq, 300);
            }
        }
    static const char nonsense[] = {(char)0x81, (char)0xc1, 0};
    assert_true(scan_text(SEGMENT_MSGPACK, nonsense, 3, 1).broken);
    assert_true(scan_text(SEGMENT_MSGPACK, "\x93\x01\x02\x03", 4, 1).broken);
    assert_true(scan_text(SEGMENT_MSGPACK, "\x81\xa1x\x01", 4, 1).broken); /* no identity */
}

static void checksum_is_the_one_of_the_specification(void **state)
{
    (void)state;
    struct xxh64 hash;
    xxh64_init(&hash);
    assert_true(xxh64_value(&hash) == 0xef46db3751d8e999u);
    xxh64_add(&hash, "a", 1);
    assert_true(xxh64_value(&hash) == 0xd24ec4f1a98c6e5bu);
}

static void names_sort_in_stream_order(void **state)
{
    (void)state;
    static const struct segment_name order[] = {
        {{0, -1}, 0, 0, false},       {{1, -1}, 0, 0, false},
        {{1, 0}, 0, 0, false},        {{1, 0}, 1, 0, true},
        {{1, 9}, 0, 0, false},        {{1, 10}, 0, 0, true},
        {{16, 0}, 0, 0, false},       {{1ull << 40, 0}, 0, SEGMENT_MSGPACK, true},
        {{UINT64_MAX, 5}, 7, 0, true}};
    char before[SEGMENT_NAME_MAX] = "";
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        char name[SEGMENT_NAME_MAX];
        struct segment_name back;
        name_format(&order[i], name);
        assert_true(strcmp(before, name) < 0);
        strcpy(before, name);
        assert_true(name_parse(name, &back));
        assert_int_equal(name_compare(&order[i], &back), 0);
        name[strlen(name) - 1] ^= 1;
        assert_false(name_parse(name, &back));
    }
}

static void hostile_routes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"/",  "a/",  "/a",  "a//b", "..",   "a/../b",
                                      ".a", "a/.", "a b", "a\nb", "a\\b", "1/2/3/4/5/6/7/8/9"};
    static const char *const good[] = {"", "a", "public/t%2E", "schema=a/table=b", "a..b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(route_reject((leat_bytes){bad[i], strlen(bad[i])}));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(route_reject((leat_bytes){good[i], strlen(good[i])}));
    char longest[300];
    memset(longest, 'x', sizeof longest);
    assert_null(route_reject((leat_bytes){longest, 255}));
    assert_non_null(route_reject((leat_bytes){longest, 256}));
    assert_non_null(route_reject((leat_bytes){"a\0b", 3}));
}

/* A segment cut anywhere: every record of it that is whole and was synced is there afterwards, and
 * what is offered again makes it complete without one standing twice. */
static void cut_everywhere(struct fixture *fixture, bool zstd, int records, int per_batch, int step)
{
    fixture->config.compression = zstd ? COMPRESSION_ZSTD : COMPRESSION_NONE;
    sink_up(fixture);
    size_t ends[64], batches = 0;
    char *bytes;
    size_t size;
    char **names = NULL;
    for (int i = 0; i < records; i += per_batch) {
        assert_true(offer(fixture, i, i + per_batch, 100, NULL));
        if (!names)
            names = segment_names(fixture->directory);
        read_file(fixture->directory, names[0], &bytes, &size);
        free(bytes);
        ends[batches++] = size; /* what was synced */
    }
    sink_kill(fixture);
    read_file(fixture->directory, names[0], &bytes, &size);
    for (size_t cut = 0; cut <= size; cut += (size_t)step) {
        write_file(fixture->directory, names[0], bytes, cut);
        size_t synced = 0;
        while (synced < batches && ends[synced] <= cut)
            synced++;
        int least = (int)synced * per_batch;
        fixture->start.known = least > 0;
        if (least)
            fixture->start.durable = identity_of(least - 1);
        sink_up(fixture);
        assert_true(count_in(fixture->directory) >= least);
        if (fixture->start.holds == LEAT_HOLDS_NOTHING)
            assert_int_equal(least, 0);
        else
            assert_int_equal(leat_identity_compare(fixture->start.last,
                                                   identity_of(count_in(fixture->directory) - 1)),
                             0);
        offer_rest(fixture, records + 2, 3, 100);
        sink_down(fixture, 1000);
        assert_int_equal(count_in(fixture->directory), records + 2);
        char **now = segment_names(fixture->directory);
        for (size_t i = 0; now[i]; i++) {
            char path[256];
            snprintf(path, sizeof path, "%s/%s", fixture->directory, now[i]);
            unlink(path);
        }
        free_names(now);
    }
    free(bytes);
    free_names(names);
}

static void plain_tail_torn_at_every_byte(void **state)
{
    cut_everywhere(*state, false, 12, 4, 1);
}

static void zstd_tail_torn_at_every_byte(void **state)
{
    cut_everywhere(*state, true, 40, 4, 1);
}

/* The mending itself is cut short at every byte of what it appends. */
static void mended_frame_passes_zstd_and_survives_a_crash_while_mending(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.compression = COMPRESSION_ZSTD;
    sink_up(fixture);
    for (int i = 0; i < 30; i += 3)
        assert_true(offer(fixture, i, i + 3, 150, NULL));
    sink_kill(fixture);
    char **names = segment_names(fixture->directory);
    char *before, *after;
    size_t before_size, after_size;
    read_file(fixture->directory, names[0], &before, &before_size);
    sink_up(fixture);
    sink_down(fixture, 0);
    read_file(fixture->directory, names[0], &after, &after_size);
    assert_int_equal(after_size, before_size + 7); /* an empty block and the checksum */
    for (size_t cut = before_size; cut <= after_size; cut++) {
        write_file(fixture->directory, names[0], after, cut);
        sink_up(fixture);
        sink_down(fixture, 0);
        char *again;
        size_t again_size;
        read_file(fixture->directory, names[0], &again, &again_size);
        assert_int_equal(again_size, after_size);
        assert_memory_equal(again, after, after_size);
        free(again);
    }
    free(before);
    free(after);
    free_names(names);
}

static void garbage_between_synced_and_end_is_cut(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 10, 200, NULL));
    sink_down(fixture, 1000);
    char **names = segment_names(fixture->directory);
    char *bytes;
    size_t size;
    read_file(fixture->directory, names[0], &bytes, &size);
    size_t synced = size;
    memset(bytes + size, 0, 5000); /* blocks that never reached the disk ... */
    size += 5000;
    size += (size_t)snprintf(bytes + size, 300, "\n%s\n",
                             value_of(20, 200)); /* ... before one that did */
    write_file(fixture->directory, names[0], bytes, size);
    fixture->start.known = 1;
    fixture->start.durable = identity_of(9);
    sink_up(fixture);
    assert_int_equal(count_in(fixture->directory), 10);
    const struct fake_log *log = fake_host_log(fixture->fake, "torn tail mended");
    char expected[64];
    snprintf(expected, sizeof expected, "dropped_bytes=%zu", size - synced);
    assert_non_null(log);
    assert_non_null(strstr(log->fields, expected));
    free(bytes);
    free_names(names);
}

static void damage_to_durable_records_is_65_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 30, 200, NULL));
    sink_down(fixture, 1000);
    char **names = segment_names(fixture->directory);
    char *bytes, *after;
    size_t size, after_size;
    read_file(fixture->directory, names[0], &bytes, &size);
    fixture->start.known = 1;
    fixture->start.durable = identity_of(29);
    write_file(fixture->directory, names[0], bytes, size - 5); /* the last one is gone */
    assert_int_equal(sink_try(fixture), LEAT_EFATAL);
    assert_int_equal(fixture->error.exit_code, 65);
    read_file(fixture->directory, names[0], &after, &after_size);
    assert_int_equal(after_size, size - 5);
    free(after);
    sink_down(fixture, 0);
    memset(bytes + size - 1000, 0, 300); /* a hole before records that are there */
    write_file(fixture->directory, names[0], bytes, size);
    fixture->start.durable = identity_of(28);
    assert_int_equal(sink_try(fixture), LEAT_EFATAL);
    assert_int_equal(fixture->error.exit_code, 65);
    free(bytes);
    free_names(names);
}

static void a_huge_line_is_found_in_bounded_memory(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 3, 100, NULL));
    assert_true(offer(fixture, 3, 4, 1000000, NULL));
    sink_kill(fixture);
    sink_up(fixture);
    assert_int_equal(leat_identity_compare(fixture->start.last, identity_of(3)), 0);
    sink_kill(fixture);
    char **names = segment_names(fixture->directory);
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, names[0]);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
    sink_up(fixture);
    assert_int_equal(leat_identity_compare(fixture->start.last, identity_of(2)), 0);
    assert_int_equal(count_in(fixture->directory), 3);
    free_names(names);
}

static void packed_segments_are_mended_too(void **state)
{
    struct fixture *fixture = *state;
    fixture->start.format = "msgpack";
    for (int zstd = 0; zstd < 2; zstd++) {
        fixture->config.compression = zstd ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        sink_up(fixture);
        struct fake_batch *batch = fake_batch_create(fixture->fake);
        for (int i = 0; i < 6; i++) {
            char object[32];
            int len = snprintf(object, sizeof object,
                               "\x82\xa3lsn\xa6"
                               "0/%04X\xa3seq%c",
                               zstd * 16 + i, i);
            struct fake_record record = {.identity = {(uint64_t)(zstd * 16 + i), i},
                                         .value = {object, (size_t)len + 0}};
            record.apart = 1; /* the fake host puts a newline behind each */
            fake_batch_add_record(batch, &record);
        }
        assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(batch)), LEAT_OK);
        assert_int_equal(fixture->ops->poll(fixture->sink, 0, &fixture->error), LEAT_OK);
        assert_true(fake_batch_durable(batch));
        sink_kill(fixture);
        char **names = segment_names(fixture->directory);
        assert_int_equal(name_count(names), (size_t)zstd + 1);
        assert_non_null(strstr(names[zstd], zstd ? ".msgpack.zst" : ".msgpack"));
        char path[256];
        snprintf(path, sizeof path, "%s/%s", fixture->directory, names[zstd]);
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_int_equal(write(fd, "\x82\xa3ls", 4), 4);
        close(fd);
        sink_up(fixture);
        assert_int_equal(fixture->start.last.position, zstd * 16 + 5);
        assert_int_equal(fixture->start.last.seq, 5);
        sink_down(fixture, 0);
        free_names(names);
    }
    assert_int_equal(fake_host_logged(fixture->fake, "torn tail mended"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_counts_only_with_its_identity),
        cmocka_unit_test(a_packed_object_counts_only_whole),
        cmocka_unit_test(checksum_is_the_one_of_the_specification),
        cmocka_unit_test(names_sort_in_stream_order),
        cmocka_unit_test(hostile_routes_are_refused),
        TEST(plain_tail_torn_at_every_byte),
        TEST(zstd_tail_torn_at_every_byte),
        TEST(mended_frame_passes_zstd_and_survives_a_crash_while_mending),
        TEST(garbage_between_synced_and_end_is_cut),
        TEST(damage_to_durable_records_is_65_and_changes_nothing),
        TEST(a_huge_line_is_found_in_bounded_memory),
        TEST(packed_segments_are_mended_too),
    };
    return cmocka_run_group_tests_name("file_tail", tests, NULL, NULL);
}
