/* SPDX-License-Identifier: Apache-2.0
 *
 * test_faults.c -- a disk that is full, fails, lies, goes away: nothing lost, nothing twice.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* A host's part: offers the batch until it is durable, from where the sink says; `heal` is called
 * after the first failure.  Returns how often it failed. */
static int insist(struct fixture *fixture, struct fake_batch *batch, void (*heal)(void))
{
    uint32_t from = 0;
    for (int failures = 0;; failures++) {
        assert_true(failures < 10);
        assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend_from(batch, from)),
                         LEAT_OK);
        (void)fixture->ops->poll(fixture->sink, 0, &fixture->error);
        struct fake_done done = fake_batch_done(batch);
        assert_int_equal(done.calls, 1);
        if (done.status == LEAT_OK)
            return failures;
        assert_int_equal(done.status, LEAT_ERETRY);
        assert_true(strlen(done.text) > 10);
        from += done.durable_count;
        if (heal)
            heal();
    }
}

static void heal(void)
{
    memset(&faults, 0, sizeof faults);
}

static void each_kind(struct fixture *fixture, void (*test)(struct fixture *fixture))
{
    static const char *const directories[] = {"plain", "packed"};
    char path[128];
    for (int zstd = 0; zstd < 2; zstd++) {
        snprintf(path, sizeof path, "%s/%s", fixture->base, directories[zstd]);
        strcpy(fixture->directory, path);
        fixture->config.compression = zstd ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        test(fixture);
        heal();
        sink_down(fixture, 1000);
        fixture->start = (leat_sink_start){.name_space = "slot", .format = "json"};
    }
}

/* ---- writes ---------------------------------------------------------------------------------- */

static void full_disk(struct fixture *fixture)
{
    for (int code = 0; code < 3; code++)
        for (int budget = 0; budget < 3000; budget += 97) {
            int from = (code * 31 + budget / 97) * 15;
            if (!fixture->sink)
                sink_up(fixture);
            faults.write_errno = code == 0 ? ENOSPC : code == 1 ? EDQUOT : EIO;
            faults.write_budget = budget;
            struct fake_batch *first = batch_of(fixture, from, from + 5, 100, NULL);
            struct fake_batch *second = batch_of(fixture, from + 5, from + 15, 200, NULL);
            (void)insist(fixture, first, heal);
            (void)insist(fixture, second, heal);
            assert_int_equal(count_in(fixture->directory), from + 15);
            if (budget % 2) {
                sink_kill(fixture);
                sink_up(fixture);
                assert_int_equal(count_in(fixture->directory), from + 15);
            }
        }
    assert_true(fake_host_logged(fixture->fake, "cannot write, will try again") > 10);
    assert_int_equal(fake_host_logged(fixture->fake, "cannot write, will try again"),
                     fake_host_logged(fixture->fake, "writing again"));
}

static void a_full_disk_loses_nothing_and_doubles_nothing(void **state)
{
    each_kind(*state, full_disk);
}

static void short_and_interrupted(struct fixture *fixture)
{
    sink_up(fixture);
    faults.write_most = 7;
    faults.interrupts = 3;
    for (int i = 0; i < 30; i += 10)
        assert_true(offer(fixture, i, i + 10, 100, NULL));
    assert_int_equal(count_in(fixture->directory), 30);
}

static void short_and_interrupted_writes_are_finished(void **state)
{
    each_kind(*state, short_and_interrupted);
}

/* While it fails, nothing of the failed batch may stay behind, whatever happens then. */
static void killed_while_full(struct fixture *fixture)
{
    sink_up(fixture);
    assert_true(offer(fixture, 0, 10, 100, NULL));
    faults.write_errno = ENOSPC;
    faults.write_budget = fixture->config.compression ? 60 : 1000;
    faults.truncate_errno = EIO; /* and what went in cannot be cut */
    struct fake_batch *batch = batch_of(fixture, 10, 40, 100, NULL);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(batch)), LEAT_OK);
    (void)fixture->ops->poll(fixture->sink, 0, &fixture->error);
    assert_int_equal(fake_batch_done(batch).status, LEAT_ERETRY);
    sink_kill(fixture);
    sink_up(fixture);
    int held = count_in(fixture->directory);
    assert_true(held >= 10);
    offer_rest(fixture, 40, 7, 100);
    assert_int_equal(count_in(fixture->directory), 40);
}

static void a_kill_while_the_disk_is_full(void **state)
{
    each_kind(*state, killed_while_full);
}

/* ---- syncs ----------------------------------------------------------------------------------- */

