/* SPDX-License-Identifier: Apache-2.0
 *
 * test_messages.c -- transactions, identities, positions, and what is refused.
 */
#include "fixture.h"

static void insert_carries_identity_and_transaction(void **state)
{
    struct fixture *f = *state;
    const leat_change *change;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    feed_insert_ok(f, 7, 2, ROW("1", "a"));
    feed_insert_ok(f, 7, 2, ROW("2", NULL));
    feed_commit_ok(f, 0x500, 0x530);
    assert_int_equal(fixture_count(f), 2);
    change = fixture_change(f, 1);
    assert_int_equal(change->identity.position, 0x500);
    assert_int_equal(change->identity.seq, 1);
    assert_int_equal(change->op, LEAT_INSERT);
    assert_int_equal(change->transaction->xid, 741);
    assert_int_equal(change->transaction->commit_us, INT64_C(946684801000000));
    assert_ptr_equal(change->transaction, fixture_change(f, 0)->transaction);
    assert_value(&change->u.row.after[0], LEAT_VALUE_INTEGER, "2");
    assert_value(&change->u.row.after[1], LEAT_VALUE_NULL, NULL);
    assert_int_equal(change->relation->key_count, 1);
    assert_ptr_equal(change->u.row.key, change->u.row.after);
    assert_int_equal(f->fake.safe_position, 0x530);
    assert_int_equal(decoder_restart_position(f->decoder), 0x530);
    assert_int_equal(decoder_change_count(f->decoder), 2);
}

static void safe_position_moves_only_with_a_commit(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_insert_ok(f, 7, 1, ROW("1"));
    decoder_flush(f->decoder);
    assert_int_equal(f->fake.safe_position, 0);
    assert_int_equal(f->fake.published, 1);
    assert_true(decoder_in_transaction(f->decoder));
    feed_insert_ok(f, 7, 1, ROW("2"));
    feed_commit_ok(f, 0x500, 0x530);
    feed_begin_ok(f, 0x600);
    feed_insert_ok(f, 7, 1, ROW("3"));
    decoder_flush(f->decoder);
    assert_int_equal(f->fake.safe_position, 0x530);
    assert_int_equal(f->fake.idle_count, 0);
    /* All of it is published: the commit has only the idle position to move. */
    feed_commit_ok(f, 0x600, 0x630);
    assert_int_equal(f->fake.idle_position, 0x630);
}

static void each_batch_has_its_own_transaction(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_insert_ok(f, 7, 1, ROW("1"));
    decoder_flush(f->decoder);
    feed_insert_ok(f, 7, 1, ROW("2"));
    feed_commit_ok(f, 0x500, 0x530);
    assert_ptr_not_equal(fixture_change(f, 0)->transaction, fixture_change(f, 1)->transaction);
    assert_int_equal(fixture_change(f, 1)->transaction->xid, 741);
    assert_int_equal(fixture_change(f, 1)->identity.seq, 1);
}

static void empty_transaction_moves_the_position(void **state)
{
    struct fixture *f = *state;
    feed_begin_ok(f, 0x500);
    feed_commit_ok(f, 0x500, 0x530);
    assert_int_equal(fixture_count(f), 0);
    assert_int_equal(f->fake.published, 0);
    assert_int_equal(f->fake.idle_position, 0x530);
    assert_int_equal(decoder_restart_position(f->decoder), 0x530);
    assert_false(decoder_pending(f->decoder, NULL));
}

static void truncate_gives_one_change_a_table(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_relation_ok(f, 8, 'n', "id:23");
    wire_u8(&w, 'T');
    wire_u32(&w, 2);
    wire_u8(&w, 3);
    wire_u32(&w, 8);
    wire_u32(&w, 7);
    fixture_ok(f, &w);
    feed_insert_ok(f, 7, 1, ROW("1"));
    assert_int_equal(fixture_count(f), 3);
    assert_int_equal(fixture_change(f, 0)->op, LEAT_TRUNCATE);
    assert_int_equal(fixture_change(f, 0)->relation->key_count, 0);
    assert_int_equal(fixture_change(f, 0)->flags & ~FIXTURE_TX,
                     LEAT_CHANGE_CASCADE | LEAT_CHANGE_RESTART_IDENTITY);
    assert_int_equal(fixture_change(f, 1)->identity.seq, 1);
    assert_int_equal(fixture_change(f, 2)->identity.seq, 2);
    wire_u8(&w, 'T');
    wire_u32(&w, 1);
    wire_u8(&w, 0);
    wire_u32(&w, 99);
    fixture_fatal(f, &w, "not described");
}

