/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sink.c -- what the file sink does while nothing fails.
 */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static leat_status submit(struct fixture *fixture, struct fake_batch *batch)
{
    return fixture->ops->submit(fixture->sink, fake_batch_lend(batch));
}

static void poll_now(struct fixture *fixture)
{
    assert_int_equal(fixture->ops->poll(fixture->sink, 0, &fixture->error), LEAT_OK);
}

static void batches_are_durable_together_after_one_sync(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_int_equal(fixture->start.holds, LEAT_HOLDS_NOTHING);
    memset(&calls, 0, sizeof calls);
    struct fake_batch *batches[5];
    for (int i = 0; i < 5; i++) {
        batches[i] = batch_of(fixture, i * 10, i * 10 + 10, 100, NULL);
        assert_int_equal(submit(fixture, batches[i]), LEAT_OK);
        assert_int_equal(fake_batch_done(batches[i]).calls, 0);
    }
    assert_int_equal(calls.fdatasync, 0);
    assert_int_equal(calls.pwritev, 5); /* one a batch ... */
    assert_int_equal(calls.pieces, 5);  /* ... of one piece */
    poll_now(fixture);
    assert_int_equal(calls.fdatasync, 1);
    for (int i = 0; i < 5; i++)
        assert_true(fake_batch_durable(batches[i]));
    assert_int_equal(count_in(fixture->directory), 50);
}

static void submit_pushes_back_at_max_unsynced(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.max_unsynced = 4096;
    sink_up(fixture);
    struct fake_batch *first = batch_of(fixture, 0, 50, 100, NULL);
    struct fake_batch *second = batch_of(fixture, 50, 60, 100, NULL);
    assert_int_equal(submit(fixture, first), LEAT_OK);
    assert_int_equal(submit(fixture, second), LEAT_AGAIN);
    poll_now(fixture);
    assert_true(fake_batch_durable(first));
    assert_int_equal(submit(fixture, second), LEAT_OK);
    poll_now(fixture);
    assert_int_equal(count_in(fixture->directory), 60);
}

static void appending_goes_on_where_it_ended(void **state)
{
    struct fixture *fixture = *state;
    for (int zstd = 0; zstd < 2; zstd++) {
        fixture->config.compression = zstd ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        for (int run = 0; run < 4; run++) {
            int from = zstd * 40 + run * 10;
            sink_up(fixture);
            if (from) {
                assert_int_equal(fixture->start.holds, LEAT_HOLDS_LAST);
                assert_int_equal(leat_identity_compare(fixture->start.last, identity_of(from - 1)),
                                 0);
            }
            assert_true(offer(fixture, from, from + 10, 100, NULL));
            sink_down(fixture, 1000);
        }
    }
    assert_int_equal(count_in(fixture->directory), 80);
    char **names = segment_names(fixture->directory);
    assert_int_equal(name_count(names), 2); /* another compression, another segment */
    free_names(names);
}

static void what_is_offered_again_is_not_written_again(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 20, 100, NULL));
    assert_true(offer(fixture, 5, 25, 100, NULL));
    assert_true(offer(fixture, 0, 25, 100, NULL));
    assert_int_equal(count_in(fixture->directory), 25);
}

static void rotation_by_size_keeps_a_transaction_whole(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.rotate_size = 4096;
    sink_up(fixture);
    for (int i = 0; i < 300; i += 7)
        assert_true(offer(fixture, i, i + 7, 200, NULL));
    assert_int_equal(count_in(fixture->directory), 301);
    char **names = segment_names(fixture->directory);
    assert_true(name_count(names) > 10);
    for (size_t i = 0; names[i]; i++) /* each begins with the first record of a transaction */
        assert_non_null(strstr(names[i], "-0000000000000001-0000.ndjson"));
    free_names(names);
}

