/* SPDX-License-Identifier: Apache-2.0
 *
 * test_rows.c -- updates and deletes under each REPLICA IDENTITY, values that were not sent,
 * versions of a relation.
 */
#include "fixture.h"

static void update_ok(struct fixture *f, char old, uint32_t count, const char *const *before,
                      const char *const *after)
{
    struct wire w = {0};
    wire_row(&w, 'U', 7);
    if (old)
        wire_tuple(&w, old, count, before);
    wire_tuple(&w, 'N', count, after);
    fixture_ok(f, &w);
}

static void delete_ok(struct fixture *f, char old, uint32_t count, const char *const *before)
{
    struct wire w = {0};
    wire_row(&w, 'D', 7);
    wire_tuple(&w, old, count, before);
    fixture_ok(f, &w);
}

static void update_without_old_row(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25 photo:17");
    update_ok(f, 0, 3, NULL, ROW("1", "b", WIRE_TOAST));
    change = fixture_change(f, 0);
    assert_int_equal(change->op, LEAT_UPDATE);
    assert_null(change->u.row.before);
    assert_ptr_equal(change->u.row.key, change->u.row.after);
    assert_value(&change->u.row.after[2], LEAT_VALUE_MISSING, NULL);
    assert_int_equal(change->flags & ~FIXTURE_TX, 0);
}

static void update_of_the_key(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    update_ok(f, 'K', 2, ROW("1", NULL), ROW("2", WIRE_TOAST));
    change = fixture_change(f, 0);
    assert_null(change->u.row.before);
    assert_value(&change->u.row.key[0], LEAT_VALUE_INTEGER, "1");
    assert_value(&change->u.row.after[0], LEAT_VALUE_INTEGER, "2");
    /* A null in an old key says nothing of the column. */
    assert_value(&change->u.row.after[1], LEAT_VALUE_MISSING, NULL);
    assert_int_equal(change->flags & ~FIXTURE_TX, LEAT_CHANGE_KEY_CHANGED);
}

static void key_stored_out_of_line_is_filled_in(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'i', "+id:25 note:25");
    update_ok(f, 'K', 2, ROW("long", NULL), ROW(WIRE_TOAST, "b"));
    change = fixture_change(f, 0);
    assert_value(&change->u.row.after[0], LEAT_VALUE_TEXT, "long");
    assert_int_equal(change->flags & ~FIXTURE_TX, 0);
}

static void full_has_before_and_the_primary_key(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    strcpy(f->key_names[0], "id");
    f->relation.key_count = 1;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'f', "+id:23 +note:25");
    update_ok(f, 'O', 2, ROW("1", "toasted"), ROW("1", WIRE_TOAST));
    delete_ok(f, 'O', 2, ROW("1", "toasted"));
    change = fixture_change(f, 0);
    assert_int_equal(change->relation->key_count, 1);
    assert_int_equal(change->relation->key[0], 0);
    assert_int_equal(leat_relation_column(change->relation, 1)->flags, 0);
    assert_value(&change->u.row.before[1], LEAT_VALUE_TEXT, "toasted");
    assert_value(&change->u.row.after[1], LEAT_VALUE_TEXT, "toasted");
    assert_ptr_equal(change->u.row.key, change->u.row.before);
    assert_int_equal(change->flags & ~FIXTURE_TX, 0);
    change = fixture_change(f, 1);
    assert_int_equal(change->op, LEAT_DELETE);
    assert_null(change->u.row.after);
    assert_ptr_equal(change->u.row.key, change->u.row.before);
    assert_int_equal(f->relation_asked, 1);
}

static void full_without_a_primary_key_identifies_nothing(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'f', "+id:23 +note:25");
    update_ok(f, 'O', 2, ROW("1", "a"), ROW("2", "a"));
    assert_int_equal(fixture_change(f, 0)->relation->key_count, 0);
    assert_null(fixture_change(f, 0)->u.row.key);
    assert_non_null(fixture_change(f, 0)->u.row.before);
    assert_int_equal(fixture_change(f, 0)->flags & ~FIXTURE_TX, 0);
}

static void part_of_a_key_is_no_key(void **state)
{
    struct fixture *f = *state;
    strcpy(f->key_names[0], "id");
    strcpy(f->key_names[1], "hidden");
    f->relation.key_count = 2;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'f', "+id:23 +note:25");
    feed_insert_ok(f, 7, 2, ROW("1", "a"));
    assert_int_equal(fixture_change(f, 0)->relation->key_count, 0);
    assert_int_equal(leat_relation_column(fixture_change(f, 0)->relation, 0)->flags, 0);
}

