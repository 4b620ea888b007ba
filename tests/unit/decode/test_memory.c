/* SPDX-License-Identifier: Apache-2.0
 *
 * test_memory.c -- room, and what happens without it.
 */
#include "fixture.h"

static struct wire insert_message(uint32_t count, const char *const *values)
{
    struct wire w = {0};
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', count, values);
    return w;
}

/* However batches end, and whoever had no memory: a transaction's first and last change say so. */
static void first_and_last_of_a_transaction_are_marked(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    f->fake.target_bytes = 1; /* every batch is full with its first change */
    feed_begin_ok(f, 0x100);
    feed_relation_ok(f, 7, 'd', "+id:23");
    for (unsigned rows = 1; rows <= 5; rows++) {
        if (rows > 1)
            feed_begin_ok(f, 0x100 * rows);
        for (unsigned i = 0; i < rows; i++)
            feed_insert_ok(f, 7, 1, ROW("1"));
        feed_commit_ok(f, 0x100 * rows, 0x100 * rows + 0x10);
    }
    for (unsigned rows = 1; rows <= 5; rows++) {
        for (unsigned i = 0; i < rows; i++, at++)
            assert_int_equal(fixture_change(f, at)->flags & FIXTURE_TX,
                             (i == 0 ? LEAT_CHANGE_TX_FIRST : 0) |
                                 (i + 1 == rows ? LEAT_CHANGE_TX_LAST : 0));
    }
}

static void full_batches_are_published_inside_a_transaction(void **state)
{
    struct fixture *f = *state;
    f->fake.slab_bytes = 1024;
    f->fake.target_bytes = 4096;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    for (int i = 0; i < 1000; i++)
        feed_insert_ok(f, 7, 2, ROW("1", "some text"));
    assert_true(f->fake.published > 10);
    assert_int_equal(f->fake.safe_position, 0);
    feed_commit_ok(f, 0x500, 0x530);
    assert_int_equal(fixture_count(f), 1000);
    for (int i = 0; i < 1000; i += 111)
        assert_int_equal(fixture_change(f, (size_t)i)->identity.seq, i);
}

static void no_memory_publishes_and_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    size_t taken = 0;
    leat_status status;
    f->fake.slab_bytes = 1024;
    f->fake.memory_bytes = 8192;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    do {
        w = insert_message(2, ROW("1", "some text"));
        status = fixture_try(f, &w);
        taken += status == LEAT_OK;
    } while (status == LEAT_OK);
    assert_int_equal(status, LEAT_AGAIN);
    assert_int_equal(f->fake.published, 1);
    assert_false(decoder_pending(f->decoder, NULL));
    for (int i = 0; i < 3; i++) {
        w = insert_message(2, ROW("1", "some text"));
        assert_int_equal(fixture_try(f, &w), LEAT_AGAIN);
    }
    assert_int_equal(f->fake.published, 1);
    (void)fake_source_host_return(&f->fake, 1);
    feed_insert_ok(f, 7, 2, ROW("1", "some text"));
    assert_int_equal(fixture_change(f, 0)->identity.seq, taken);
}