static void a_huge_transaction_is_split_at_twice_the_size(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.rotate_size = 4096;
    sink_up(fixture);
    struct fake_batch *batch = fake_batch_create(fixture->fake);
    for (int i = 0; i < 200; i++)
        fake_batch_add(batch, (leat_identity){0x1000, i}, value_of(i, 200));
    assert_int_equal(submit(fixture, batch), LEAT_OK);
    poll_now(fixture);
    char **names = segment_names(fixture->directory);
    for (size_t i = 0; names[i]; i++) {
        char *bytes;
        size_t size;
        read_file(fixture->directory, names[i], &bytes, &size);
        assert_true(size <= 2 * 4096 + 200);
        assert_int_equal(bytes[size - 1], '\n');
        free(bytes);
    }
    assert_true(name_count(names) >= 4);
    free_names(names);
}

static void rotation_by_age(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.rotate_age_ms = 60000;
    fixture->config.compression = COMPRESSION_ZSTD;
    fake_host_set_clock(fixture->fake, 1000000000);
    sink_up(fixture);
    assert_true(offer(fixture, 0, 3, 100, NULL));
    fake_host_advance(fixture->fake, 59 * (int64_t)1000000000);
    assert_true(offer(fixture, 3, 6, 100, NULL));
    fake_host_advance(fixture->fake, 2 * (int64_t)1000000000);
    assert_true(offer(fixture, 6, 9, 100, NULL));
    char **names = segment_names(fixture->directory);
    assert_int_equal(name_count(names), 2);
    free_names(names);
    assert_int_equal(count_in(fixture->directory), 9);
}

static void retention_removes_finished_segments_of_ours_only(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.rotate_size = 4096;
    fixture->config.retain_count = 3;
    sink_up(fixture);
    write_file(fixture->directory, "0000000000000000-notes.ndjson", "mine\n", 5);
    for (int i = 0; i < 300; i += 3)
        assert_true(offer(fixture, i, i + 3, 400, NULL));
    char **names = segment_names(fixture->directory);
    assert_int_equal(name_count(names), 5); /* mine, 3 finished, the newest */
    assert_string_equal(names[0], "0000000000000000-notes.ndjson");
    free_names(names);
    sink_down(fixture, 1000);

    fixture->config.retain_count = 0;
    fixture->config.retain_age_ms = 3600 * 1000;
    names = segment_names(fixture->directory);
    for (size_t i = 0; names[i]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", fixture->directory, names[i]);
        struct timeval old[2] = {{1000, 0}, {1000, 0}};
        if (i != 2)
            assert_int_equal(utimes(path, old), 0);
    }
    free_names(names);
    sink_up(fixture);
    names = segment_names(fixture->directory);
    assert_int_equal(name_count(names), 4); /* oldest first, and no further than one that stays */
    free_names(names);
}

static void a_route_is_a_folder_with_segments_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    static const char *const routes[] = {"public/a", "public/b", "audit",
                                         "x%2Ey/z",  "public/c", NULL};
    fixture->config.open_files = 2;
    for (int zstd = 0; zstd < 2; zstd++) {
        fixture->config.compression = zstd ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        sink_up(fixture);
        for (int round = 0; round < 5; round++) {
            int from = (zstd * 5 + round) * 60;
            struct fake_batch *batch = fake_batch_create(fixture->fake);
            for (int i = from; i < from + 60; i++)
                fake_batch_add_routed(batch, identity_of(i), routes[i % 6], value_of(i, 100));
            assert_int_equal(submit(fixture, batch), LEAT_OK);
            poll_now(fixture);
            assert_true(fake_batch_durable(batch));
        }
        sink_down(fixture, 1000);
    }
    for (int r = 0; r < 6; r++) {
        int *numbers, count = count_in_route(fixture, routes[r] ? routes[r] : ".", &numbers);
        assert_int_equal(count, 100);
        for (int i = 0; i < count; i++)
            assert_int_equal(numbers[i], i * 6 + r);
        free(numbers);
    }
    sink_up(fixture);
    assert_int_equal(fixture->start.holds, LEAT_HOLDS_SELF);
    struct fake_batch *again = fake_batch_create(fixture->fake);
    for (int i = 550; i < 601; i++)
        fake_batch_add_routed(again, identity_of(i), routes[i % 6], value_of(i, 100));
    assert_int_equal(submit(fixture, again), LEAT_OK);
    poll_now(fixture);
    assert_true(fake_batch_durable(again));
    int *numbers;
    assert_int_equal(count_in_route(fixture, "public/a", &numbers), 101);
    free(numbers);
    assert_int_equal(count_in_route(fixture, "public/b", &numbers), 100);
    free(numbers);
}