static void untrue_old_row_gives_the_key_alone(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    strcpy(f->key_names[0], "id");
    f->relation.key_count = 1;
    f->relation.old_row_untrue = true;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'f', "+id:25 +note:25");
    update_ok(f, 'O', 2, ROW("1", "x"), ROW(WIRE_TOAST, WIRE_TOAST));
    delete_ok(f, 'O', 2, ROW("1", NULL));
    change = fixture_change(f, 0);
    assert_null(change->u.row.before);
    assert_value(&change->u.row.key[0], LEAT_VALUE_TEXT, "1");
    assert_value(&change->u.row.after[0], LEAT_VALUE_TEXT, "1");
    assert_value(&change->u.row.after[1], LEAT_VALUE_MISSING, NULL);
    change = fixture_change(f, 1);
    assert_null(change->u.row.before);
    assert_value(&change->u.row.key[0], LEAT_VALUE_TEXT, "1");
}

static void delete_by_key(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    delete_ok(f, 'K', 2, ROW("1", NULL));
    assert_null(fixture_change(f, 0)->u.row.before);
    assert_null(fixture_change(f, 0)->u.row.after);
    assert_value(&fixture_change(f, 0)->u.row.key[0], LEAT_VALUE_INTEGER, "1");
}

static void identity_nothing_has_no_key(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'n', "+id:23 note:25");
    feed_insert_ok(f, 7, 2, ROW("1", NULL));
    assert_int_equal(fixture_change(f, 0)->relation->key_count, 0);
    assert_null(fixture_change(f, 0)->u.row.key);
}

static void rows_of_the_wrong_shape_are_refused(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', 1, ROW("1"));
    fixture_fatal(f, &w, "another number of columns");
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', 3, ROW("1", "2", "3"));
    fixture_fatal(f, &w, "another number of columns");
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'K', 2, ROW("1", "2"));
    fixture_fatal(f, &w, "wrong kind");
    wire_row(&w, 'D', 7);
    wire_tuple(&w, 'N', 2, ROW("1", "2"));
    fixture_fatal(f, &w, "wrong kind");
    wire_row(&w, 'U', 7);
    wire_tuple(&w, 'K', 2, ROW("1", "2"));
    wire_tuple(&w, 'O', 2, ROW("1", "2"));
    fixture_fatal(f, &w, "no new row");
    wire_row(&w, 'I', 7);
    wire_u8(&w, 'N');
    wire_u16(&w, 2);
    wire_u8(&w, 'b');
    wire_u32(&w, 1);
    wire_u8(&w, 0);
    wire_u8(&w, 'n');
    fixture_fatal(f, &w, "binary");
    wire_row(&w, 'I', 7);
    wire_u8(&w, 'N');
    wire_u16(&w, 2);
    wire_u8(&w, 't');
    wire_u32(&w, UINT32_MAX);
    wire_u8(&w, 'n');
    fixture_fatal(f, &w, "longer than its message");
    assert_int_equal(fixture_count(f), 0);
    /* None of them has counted. */
    feed_insert_ok(f, 7, 2, ROW("1", "2"));
    assert_int_equal(fixture_change(f, 0)->identity.seq, 0);
}

static void same_description_keeps_the_version(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    for (int i = 0; i < 2; i++) {
        feed_relation_ok(f, 7, 'd', "+id:23 note:25");
        feed_insert_ok(f, 7, 2, ROW("1", "a"));
    }
    feed_relation_ok(f, 7, 'd', "+id:23 note:25 more:25");
    feed_insert_ok(f, 7, 3, ROW("1", "a", "b"));
    assert_ptr_equal(fixture_change(f, 0)->relation, fixture_change(f, 1)->relation);
    assert_int_not_equal(fixture_change(f, 0)->relation->id, fixture_change(f, 2)->relation->id);
    assert_int_equal(fixture_change(f, 0)->relation->column_count, 2);
    assert_int_equal(fixture_change(f, 2)->relation->column_count, 3);
}

static void full_asks_again_and_takes_a_new_key(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            strcpy(f->key_names[0], "id");
            f->relation.key_count = 1;
        }
        feed_relation_ok(f, 7, 'f', "+id:23 +note:25");
        feed_insert_ok(f, 7, 2, ROW("1", "a"));
        feed_insert_ok(f, 7, 2, ROW("1", "a"));
    }
    assert_int_equal(f->relation_asked, 3);
    assert_ptr_equal(fixture_change(f, 0)->relation, fixture_change(f, 2)->relation);
    assert_ptr_not_equal(fixture_change(f, 0)->relation, fixture_change(f, 4)->relation);
    assert_int_equal(fixture_change(f, 4)->relation->key_count, 1);
}

