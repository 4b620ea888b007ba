/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pool.c -- the slab pool: runs never overlap, all comes back, what does not fit is refused.
 */
#include "pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLAB 4096u

static void gives_runs_that_do_not_overlap(void **state)
{
    struct pool pool;
    struct {
        unsigned char *run;
        uint32_t slabs;
        unsigned char mark;
    } held[64];
    unsigned count = 0;
    uint32_t random = 12345;

    (void)state;
    assert_true(pool_init(&pool, 64 * SLAB, SLAB, false));
    for (int turn = 0; turn < 20000; turn++) {
        random = random * 1103515245u + 12345u;
        if (count > 0 && random >> 16 & 1) {
            unsigned at = (random >> 8) % count;
            for (size_t i = 0; i < (size_t)held[at].slabs * SLAB; i += 512)
                assert_int_equal(held[at].run[i], held[at].mark);
            pool_give(&pool, held[at].run, held[at].slabs);
            held[at] = held[--count];
            continue;
        }
        held[count].slabs = 1 + (random >> 24) % 5;
        held[count].run = pool_take(&pool, held[count].slabs);
        if (!held[count].run)
            continue;
        held[count].mark = (unsigned char)turn;
        memset(held[count].run, held[count].mark, (size_t)held[count].slabs * SLAB);
        count++;
    }
    while (count-- > 0)
        pool_give(&pool, held[count].run, held[count].slabs);
    assert_int_equal(pool.used, 0);
    pool_fini(&pool);
}

static void gives_all_of_itself_in_one_run(void **state)
{
    struct pool pool;
    void *all, *one;

    (void)state;
    assert_true(pool_init(&pool, 100 * SLAB, SLAB, false));
    one = pool_take(&pool, 1);
    assert_null(pool_take(&pool, 100));
    pool_give(&pool, one, 1);
    all = pool_take(&pool, 100);
    assert_non_null(all);
    assert_null(pool_take(&pool, 1));
    pool_give(&pool, all, 100);
    assert_null(pool_take(&pool, 101));
    pool_fini(&pool);
}

static void uses_the_low_end_first_and_trims_the_rest(void **state)
{
    struct pool pool;
    void *run[10];

    (void)state;
    assert_true(pool_init(&pool, 10 * SLAB, SLAB, false));
    for (int i = 0; i < 10; i++)
        run[i] = pool_take(&pool, 1);
    for (int i = 9; i > 0; i--)
        pool_give(&pool, run[i], 1);
    assert_int_equal(pool.touched, 10);
    pool_trim(&pool);
    assert_int_equal(pool.touched, 1);
    assert_ptr_equal(pool_take(&pool, 1), run[1]);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_runs_that_do_not_overlap),
        cmocka_unit_test(gives_all_of_itself_in_one_run),
        cmocka_unit_test(uses_the_low_end_first_and_trims_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