static void failed_sync(struct fixture *fixture)
{
    sink_up(fixture);
    assert_true(offer(fixture, 0, 10, 100, NULL));
    int from = 10;
    for (int round = 0; round < 4; round++, from += 20) {
        struct fake_batch *first = batch_of(fixture, from, from + 10, 100, NULL);
        struct fake_batch *second = batch_of(fixture, from + 10, from + 20, 100, NULL);
        faults.sync_errno = EIO;
        faults.sync_times = 1;
        assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(first)), LEAT_OK);
        assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(second)), LEAT_OK);
        (void)fixture->ops->poll(fixture->sink, 0, &fixture->error);
        assert_int_equal(fake_batch_done(first).status, LEAT_ERETRY);
        assert_int_equal(fake_batch_done(first).durable_count, 0);
        assert_int_equal(fake_batch_done(second).status, LEAT_ERETRY);
        assert_int_equal(count_in(fixture->directory), from);
        assert_int_equal(insist(fixture, first, NULL), 0);
        assert_int_equal(insist(fixture, second, NULL), 0);
        char **names = segment_names(fixture->directory);
        assert_int_equal(name_count(names), (size_t)round + 2); /* that file is never used again */
        free_names(names);
        assert_int_equal(count_in(fixture->directory), from + 20);
    }
    sink_kill(fixture);
    sink_up(fixture);
    assert_int_equal(count_in(fixture->directory), from);
    assert_int_equal(leat_identity_compare(fixture->start.last, identity_of(from - 1)), 0);
}

static void a_failed_sync_is_answered_with_a_new_segment(void **state)
{
    each_kind(*state, failed_sync);
}

/* The first segment fails before anything was durable in it: its name is free again or a counter
 * tells them apart, and order holds. */
static void failed_first_sync(struct fixture *fixture)
{
    sink_up(fixture);
    struct fake_batch *batch = batch_of(fixture, 0, 10, 100, NULL);
    faults.sync_errno = EIO;
    faults.sync_times = 2;
    assert_int_equal(insist(fixture, batch, NULL), 2);
    assert_int_equal(count_in(fixture->directory), 10);
    char **names = segment_names(fixture->directory);
    assert_int_equal(name_count(names), 1);
    free_names(names);
}

static void a_segment_that_never_held_anything_is_removed(void **state)
{
    each_kind(*state, failed_first_sync);
}

/* The tail that must not count cannot be cut; then the process dies.  The next start knows by the
 * name of the segment behind it. */
static void uncut_overlap(struct fixture *fixture)
{
    sink_up(fixture);
    assert_true(offer(fixture, 0, 10, 100, NULL));
    struct fake_batch *batch = batch_of(fixture, 10, 30, 100, NULL);
    faults.sync_errno = EIO;
    faults.sync_times = 1;
    faults.truncate_errno = EIO;
    assert_int_equal(insist(fixture, batch, heal), 1);
    assert_true(offer(fixture, 30, 40, 100, NULL));
    sink_kill(fixture);
    fixture->start.known = 1;
    fixture->start.durable = identity_of(39);
    sink_up(fixture);
    assert_int_equal(count_in(fixture->directory), 40);
    assert_int_equal(leat_identity_compare(fixture->start.last, identity_of(39)), 0);
    assert_int_equal(fake_host_logged(fixture->fake, "torn tail mended"),
                     fixture->config.compression + 1);
    assert_true(offer(fixture, 40, 50, 100, NULL));
    assert_int_equal(count_in(fixture->directory), 50);
}

static void an_overlap_that_could_not_be_cut_is_cut_at_the_next_start(void **state)
{
    each_kind(*state, uncut_overlap);
}

/* The same, but the sink is only stopped and started, with no newer segment yet. */
static void uncut_restart(struct fixture *fixture)
{
    sink_up(fixture);
    assert_true(offer(fixture, 0, 10, 100, NULL));
    struct fake_batch *batch = batch_of(fixture, 10, 30, 100, NULL);
    faults.sync_errno = EIO;
    faults.truncate_errno = EIO;
    faults.open_errno = EIO;
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(batch)), LEAT_OK);
    (void)fixture->ops->poll(fixture->sink, 0, &fixture->error);
    assert_int_equal(fake_batch_done(batch).status, LEAT_ERETRY);
    (void)fixture->ops->stop(fixture->sink, 1000);
    assert_int_equal(sink_try(fixture), LEAT_ERETRY); /* it still cannot */
    heal();
    (void)fixture->ops->stop(fixture->sink, 1000);
    sink_up(fixture);
    assert_int_equal(leat_identity_compare(fixture->start.last, identity_of(9)), 0);
    assert_int_equal(count_in(fixture->directory), 10);
    offer_rest(fixture, 30, 30, 100);
    assert_int_equal(count_in(fixture->directory), 30);
}

static void bytes_that_only_look_durable_are_not_believed_after_a_restart(void **state)
{
    each_kind(*state, uncut_restart);
}