static void old_versions_live_until_their_batches_return(void **state)
{
    struct fixture *f = *state;
    const leat_relation *old;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 first:25");
    feed_insert_ok(f, 7, 2, ROW("1", "a"));
    old = fixture_change(f, 0)->relation;
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_insert_ok(f, 7, 1, ROW("1"));
    decoder_begin_stream(f->decoder);
    /* ASan is the judge of these. */
    assert_memory_equal(leat_relation_column(old, 1)->name.ptr, "first", 5);
    decoder_returned(f->decoder, fake_source_host_return(&f->fake, 1));
    assert_int_equal(fixture_change(f, 0)->relation->column_count, 1);
}

static void catalogue_out_of_reach_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    f->types[0] = (struct type_info){TYPE_DOMAIN, 23, 0, NULL, 0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'f', "+id:23 +d:20000");
    f->answer = LEAT_ERETRY;
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', 2, ROW("1", "2"));
    assert_int_equal(fixture_try(f, &w), LEAT_ERETRY);
    f->answer = LEAT_OK;
    feed_insert_ok(f, 7, 2, ROW("1", "2"));
    assert_int_equal(fixture_count(f), 1);
    assert_int_equal(fixture_change(f, 0)->identity.seq, 0);
    assert_value(&fixture_change(f, 0)->u.row.after[1], LEAT_VALUE_INTEGER, "2");
}

static void announced_types_are_asked_again(void **state)
{
    struct fixture *f = *state;
    f->types[0] = (struct type_info){TYPE_ENUM, 0, 0, NULL, 0};
    feed_begin_ok(f, 0x500);
    for (int i = 0; i < 3; i++) {
        struct wire w = {0};
        if (i == 2) {
            wire_u8(&w, 'Y');
            wire_u32(&w, 20000);
            wire_string(&w, "");
            wire_string(&w, "e");
            fixture_ok(f, &w);
        }
        feed_relation_ok(f, 7, 'd', "+id:23 e:20000");
        feed_insert_ok(f, 7, 2, ROW("1", "a"));
        assert_int_equal(f->type_asked, i == 2 ? 2 : 1);
    }
    assert_ptr_equal(fixture_change(f, 0)->relation, fixture_change(f, 2)->relation);
}

static void relations_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    for (uint32_t i = 0; i < 100; i++)
        feed_relation_ok(f, 1000 + i * 64, 'd', "+id:23");
    for (uint32_t i = 0; i < 100; i++)
        feed_insert_ok(f, 1000 + i * 64, 1, ROW("1"));
    wire_relation(&w, 5, "s", "t", 'd', "+id:23");
    fixture_fatal(f, &w, "more tables");
    feed_relation_ok(f, 1000, 'd', "+id:23 more:23");
    assert_int_equal(fixture_count(f), 100);
}

static void hostile_descriptions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    wire_relation(&w, 5, "s", "t", 'x', "+id:23");
    fixture_fatal(f, &w, "replica identity");
    wire_relation(&w, 5, "s", "t", 'd', "");
    w.bytes[w.len - 2] = (char)0xff;
    fixture_fatal(f, &w, "too many columns");
    /* No column at all is a table. */
    feed_relation_ok(f, 7, 'd', "");
    feed_begin_ok(f, 0x500);
    feed_insert_ok(f, 7, 0, NULL);
    assert_int_equal(fixture_change(f, 0)->relation->column_count, 0);
}

static void empty_schema_is_pg_catalog(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    wire_relation(&w, 7, "", "t", 'd', "+id:23");
    fixture_ok(f, &w);
    feed_begin_ok(f, 0x500);
    feed_insert_ok(f, 7, 1, ROW("1"));
    assert_memory_equal(fixture_change(f, 0)->relation->schema.ptr, "pg_catalog", 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(update_without_old_row),
        TEST(update_of_the_key),
        TEST(key_stored_out_of_line_is_filled_in),
        TEST(full_has_before_and_the_primary_key),
        TEST(full_without_a_primary_key_identifies_nothing),
        TEST(part_of_a_key_is_no_key),
        TEST(untrue_old_row_gives_the_key_alone),
        TEST(delete_by_key),
        TEST(identity_nothing_has_no_key),
        TEST(rows_of_the_wrong_shape_are_refused),
        TEST(same_description_keeps_the_version),
        TEST(full_asks_again_and_takes_a_new_key),
        TEST(old_versions_live_until_their_batches_return),
        TEST(catalogue_out_of_reach_takes_nothing),
        TEST(announced_types_are_asked_again),
        TEST(relations_are_bounded),
        TEST(hostile_descriptions_are_refused),
        TEST(empty_schema_is_pg_catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