static void a_route_is_never_followed_through_a_link(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    char link[256];
    snprintf(link, sizeof link, "%s/public", fixture->directory);
    assert_int_equal(symlink("/tmp", link), 0);
    struct fake_batch *batch = batch_of(fixture, 0, 3, 100, "public/leat-escaped");
    assert_int_equal(submit(fixture, batch), LEAT_OK);
    poll_now(fixture);
    assert_int_equal(fake_batch_done(batch).status, LEAT_ERETRY);
    assert_int_equal(access("/tmp/leat-escaped", F_OK), -1);
}

static void a_bad_route_rejects_its_record_and_nothing_before(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.max_routes = 2;
    sink_up(fixture);
    static const char *const routes[] = {"a", "b", "../c", "a"};
    struct fake_batch *batch = fake_batch_create(fixture->fake);
    for (int i = 0; i < 4; i++)
        fake_batch_add_routed(batch, identity_of(i), routes[i], value_of(i, 100));
    assert_int_equal(submit(fixture, batch), LEAT_OK);
    struct fake_done done = fake_batch_done(batch);
    assert_int_equal(done.calls, 1);
    assert_int_equal(done.status, LEAT_EREJECT);
    assert_int_equal(done.durable_count, 2);
    assert_int_equal(submit(fixture, batch_of(fixture, 3, 4, 100, "c")), LEAT_OK);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend_from(batch, 3)), LEAT_OK);
    poll_now(fixture);
    assert_true(fake_batch_durable(batch));
    int *numbers;
    assert_int_equal(count_in_route(fixture, "a", &numbers), 2);
    free(numbers);
}

static void a_second_writer_is_refused_and_told_who_is_there(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    leat_sink *second = NULL;
    leat_sink_start start = {.size = sizeof start, .name_space = "slot"};
    assert_int_equal(fixture->ops->create(fake_host_of(fixture->fake), &fixture->config, &second,
                                          &fixture->error),
                     LEAT_OK);
    assert_int_equal(fixture->ops->start(second, &start, &fixture->error), LEAT_EFATAL);
    assert_int_equal(fixture->error.exit_code, 73);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(fixture->error.text, pid));
    fixture->ops->destroy(second);
    sink_down(fixture, 0);
    sink_up(fixture); /* free again */
}

/* Directories of two sinks, one in the other: neither removes, cuts, counts as its own or adds to
 * what is the other's. */
static void the_directory_of_another_sink_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    char inner[160];
    sink_up(fixture);
    sink_down(fixture, 1000);
    snprintf(inner, sizeof inner, "%s/inner", fixture->directory);
    fixture->config.directory = inner;
    fixture->config.rotate_size = 4096;
    sink_up(fixture);
    for (int i = 0; i < 90; i += 3)
        assert_true(offer(fixture, i, i + 3, 400, NULL));
    sink_kill(fixture);
    char **names = segment_names(inner), *bytes;
    size_t count = name_count(names), size;
    assert_true(count > 3);
    write_file(inner, names[count - 1], "{\"torn", 6); /* as a reader sees it amid a write */

    fixture->config.directory = fixture->directory;
    fixture->config.retain_count = 1;
    sink_up(fixture);
    assert_int_equal(fixture->start.holds, LEAT_HOLDS_NOTHING);
    struct fake_batch *batch = batch_of(fixture, 90, 93, 100, "inner/deep");
    assert_int_equal(submit(fixture, batch), LEAT_OK);
    poll_now(fixture);
    assert_int_equal(fake_batch_done(batch).status, LEAT_ERETRY);
    assert_non_null(strstr(fake_batch_done(batch).text, "of another file sink"));
    sink_down(fixture, 1000);
    char **after = segment_names(inner);
    assert_int_equal(name_count(after), count);
    read_file(inner, names[count - 1], &bytes, &size);
    assert_int_equal(size, 6);
    free(bytes);
    free_names(after);
    free_names(names);
}