static void unsynced_name(struct fixture *fixture)
{
    sink_up(fixture);
    faults.fsync_errno = EIO; /* of the folder: the name is not durable */
    struct fake_batch *batch = batch_of(fixture, 0, 10, 100, NULL);
    assert_int_equal(insist(fixture, batch, heal), 1);
    assert_int_equal(count_in(fixture->directory), 10);
}

static void nothing_is_durable_before_its_name_is(void **state)
{
    each_kind(*state, unsynced_name);
}

/* Every sync of a long run fails once, one after the other, with small segments. */
static void every_sync(struct fixture *fixture)
{
    fixture->config.rotate_size = 4096;
    for (int skip = 0; skip < 25; skip++) {
        int from = skip * 60;
        if (!fixture->sink)
            sink_up(fixture);
        faults.sync_errno = ENOSPC;
        faults.sync_skip = skip % 5;
        faults.sync_times = 1 + skip % 3;
        for (int i = from; i < from + 60; i += 12)
            (void)insist(fixture, batch_of(fixture, i, i + 12, 300, NULL), NULL);
        heal();
        assert_int_equal(count_in(fixture->directory), from + 60);
        if (skip % 4 == 3)
            sink_kill(fixture);
    }
}

static void every_sync_may_fail(void **state)
{
    each_kind(*state, every_sync);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static int total_in(struct fixture *fixture, const char *const *routes, int count, int records)
{
    char *seen = calloc((size_t)records, 1);
    int total = 0;
    for (int r = 0; r < count; r++) {
        int *numbers, n = count_in_route(fixture, routes[r], &numbers);
        for (int i = 0; i < n; i++) {
            assert_int_equal(seen[numbers[i]]++, 0);
            assert_true(i == 0 || numbers[i] > numbers[i - 1]);
        }
        total += n;
        free(numbers);
    }
    free(seen);
    return total;
}

static void lanes_fail(struct fixture *fixture)
{
    static const char *const routes[] = {"a", "b/c", "d", "e", "f"};
    fixture->config.open_files = 3;
    fixture->config.rotate_size = 8192;
    for (int round = 0; round < 40; round++) {
        if (!fixture->sink)
            sink_up(fixture);
        int from = round * 50;
        struct fake_batch *batch = fake_batch_create(fixture->fake);
        for (int i = from; i < from + 50; i++)
            fake_batch_add_routed(batch, identity_of(i), routes[i * 7 % 5], value_of(i, 150));
        if (round % 2) {
            faults.write_errno = ENOSPC;
            faults.write_budget = round * 151 % 7000;
        } else {
            faults.sync_errno = EIO;
            faults.sync_skip = round % 5;
            faults.sync_times = 1;
        }
        (void)insist(fixture, batch, heal);
        heal();
        assert_int_equal(total_in(fixture, routes, 5, from + 50), from + 50);
        if (round % 3 == 0)
            sink_kill(fixture);
    }
}

static void one_lane_failing_neither_loses_nor_doubles_in_another(void **state)
{
    each_kind(*state, lanes_fail);
}

/* ---- order, and things that vanish ----------------------------------------------------------- */

static void a_batch_out_of_order_after_a_failure_is_refused(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    faults.write_errno = ENOSPC;
    struct fake_batch *first = batch_of(fixture, 0, 5, 100, NULL);
    struct fake_batch *second = batch_of(fixture, 5, 10, 100, NULL);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(first)), LEAT_OK);
    assert_int_equal(fake_batch_done(first).status, LEAT_ERETRY);
    heal();
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(second)), LEAT_AGAIN);
    assert_int_equal(fake_batch_done(second).calls, 0);
    assert_int_equal(insist(fixture, first, NULL), 0);
    assert_int_equal(insist(fixture, second, NULL), 0);
    assert_int_equal(count_in(fixture->directory), 10);
}

static void a_removed_segment_is_noticed_before_anything_is_confirmed(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    assert_true(offer(fixture, 0, 5, 100, NULL));
    char **names = segment_names(fixture->directory), path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, names[0]);
    assert_int_equal(unlink(path), 0);
    free_names(names);
    struct fake_batch *batch = batch_of(fixture, 5, 10, 100, NULL);
    assert_int_equal(insist(fixture, batch, NULL), 1);
    int *numbers;
    assert_int_equal(count_in_route(fixture, ".", &numbers), 5);
    assert_int_equal(numbers[0], 5);
    free(numbers);
}