static void empty_batch_is_not_published_for_lack_of_room(void **state)
{
    struct fixture *f = *state;
    struct wire w;
    char text[70000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    for (int i = 0; i < 3; i++) {
        f->fake.again_reserves = 1;
        w = insert_message(2, ROW("1", text));
        assert_int_equal(fixture_try(f, &w), LEAT_AGAIN);
        assert_int_equal(f->fake.published, 0);
    }
    f->fake.again_opens = 0;
    feed_insert_ok(f, 7, 2, ROW("1", text));
    assert_int_equal(fixture_count(f), 1);
}

static void row_that_never_fits_is_rejected_by_name(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    char text[20000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    f->fake.memory_bytes = 16384;
    f->fake.slab_bytes = 1024;
    feed_begin_ok(f, 0x500);
    wire_relation(&w, 7, "public", "the \"table\"\n", 'd', "+id:23 note:25");
    fixture_ok(f, &w);
    w = insert_message(2, ROW("1", text));
    assert_int_equal(fixture_try(f, &w), LEAT_EREJECT);
    assert_int_equal(f->error.status, LEAT_EREJECT);
    assert_non_null(strstr(f->error.text, "public.the\\x20\\x22table\\x22\\x0a at 0/500"));
    assert_non_null(strstr(f->error.text, "20018 bytes"));
    assert_non_null(strstr(f->error.text, "memory is 16384 bytes"));
    feed_insert_ok(f, 7, 2, ROW("1", "small"));
    assert_int_equal(fixture_change(f, 0)->identity.seq, 0);
}

/* The least memory with which the insert is taken. */
static size_t least_memory(struct fixture *f, const char *columns, uint32_t count,
                           const char *const *values)
{
    size_t size;
    for (size = 64; size < 65536; size += 8) {
        struct wire w;
        leat_status status;
        fake_source_host_fini(&f->fake);
        fake_source_host_init(&f->fake);
        f->fake.memory_bytes = size;
        f->fake.slab_bytes = 8;
        fixture_restart(f);
        feed_begin_ok(f, 0x500);
        feed_relation_ok(f, 7, 'd', columns);
        w = insert_message(count, values);
        status = fixture_try(f, &w);
        if (status == LEAT_OK)
            break;
        assert_int_equal(status, LEAT_EREJECT);
    }
    assert_int_equal(fixture_count(f), 1);
    return size;
}

static void a_row_needs_exactly_what_it_takes(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    size_t size = least_memory(f, "+id:23 b:17 j:114 t:1184 a:1009", 5,
                               ROW("1", "\\x0102030405060708090a", "{ \"a\" : 1 }",
                                   "2026-11-22 10:00:00+00", "{a,\"\x01\x01\",NULL,c,d,e,f,g}"));
    size_t message = 8 + (5 + 1) + (5 + 22) + (5 + 11) + (5 + 22) + (5 + 21);
    size_t array = strlen("[\"a\",\"\\u0001\\u0001\",null,\"c\",\"d\",\"e\",\"f\",\"g\"]");
    size_t need = (message + 7) / 8 * 8 + 5 * sizeof(leat_value) + (array + 7) / 8 * 8 +
                  (sizeof(leat_change) + 7) / 8 * 8 + (sizeof(leat_transaction) + 7) / 8 * 8;
    assert_int_equal(size, need);
    change = fixture_change(f, 0);
    assert_value(&change->u.row.after[1], LEAT_VALUE_BYTES,
                 "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a");
    assert_value(&change->u.row.after[4], LEAT_VALUE_JSON,
                 "[\"a\",\"\\u0001\\u0001\",null,\"c\",\"d\",\"e\",\"f\",\"g\"]");
}

static void rows_that_grow_fill_slabs_of_any_size(void **state)
{
    struct fixture *f = *state;
    for (size_t slab = 8; slab < 1200; slab += 8) {
        fake_source_host_fini(&f->fake);
        fake_source_host_init(&f->fake);
        f->fake.slab_bytes = slab;
        f->fake.extra_change_bytes = (uint32_t)(slab % 3 * 8);
        fixture_restart(f);
        feed_begin_ok(f, 0x500);
        feed_relation_ok(f, 7, 'd', "+id:23 a:1009");
        for (int i = 0; i < 8; i++)
            feed_insert_ok(f, 7, 2, ROW("1", "{a,b,\"\x01\x02\x03\x04\",d}"));
        assert_int_equal(fixture_count(f), 8);
        for (size_t i = 0; i < 8; i++)
            assert_value(&fixture_change(f, i)->u.row.after[1], LEAT_VALUE_JSON,
                         "[\"a\",\"b\",\"\\u0001\\u0002\\u0003\\u0004\",\"d\"]");
    }
}

static void no_batch_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    f->fake.again_opens = 3;
    w = insert_message(1, ROW("1"));
    assert_int_equal(fixture_try(f, &w), LEAT_AGAIN);
    wire_message(&w, 1, 1, "p", "c");
    assert_int_equal(fixture_try(f, &w), LEAT_AGAIN);
    wire_u8(&w, 'T');
    wire_u32(&w, 1);
    wire_u8(&w, 0);
    wire_u32(&w, 7);
    assert_int_equal(fixture_try(f, &w), LEAT_AGAIN);
    feed_insert_ok(f, 7, 1, ROW("1"));
    assert_int_equal(fixture_change(f, 0)->identity.seq, 0);
}

static void a_transaction_that_comes_again_keeps_its_place_in_the_open_batch(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_insert_ok(f, 7, 1, ROW("1"));
    decoder_begin_stream(f->decoder);
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_insert_ok(f, 7, 1, ROW("1"));
    feed_insert_ok(f, 7, 1, ROW("2"));
    feed_commit_ok(f, 0x500, 0x530);
    assert_int_equal(fixture_count(f), 2);
    assert_ptr_equal(fixture_change(f, 0)->transaction, fixture_change(f, 1)->transaction);
    assert_ptr_not_equal(fixture_change(f, 0)->relation, fixture_change(f, 1)->relation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_and_last_of_a_transaction_are_marked),
        TEST(full_batches_are_published_inside_a_transaction),
        TEST(no_memory_publishes_and_takes_nothing),
        TEST(empty_batch_is_not_published_for_lack_of_room),
        TEST(row_that_never_fits_is_rejected_by_name),
        TEST(a_row_needs_exactly_what_it_takes),
        TEST(rows_that_grow_fill_slabs_of_any_size),
        TEST(no_batch_takes_nothing),
        TEST(a_transaction_that_comes_again_keeps_its_place_in_the_open_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
