/* SPDX-License-Identifier: Apache-2.0
 *
 * test_path.c -- where a path leads: links, dots, slashes, and parts that do not exist yet.
 */
#include "support.h"

#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char here[PATH_MAX];

static int enter(void **state)
{
    return enter_folder(state) == 0 && getcwd(here, sizeof here) ? 0 : -1;
}

/* expected: from the test's folder on. */
static void leads_to(const char *path, const char *expected)
{
    char found[PATH_MAX], full[2 * PATH_MAX];
    assert_true(path_resolve(path, found));
    (void)snprintf(full, sizeof full, "%s%s", here, expected);
    assert_string_equal(found, full);
}

static void a_path_is_what_it_leads_to(void **state)
{
    (void)state;
    char out[PATH_MAX], absolute[PATH_MAX + 8];
    make_folder("real");
    make_folder("real/in");
    assert_int_equal(symlink("real", "link"), 0);
    assert_int_equal(symlink("../real/in", "real/up"), 0);
    (void)snprintf(absolute, sizeof absolute, "%s/real", here);
    assert_int_equal(symlink(absolute, "far"), 0);
    assert_int_equal(symlink("not/yet", "dangling"), 0);
    leads_to("real", "/real");
    leads_to("./real//in/.///", "/real/in");
    leads_to("link/in", "/real/in");
    leads_to("link/up/../x", "/real/x");
    leads_to("far/in/..", "/real");
    leads_to("link/../far/up", "/real/in");
    leads_to("dangling/x", "/not/yet/x");
    leads_to("missing/../real/new/./newer", "/real/new/newer");
    leads_to("", "");
    leads_to(absolute, "/real");
    assert_true(path_resolve("/..//../", out));
    assert_string_equal(out, "/");
}

static void what_leads_nowhere_is_told(void **state)
{
    (void)state;
    char out[PATH_MAX], deep[PATH_MAX + 2];
    assert_int_equal(symlink("round", "about"), 0);
    assert_int_equal(symlink("about", "round"), 0);
    assert_false(path_resolve("round/x", out));
    memset(deep, 'x', sizeof deep);
    deep[PATH_MAX] = '\0';
    assert_false(path_resolve(deep, out));
    deep[PATH_MAX - 3] = '\0'; /* it fits, but not behind the folder */
    assert_false(path_resolve(deep, out));
    memcpy(deep, "/tmp", 4); /* nothing but slashes */
    memset(deep + 4, '/', PATH_MAX - 5);
    deep[PATH_MAX - 1] = '\0';
    assert_true(path_resolve(deep, out));
    assert_string_equal(out, "/tmp");
}

static void inside_is_a_matter_of_whole_names(void **state)
{
    (void)state;
    assert_int_equal(path_compare("/a/b", "/a/b"), PATH_SAME);
    assert_int_equal(path_compare("/a/b/c", "/a/b"), PATH_INSIDE);
    assert_int_equal(path_compare("/a", "/a/b/c"), PATH_AROUND);
    assert_int_equal(path_compare("/a/bc", "/a/b"), PATH_APART);
    assert_int_equal(path_compare("/a/b", "/a/bc"), PATH_APART);
    assert_int_equal(path_compare("/a", "/"), PATH_INSIDE);
    assert_int_equal(path_compare("/", "/a"), PATH_AROUND);
    assert_int_equal(path_compare("/", "/"), PATH_SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_what_it_leads_to),
        cmocka_unit_test(what_leads_nowhere_is_told),
        cmocka_unit_test(inside_is_a_matter_of_whole_names),
    };
    return cmocka_run_group_tests(tests, enter, leave_folder);
}