static void a_removed_directory_is_retried_by_the_host(void **state)
{
    struct fixture *fixture = *state;
    sink_up(fixture);
    char command[256];
    snprintf(command, sizeof command, "%s.moved", fixture->directory);
    assert_true(offer(fixture, 0, 5, 100, NULL));
    snprintf(command, sizeof command, "rm -r %s", fixture->directory);
    assert_int_equal(system(command), 0);
    struct fake_batch *batch = batch_of(fixture, 5, 10, 100, NULL);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(batch)), LEAT_OK);
    assert_int_equal(fixture->ops->poll(fixture->sink, 0, &fixture->error), LEAT_ERETRY);
    assert_int_equal(fake_batch_done(batch).status, LEAT_ERETRY);
    (void)fixture->ops->stop(fixture->sink, 0);
    sink_up(fixture);
    assert_int_equal(fixture->start.holds, LEAT_HOLDS_NOTHING);
    assert_int_equal(insist(fixture, batch, NULL), 0);
}

static void stop_finishes_what_is_lent_or_lets_it_be(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.compression = COMPRESSION_ZSTD;
    sink_up(fixture);
    struct fake_batch *batch = batch_of(fixture, 0, 10, 100, NULL);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(batch)), LEAT_OK);
    assert_int_equal(fixture->ops->stop(fixture->sink, 1000), LEAT_OK);
    assert_true(fake_batch_durable(batch));
    sink_up(fixture);
    struct fake_batch *next = batch_of(fixture, 10, 20, 100, NULL);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(next)), LEAT_OK);
    assert_int_equal(fixture->ops->stop(fixture->sink, 0), LEAT_OK);
    assert_int_equal(fake_batch_done(next).calls, 0);
    fake_batch_forget(next);
    sink_up(fixture);
    offer_rest(fixture, 20, 10, 100);
    assert_int_equal(count_in(fixture->directory), 20);
}

/* ---- a disk that is full in earnest ---------------------------------------------------------- */

static void real_full_disk(struct fixture *fixture)
{
    char filler[160];
    snprintf(filler, sizeof filler, "%s/filler", fixture->base);
    int from = 0, failures = 0;
    sink_up(fixture);
    while (failures < 3) {
        struct fake_batch *batch = batch_of(fixture, from, from + 60, 2000, NULL);
        uint32_t at = 0;
        for (;;) {
            assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend_from(batch, at)),
                             LEAT_OK);
            (void)fixture->ops->poll(fixture->sink, 0, &fixture->error);
            struct fake_done done = fake_batch_done(batch);
            if (done.status == LEAT_OK)
                break;
            assert_int_equal(done.status, LEAT_ERETRY);
            assert_non_null(strstr(done.text, "No space left"));
            at += done.durable_count;
            failures++;
            if (failures == 1) /* space comes back; a reader sees what was confirmed */
                assert_int_equal(unlink(filler), 0);
            else
                return;
        }
        from += 60;
        assert_int_equal(count_in(fixture->directory), from);
    }
}

static void a_real_file_system_that_is_full(void **state)
{
    struct fixture *fixture = *state;
    char base[64];
    strcpy(base, fixture->base);
    for (int zstd = 0; zstd < 2; zstd++) {
        if (mount("tmpfs", base, "tmpfs", 0, "size=1m") != 0) {
            print_message("SKIPPED %s: mount is not permitted\n", __func__);
            skip();
        }
        char *filler = calloc(1, 500000);
        write_file(base, "filler", filler, 500000);
        free(filler);
        fixture->config.compression = zstd ? COMPRESSION_ZSTD : COMPRESSION_NONE;
        real_full_disk(fixture);
        int before = count_in(fixture->directory);
        sink_kill(fixture);
        sink_up(fixture); /* also while it is full */
        assert_int_equal(count_in(fixture->directory), before);
        sink_down(fixture, 0);
        assert_int_equal(umount(base), 0);
        fixture->start = (leat_sink_start){.name_space = "slot", .format = "json"};
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_loses_nothing_and_doubles_nothing),
        TEST(short_and_interrupted_writes_are_finished),
        TEST(a_kill_while_the_disk_is_full),
        TEST(a_failed_sync_is_answered_with_a_new_segment),
        TEST(a_segment_that_never_held_anything_is_removed),
        TEST(an_overlap_that_could_not_be_cut_is_cut_at_the_next_start),
        TEST(bytes_that_only_look_durable_are_not_believed_after_a_restart),
        TEST(nothing_is_durable_before_its_name_is),
        TEST(every_sync_may_fail),
        TEST(one_lane_failing_neither_loses_nor_doubles_in_another),
        TEST(a_batch_out_of_order_after_a_failure_is_refused),
        TEST(a_removed_segment_is_noticed_before_anything_is_confirmed),
        TEST(a_removed_directory_is_retried_by_the_host),
        TEST(stop_finishes_what_is_lent_or_lets_it_be),
        TEST(a_real_file_system_that_is_full),
    };
    return cmocka_run_group_tests_name("file_faults", tests, NULL, NULL);
}
