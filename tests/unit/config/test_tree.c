/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tree.c -- shapes of YAML: what becomes a tree, and what is refused, where.
 */
#include "support.h"

#include "problems.h"
#include "region.h"
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Loads the text; what is printed is compared whole. */
static void expect(const char *text, size_t len, const char *printed)
{
    struct region region = {0};
    struct problems *problems = problems_create("f");
    char *out = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&out, &size);
    (void)tree_load(text, len, &region, problems);
    problems_print(problems, file);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(out, printed);
    free(out);
    problems_destroy(problems);
    region_fini(&region);
}

static void expect_text(const char *text, const char *printed)
{
    expect(text, strlen(text), printed);
}

static void nodes_know_where_they_stood(void **state)
{
    (void)state;
    const char *text = "# comment\n"
                       "a: plain\n"
                       "b:\n"
                       "  - \"quoted\"\n"
                       "  - { c: 'single', d: \"e\\x41\" }\n"
                       "x: ~\n"
                       "y: \"~\"\n";
    struct region region = {0};
    struct problems *problems = problems_create("f");
    const struct tree_node *root = tree_load(text, strlen(text), &region, problems);
    assert_non_null(root);
    assert_int_equal(problems_errors(problems), 0);
    assert_int_equal(root->kind, TREE_MAPPING);
    assert_int_equal(root->count, 4);

    const struct tree_node *a = tree_find(root, "a");
    assert_string_equal(a->text, "plain");
    assert_int_equal(a->line, 2);
    assert_int_equal(a->column, 4);
    assert_int_equal(a->key->column, 1);
    assert_false(a->quoted);
    assert_true(a->verbatim);

    const struct tree_node *b = tree_find(root, "b");
    assert_int_equal(b->kind, TREE_SEQUENCE);
    assert_int_equal(b->count, 2);
    assert_true(b->first->quoted && b->first->verbatim);
    const struct tree_node *d = tree_find(b->first->next, "d");
    assert_string_equal(d->text, "eA");
    assert_int_equal(d->line, 5);
    assert_false(d->verbatim);
    assert_true(tree_is_null(tree_find(root, "x")));
    assert_false(tree_is_null(tree_find(root, "y")));
    assert_null(tree_find(root, "a.b"));
    assert_null(tree_find(root, "nothing"));
    problems_destroy(problems);
    region_fini(&region);
}

static void what_yaml_cannot_read_has_a_line(void **state)
{
    (void)state;
    expect_text("", "f: the file is empty; `leat plugins --sample` prints one\n");
    expect_text("# only this\n", "f: the file is empty; `leat plugins --sample` prints one\n");
    expect_text("a: \"never closed\nb: 1\n",
                "f:1:4: not YAML: found unexpected end of stream, while scanning a quoted scalar "
                "that begins on line 1; look at the indentation and the quotes here\n");
    expect_text("a: 1\n\tb: 2\n",
                "f:2:1: not YAML: found a tab character that violates indentation, while scanning "
                "a plain scalar that begins on line 1; look at the indentation and the quotes "
                "here\n");
    expect_text("a: 1\nb: 'x'\n\xff\n",
                "f:3:1: this byte is not text (invalid leading UTF-8 octet); save the file as "
                "UTF-8\n");
    expect("a: 1\nb\0: 2\n", 11, "f:2:2: a NUL byte; save the file as UTF-8 text\n");
    expect_text("a: \"x\\0y\"\n", "f:1:4: a NUL byte (\\0) cannot be part of a value; remove it\n");
}

static void extras_of_yaml_are_refused(void **state)
{
    (void)state;
    expect_text("a: &x 1\nb: *x\n",
                "f:1:4: anchors (&name) are not supported; remove it\n"
                "f:2:4: aliases (*name) are not supported; write the value again\n");
    expect_text("a: !!str 5\n", "f:1:4: tags (!name) are not supported; quote text that begins "
                                "with \"!\"\n");
    expect_text("a: 1\n---\nb: 1\n", "f:2:1: a second document begins here; keep one in a file and "
                                     "remove the \"---\"\n");
    expect_text("a:\n  <<: {b: 1}\n",
                "f:2:3: merge keys (<<) are not supported; write the options out\n");
    expect_text("? [a]\n: 1\n", "f:1:3: a list or mapping cannot be a key; write a name in front "
                                "of the colon\n");
    expect_text("? ~\n: 1\n", "f:1:3: a key is missing; write a name in front of the colon\n");
    expect_text("a: &x [*x]\n",
                "f:1:4: anchors (&name) are not supported; remove it\n"
                "f:1:8: aliases (*name) are not supported; write the value again\n");
}

static void duplicate_keys_are_refused_each_with_the_first(void **state)
{
    (void)state;
    expect_text("a: 1\nb: 2\na: {c: 1, c: 2}\n\"a\": 3\n",
                "f:3:1: duplicate key \"a\" (the first is on line 1); remove one of them\n"
                "f:3:11: duplicate key \"c\" (the first is on line 3); remove one of them\n"
                "f:4:1: duplicate key \"a\" (the first is on line 1); remove one of them\n");
}

static void a_key_cannot_forge_a_line(void **state)
{
    (void)state;
    expect_text(
        "\"a\\n\\e[31m\\u009b\": 1\n\"a\\n\\e[31m\\u009b\": 1\n",
        "f:2:1: duplicate key \"a\\x0a\\x1b[31m\\x9b\" (the first is on line 1); remove one "
        "of them\n");
}

static void size_depth_and_count_are_bounded(void **state)
{
    (void)state;
    size_t len = TREE_TEXT_MAX + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    expect(text, len, "f: the file is larger than 1MiB; this is no configuration\n");
    expect(text, 100000, "f:1:33: nested deeper than 32 levels; this is no configuration\n");
    for (size_t i = 1; i < len - 1; i += 2)
        memcpy(text + i, "a,", 2);
    expect(text, len - 1, "f:1:131072: more than 65536 values in one file; shorten it\n");
    size_t at = 0;
    for (unsigned i = 0; i <= TREE_MEMBERS_MAX; i++)
        at += (size_t)sprintf(text + at, "k%u: 1\n", i);
    expect(text, at, "f:4097:1: more than 4096 keys in one mapping; shorten it\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_where_they_stood),
        cmocka_unit_test(what_yaml_cannot_read_has_a_line),
        cmocka_unit_test(extras_of_yaml_are_refused),
        cmocka_unit_test(duplicate_keys_are_refused_each_with_the_first),
        cmocka_unit_test(a_key_cannot_forge_a_line),
        cmocka_unit_test(size_depth_and_count_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