static void records_of_another_stream_are_refused(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 3, 100, NULL));
    sink_down(fixture, 1000);
    fixture->start.name_space = "other";
    assert_int_equal(sink_try(fixture), LEAT_ECONFIG);
    assert_non_null(strstr(fixture->error.text, "\"slot\""));
    fixture->start.name_space = ""; /* a host that does not know yet neither asks nor forgets */
    sink_up(fixture);
    sink_down(fixture, 0);
    fixture->start.name_space = "other";
    assert_int_equal(sink_try(fixture), LEAT_ECONFIG);
    fixture->start.name_space = "slot";
    sink_up(fixture);
}

static void a_missing_parent_is_said_and_retried(void **state)
{
    struct fixture *fixture = *state;
    char deep[160];
    snprintf(deep, sizeof deep, "%s/no/out", fixture->base);
    fixture->config.directory = deep;
    assert_int_equal(sink_try(fixture), LEAT_ERETRY);
    assert_non_null(strstr(fixture->error.text, "No such file or directory"));
    sink_down(fixture, 0);
    fixture->config.directory = fixture->directory;
}

static void nonsense_is_refused_by_create(void **state)
{
    struct fixture *fixture = *state;
    static const char *const modes[] = {"", "abc", "0642", "9", "01777", "0440"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        fixture->config.file_mode = modes[i];
        assert_int_equal(sink_try(fixture), LEAT_ECONFIG);
        sink_down(fixture, 0);
    }
    fixture->config.file_mode = "0600";
    sink_up(fixture);
    assert_true(offer(fixture, 0, 3, 100, NULL));
    char **names = segment_names(fixture->directory), path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", fixture->directory, names[0]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(fixture->directory, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    free_names(names);
    fixture->ops->destroy(NULL);
}

static void check_changes_nothing_and_finds_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct fake_check check;
    fake_check_init(&check);
    fixture->ops->check(&fixture->config, &check.check);
    assert_int_equal(check.errors, 0);
    assert_int_equal(access(fixture->directory, F_OK), -1);
    char deep[160];
    snprintf(deep, sizeof deep, "%s/no/out", fixture->base);
    fixture->config.directory = deep;
    fake_check_init(&check);
    fixture->ops->check(&fixture->config, &check.check);
    assert_int_equal(check.errors, 1);
    assert_int_equal(check.exit_code, 73);
    fixture->config.directory = fixture->directory;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 3, 100, NULL));
    fake_check_init(&check);
    fixture->ops->check(&fixture->config, &check.check);
    assert_int_equal(check.errors, 0);
    assert_non_null(strstr(check.text, "in use by process"));
    assert_non_null(strstr(check.text, "holds 1 segment in"));
    assert_true(offer(fixture, 3, 6, 100, NULL));
}

static void poll_waits_for_the_host(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    fake_host_want_thread(fixture->fake);
    assert_int_equal(fixture->ops->poll(fixture->sink, -1, &fixture->error), LEAT_OK);
    fake_host_reset_wake_fd(fixture->fake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batches_are_durable_together_after_one_sync),
        TEST(submit_pushes_back_at_max_unsynced),
        TEST(appending_goes_on_where_it_ended),
        TEST(what_is_offered_again_is_not_written_again),
        TEST(rotation_by_size_keeps_a_transaction_whole),
        TEST(a_huge_transaction_is_split_at_twice_the_size),
        TEST(rotation_by_age),
        TEST(retention_removes_finished_segments_of_ours_only),
        TEST(a_route_is_a_folder_with_segments_of_its_own),
        TEST(a_route_is_never_followed_through_a_link),
        TEST(a_bad_route_rejects_its_record_and_nothing_before),
        TEST(a_second_writer_is_refused_and_told_who_is_there),
        TEST(the_directory_of_another_sink_is_left_alone),
        TEST(records_of_another_stream_are_refused),
        TEST(a_missing_parent_is_said_and_retried),
        TEST(nonsense_is_refused_by_create),
        TEST(check_changes_nothing_and_finds_what_is_wrong),
        TEST(poll_waits_for_the_host),
    };
    return cmocka_run_group_tests_name("file_sink", tests, NULL, NULL);
}