static void messages_in_and_out_of_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    const leat_change *change;
    wire_message(&w, 0, 0x500, "beat", "x");
    fixture_ok(f, &w);
    feed_begin_ok(f, 0x500); /* equal to the message's own LSN, and behind it */
    wire_message(&w, 1, 0x4f0, "", "inside");
    fixture_ok(f, &w);
    feed_commit_ok(f, 0x500, 0x530);
    change = fixture_change(f, 0);
    assert_int_equal(change->op, LEAT_MESSAGE);
    assert_int_equal(change->identity.position, 0x500);
    assert_int_equal(change->identity.seq, -1);
    assert_null(change->transaction);
    assert_null(change->relation);
    assert_int_equal(change->flags & ~FIXTURE_TX, 0);
    assert_memory_equal(change->u.message.prefix.ptr, "beat", 4);
    assert_int_equal(change->u.message.content.len, 1);
    change = fixture_change(f, 1);
    assert_int_equal(change->identity.seq, 0);
    assert_int_equal(change->flags & ~FIXTURE_TX, LEAT_CHANGE_TRANSACTIONAL);
    assert_int_equal(change->u.message.prefix.len, 0);
    assert_memory_equal(change->u.message.content.ptr, "inside", 6);
    assert_int_equal(change->transaction->position, 0x500);
}

static void origin_and_type_are_taken(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    wire_u8(&w, 'O');
    wire_u64(&w, 5);
    wire_string(&w, "elsewhere");
    fixture_ok(f, &w);
    wire_u8(&w, 'Y');
    wire_u32(&w, 20001);
    wire_string(&w, "public");
    wire_string(&w, "mood");
    fixture_ok(f, &w);
}

static void sequence_errors_are_refused(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    wire_commit(&w, 0x500, 0x530);
    fixture_fatal(f, &w, "commit without a transaction");
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', 1, ROW("1"));
    fixture_fatal(f, &w, "row outside a transaction");
    wire_message(&w, 1, 0x500, "", "");
    fixture_fatal(f, &w, "outside a transaction");
    wire_u8(&w, 'T');
    wire_u32(&w, 0);
    wire_u8(&w, 0);
    fixture_fatal(f, &w, "truncate outside");
    feed_begin_ok(f, 0x500);
    wire_begin(&w, 0x600, 1);
    fixture_fatal(f, &w, "inside another");
    wire_message(&w, 0, 0x600, "", "");
    fixture_fatal(f, &w, "no transaction inside");
    wire_commit(&w, 0x501, 0x530);
    fixture_fatal(f, &w, "another place");
    wire_commit(&w, 0x500, 0x500);
    fixture_fatal(f, &w, "ends before");
    feed_commit_ok(f, 0x500, 0x530);
    wire_begin(&w, 0x500, 1);
    fixture_fatal(f, &w, "before what came before");
    wire_message(&w, 0, 0x500, "", "");
    fixture_fatal(f, &w, "before what came before");
}

static void other_protocols_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    static const char types[] = "ScEAbPKrpZ";
    feed_begin_ok(f, 0x1600000500);
    for (size_t i = 0; types[i]; i++) {
        struct wire w = {0};
        wire_u8(&w, types[i]);
        wire_u64(&w, 1);
        fixture_fatal(f, &w, "no message of protocol 1");
        assert_non_null(strstr(f->error.text, "16/500"));
        assert_int_equal(f->error.text[26], types[i]);
    }
    struct wire empty = {0};
    fixture_fatal(f, &empty, "no message of protocol 1");
}

static void every_cut_message_is_refused(void **state)
{
    struct fixture *f = *state;
    struct wire whole[9] = {0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23 note:25");
    wire_begin(&whole[0], 0x600, 1);
    wire_commit(&whole[1], 0x500, 0x530);
    wire_relation(&whole[2], 9, "s", "t", 'd', "+a:23 b:25");
    wire_message(&whole[3], 1, 1, "p", "content");
    wire_row(&whole[4], 'I', 7);
    wire_tuple(&whole[4], 'N', 2, ROW("1", "a"));
    wire_row(&whole[5], 'U', 7);
    wire_tuple(&whole[5], 'K', 2, ROW("1", NULL));
    wire_tuple(&whole[5], 'N', 2, ROW("1", "a"));
    wire_row(&whole[6], 'D', 7);
    wire_tuple(&whole[6], 'O', 2, ROW("1", "a"));
    wire_u8(&whole[7], 'T');
    wire_u32(&whole[7], 1);
    wire_u8(&whole[7], 0);
    wire_u32(&whole[7], 7);
    wire_u8(&whole[8], 'Y');
    wire_u32(&whole[8], 1);
    wire_string(&whole[8], "a");
    wire_string(&whole[8], "b");
    for (size_t i = 0; i < 9; i++) {
        for (size_t len = 1; len < whole[i].len; len++) {
            struct wire cut = {0};
            wire_put(&cut, whole[i].bytes, len);
            fixture_fatal(f, &cut, "");
        }
        wire_u8(&whole[i], 0);
        fixture_fatal(f, &whole[i], i == 0 ? "" : "too long");
    }
    assert_int_equal(fixture_count(f), 0);
}

static void what_comes_again_is_skipped(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    for (int stream = 0; stream < 2; stream++) {
        if (stream)
            decoder_begin_stream(f->decoder);
        wire_message(&w, 0, 0x500, "beat", "x");
        fixture_ok(f, &w);
        feed_begin_ok(f, 0x500);
        feed_relation_ok(f, 7, 'd', "+id:23");
        feed_insert_ok(f, 7, 1, ROW("1"));
        feed_insert_ok(f, 7, 1, ROW("2"));
        if (stream == 0)
            continue;
        assert_int_equal(decoder_change_count(f->decoder), 3);
        wire_u8(&w, 'T'); /* seq 2: new */
        wire_u32(&w, 1);
        wire_u8(&w, 0);
        wire_u32(&w, 7);
        fixture_ok(f, &w);
        feed_commit_ok(f, 0x500, 0x530);
    }
    assert_int_equal(fixture_count(f), 4);
    assert_int_equal(fixture_change(f, 3)->identity.seq, 2);
    assert_int_equal(fixture_change(f, 3)->op, LEAT_TRUNCATE);
    assert_int_equal(f->fake.safe_position, 0x530);
    /* A whole transaction again: nothing, and nothing moves back. */
    decoder_begin_stream(f->decoder);
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    feed_insert_ok(f, 7, 1, ROW("1"));
    feed_commit_ok(f, 0x500, 0x530);
    assert_int_equal(fixture_count(f), 4);
    assert_int_equal(decoder_restart_position(f->decoder), 0x530);
}

static void a_new_stream_describes_everything_anew(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    decoder_begin_stream(f->decoder);
    feed_begin_ok(f, 0x500);
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', 1, ROW("1"));
    fixture_fatal(f, &w, "not described");
}

static void errors_show_no_row(void **state)
{
    struct fixture *f = *state;
    struct wire w = {0};
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    wire_row(&w, 'I', 7);
    wire_tuple(&w, 'N', 1, ROW("secret"));
    fixture_fatal(f, &w, "not what its type prints");
    assert_non_null(strstr(f->error.text, "begins 49000000074e0001"));
    assert_null(strstr(f->error.text, "7365637265"));
}

static void pending_says_since_when(void **state)
{
    struct fixture *f = *state;
    int64_t since = 0;
    assert_false(decoder_pending(f->decoder, &since));
    feed_begin_ok(f, 0x500);
    feed_relation_ok(f, 7, 'd', "+id:23");
    f->fake.clock_ns = 77;
    feed_insert_ok(f, 7, 1, ROW("1"));
    f->fake.clock_ns = 99;
    feed_insert_ok(f, 7, 1, ROW("2"));
    assert_true(decoder_pending(f->decoder, &since));
    assert_int_equal(since, 77);
    decoder_flush(f->decoder);
    assert_false(decoder_pending(f->decoder, &since));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(insert_carries_identity_and_transaction),
        TEST(safe_position_moves_only_with_a_commit),
        TEST(each_batch_has_its_own_transaction),
        TEST(empty_transaction_moves_the_position),
        TEST(truncate_gives_one_change_a_table),
        TEST(messages_in_and_out_of_a_transaction),
        TEST(origin_and_type_are_taken),
        TEST(sequence_errors_are_refused),
        TEST(other_protocols_are_refused_by_name),
        TEST(every_cut_message_is_refused),
        TEST(what_comes_again_is_skipped),
        TEST(a_new_stream_describes_everything_anew),
        TEST(errors_show_no_row),
        TEST(pending_says_since_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
