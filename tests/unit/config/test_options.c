/* SPDX-License-Identifier: Apache-2.0
 *
 * test_options.c -- values, units, substitution, suggestions, and tables that a plugin got wrong.
 */
#include "support.h"

#include "config_tables.h"
#include "options.h"
#include "problems.h"
#include "region.h"
#include "suggest.h"
#include "tree.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct values {
    const char *text, *secret;
    int64_t count, delay_ms, size, choice, secret_choice;
    bool flag;
    leat_strings list;
    leat_pairs pairs, secrets;
};

static const char *const choices[] = {"none", "zstd", "lz4", NULL};

#define T struct values
static const leat_option rows[] = {
    LEAT_OPTION_STRING("text", T, text, "cdc.{schema}", 0, "a"),
    LEAT_OPTION_STRING("secret", T, secret, NULL, LEAT_OPT_SECRET, "b"),
    LEAT_OPTION_INT("count", T, count, "7", -5, 100, 0, "c"),
    LEAT_OPTION_DURATION("batch.max_delay", T, delay_ms, "5ms", 0, 10000, 0, "d"),
    LEAT_OPTION_SIZE("batch.size", T, size, "64MiB", 1024, INT64_MAX, 0, "e"),
    LEAT_OPTION_ENUM("choice", T, choice, "none", choices, 0, "f"),
    LEAT_OPTION_ENUM("pin", T, secret_choice, NULL, choices, LEAT_OPT_SECRET, "f"),
    LEAT_OPTION_BOOL("flag", T, flag, "true", 0, "g"),
    LEAT_OPTION_STRINGS("list", T, list, "[a, 'b c']", 0, "h"),
    LEAT_OPTION_PAIRS("pairs", T, pairs, 0, "i"),
    LEAT_OPTION_PAIRS("secrets", T, secrets, LEAT_OPT_SECRET, "i"),
};
#undef T

struct run {
    struct region region;
    struct values values;
    struct option_templates templates;
    char *printed;
};

static struct run run_text(const char *text)
{
    struct run run = {0};
    struct problems *problems = problems_create("f");
    struct options_reader reader = {&run.region, problems, "."};
    struct options_target target = {rows, sizeof rows / sizeof *rows, &run.values};
    size_t size = 0;
    const struct tree_node *root = tree_load(text, strlen(text), &run.region, problems);
    if (root)
        options_fill(&reader, root, &target, 1, "the test", 0, &run.templates);
    FILE *file = open_memstream(&run.printed, &size);
    problems_print(problems, file);
    assert_int_equal(fclose(file), 0);
    problems_destroy(problems);
    return run;
}

static void end(struct run *run)
{
    free(run->printed);
    region_fini(&run->region);
}

static void expect(const char *text, const char *printed)
{
    struct run run = run_text(text);
    assert_string_equal(run.printed, printed);
    end(&run);
}

static void what_is_absent_has_its_default(void **state)
{
    (void)state;
    struct run run = run_text("{}");
    assert_string_equal(run.printed, "");
    assert_string_equal(run.values.text, "cdc.{schema}");
    assert_null(run.values.secret);
    assert_int_equal(run.values.count, 7);
    assert_int_equal(run.values.delay_ms, 5);
    assert_int_equal(run.values.size, 64 << 20);
    assert_int_equal(run.values.choice, 0);
    assert_true(run.values.flag);
    assert_int_equal(run.values.list.count, 2);
    assert_string_equal(run.values.list.items[1], "b c");
    assert_int_equal(run.values.pairs.count, 0);
    end(&run);
}

static void what_is_written_is_filled_in(void **state)
{
    (void)state;
    struct run run = run_text("text: no\n"
                              "secret: \"\"\n"
                              "count: -5\n"
                              "batch:\n"
                              "  max_delay: 2s\n"
                              "  size: 10kB\n"
                              "choice: lz4\n"
                              "flag: false\n"
                              "list: one\n"
                              "pairs: { a.b: 1, c: '' }\n");
    assert_string_equal(run.printed, "");
    assert_string_equal(run.values.text, "no");
    assert_string_equal(run.values.secret, "");
    assert_int_equal(run.values.count, -5);
    assert_int_equal(run.values.delay_ms, 2000);
    assert_int_equal(run.values.size, 10000);
    assert_int_equal(run.values.choice, 2);
    assert_false(run.values.flag);
    assert_int_equal(run.values.list.count, 1);
    assert_string_equal(run.values.list.items[0], "one");
    assert_int_equal(run.values.pairs.count, 2);
    assert_string_equal(run.values.pairs.items[0].name, "a.b");
    assert_string_equal(run.values.pairs.items[1].value, "");
    end(&run);
}

static void every_error_is_shown_in_the_order_of_lines(void **state)
{
    (void)state;
    expect("count: many\n"
           "batch:\n"
           "  sise: 1\n"
           "  max_delay: 1h\n"
           "flag: Yes\n"
           "list: [a, [b]]\n"
           "choice: zst\n"
           "pairs: 5\n"
           "text:\n"
           "wibble: 1\n"
           "batch.size: 1\n",
           "f:1:8: \"count\": \"many\" is not a whole number; write digits only\n"
           "f:3:3: unknown option \"batch.sise\" of the test; did you mean \"batch.size\"?\n"
           "f:4:14: \"batch.max_delay\": \"1h\" is too large; write at most 10s\n"
           "f:5:7: \"flag\": \"Yes\" is neither true nor false; write true\n"
           "f:6:11: \"list\": a value is set that is a list; write one text for each entry\n"
           "f:7:9: \"choice\": \"zst\" is not known; did you mean \"zstd\"? choices: none, zstd, "
           "lz4\n"
           "f:8:8: \"pairs\": a value is set that is not a mapping; write lines of NAME: VALUE "
           "below it\n"
           "f:9:6: \"text\" has no value; write one, \"\" for the empty text, or remove the line\n"
           "f:10:1: unknown option \"wibble\" of the test; known are: text, secret, count, batch, "
           "choice, pin, flag, list, pairs, secrets\n"
           "f:11:1: \"batch.size\" is not one key but two; write batch: { size: ... }\n");
    expect("batch: 5\n", "f:1:8: \"batch\" is a section; write its options below it, indented\n");
    expect("- a\n", "f:1:1: the test is not a mapping; write lines of NAME: VALUE\n");
}

static void units_are_exact_and_typos_are_understood(void **state)
{
    (void)state;
    int64_t n = 0;
    char hint[UNITS_TEXT];
    assert_true(units_size("512", &n) && n == 512);
    assert_true(units_size("64KiB", &n) && n == 65536);
    assert_true(units_size("10MB", &n) && n == 10000000);
    assert_true(units_size("1GiB", &n) && n == 1073741824);
    assert_false(units_size("9223372036854775807KiB", &n));
    assert_false(units_size("9223372036854775808", &n));
    assert_false(units_size("-1", &n));
    assert_false(units_size("", &n));
    assert_false(units_size("1.5MiB", &n));
    assert_true(units_integer("-9223372036854775808", &n) && n == INT64_MIN);
    assert_false(units_integer("0x10", &n));
    assert_true(units_duration("0", &n) && n == 0);
    assert_true(units_duration("7d", &n) && n == 604800000);
    assert_true(units_duration("10m", &n) && n == 600000);
    assert_false(units_duration("5", &n));
    assert_string_equal(units_size_hint("64mb", hint), "64MB");
    assert_string_equal(units_size_hint("64M", hint), "64MB");
    assert_string_equal(units_size_hint("64 MiB", hint), "64MiB");
    assert_string_equal(units_duration_hint("5", hint), "5s");
    assert_string_equal(units_duration_hint("5sec", hint), "5s");
    assert_string_equal(units_duration_hint("5 minutes", hint), "5m");
    assert_string_equal(units_duration_hint("5msec", hint), "5ms");
    assert_null(units_size_hint("lots", hint));
    assert_null(units_size_hint("99999999TiB", hint)); /* too large in any spelling */
    assert_null(units_duration_hint("9999999999999999d", hint));
    assert_string_equal(units_size_text(262144, hint), "256KiB");
    assert_string_equal(units_size_text(1000, hint), "1kB");
    assert_string_equal(units_size_text(1001, hint), "1001");
    assert_string_equal(units_duration_text(90000, hint), "90s");
    assert_string_equal(units_duration_text(0, hint), "0");
    expect(
        "batch: { size: 64mb, max_delay: 5 }\n",
        "f:1:16: \"batch.size\": \"64mb\" is not a size; did you mean 64MB? write it like 64KiB, "
        "10MiB or 1GiB\n"
        "f:1:33: \"batch.max_delay\": \"5\" is not a duration; did you mean 5s? write it like "
        "250ms, 5s or 10m\n");
    expect("batch: { size: 1000 }\n",
           "f:1:16: \"batch.size\": \"1000\" is too small; write at least 1KiB\n");
}

static void environment_and_files_are_put_in(void **state)
{
    (void)state;
    write_text("secret.txt", "hunter2\n");
    write_text("two.txt", "a\nb\r\n");
    assert_int_equal(setenv("LEAT_TEST_A", "alpha", 1), 0);
    assert_int_equal(setenv("LEAT_TEST_N", "42", 1), 0);
    struct run run = run_text("text: \"x${LEAT_TEST_A}y$${LEAT_TEST_A}$z${file:two.txt}\"\n"
                              "secret: ${file:secret.txt}\n"
                              "count: ${LEAT_TEST_N}\n"
                              "list: ['${LEAT_TEST_A}', b]\n"
                              "pairs: { p: \"${file:secret.txt}!\", q: plain }\n"
                              "secrets: { z: open }\n");
    assert_string_equal(run.printed, "");
    assert_string_equal(run.values.text, "xalphay${LEAT_TEST_A}$za\nb");
    assert_string_equal(run.values.secret, "hunter2");
    assert_int_equal(run.values.count, 42);
    assert_string_equal(run.values.list.items[0], "alpha");
    assert_string_equal(run.values.pairs.items[0].value, "hunter2!");

    /* A changed file is seen by whoever asks again, and only what can change is kept. */
    char out[64];
    write_text("secret.txt", "hunter3\n");
    assert_int_equal(options_expand(&run.templates, "secret", out, sizeof out), LEAT_OK);
    assert_string_equal(out, "hunter3");
    assert_int_equal(options_expand(&run.templates, "pairs.p", out, sizeof out), LEAT_OK);
    assert_string_equal(out, "hunter3!");
    assert_int_equal(options_expand(&run.templates, "secrets.z", out, sizeof out), LEAT_OK);
    assert_string_equal(out, "open");
    assert_int_equal(options_expand(&run.templates, "count", out, sizeof out), LEAT_ECONFIG);
    assert_int_equal(options_expand(&run.templates, "pairs.q", out, sizeof out), LEAT_ECONFIG);
    assert_int_equal(options_expand(&run.templates, "secret", out, 7), LEAT_ECONFIG);
    assert_string_equal(out, "");
    assert_int_equal(options_expand(&run.templates, "secret", out, 8), LEAT_OK);
    assert_int_equal(unlink("secret.txt"), 0);
    assert_int_equal(options_expand(&run.templates, "secret", out, sizeof out), LEAT_ERETRY);
    assert_string_equal(out, "");
    end(&run);
}

/* systemd's LoadCredential= puts files into a folder of the unit's own. */
static void credentials_are_files_of_systemd(void **state)
{
    char folder[4096], out[64];
    (void)state;
    assert_non_null(getcwd(folder, sizeof folder));
    write_text("pg_password", "hunter2\n");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    struct run run = run_text("text: \"a ${credential:pg_password}\"\n"
                              "secret: ${credential:pg_password}\n");
    assert_string_equal(run.printed, "");
    assert_string_equal(run.values.text, "a hunter2");
    assert_string_equal(run.values.secret, "hunter2");
    write_text("pg_password", "hunter3\n");
    assert_int_equal(options_expand(&run.templates, "text", out, sizeof out), LEAT_OK);
    assert_string_equal(out, "a hunter3");
    end(&run);
    expect(
        "text: ${credential:../pg_password}\n"
        "choice: ${credential:}\n",
        "f:1:7: \"text\": ${credential:} needs the name of a credential, without a slash; write "
        "${credential:NAME}\n"
        "f:2:9: \"choice\": ${credential:} needs the name of a credential, without a slash; write "
        "${credential:NAME}\n");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    expect(
        "text: ${credential:pg_password}\n",
        "f:1:7: \"text\": credential \"pg_password\": CREDENTIALS_DIRECTORY is not set; run leat "
        "as a service of systemd with LoadCredential=pg_password:/PATH, or write ${file:/PATH}\n");
}

static void what_cannot_be_put_in_is_an_error_with_its_line(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("LEAT_TEST_NONE"), 0);
    write_text("open.txt", "x\n");
    assert_int_equal(chmod("open.txt", 0666), 0);
    expect("text: ${LEAT_TEST_NONE}\n"
           "count: ${file:missing.txt}\n"
           "choice: ${file:open.txt}\n"
           "list: [\"${\"]\n"
           "pairs: {a: \"${a b}\", b: \"${file:}\"}\n",
           "f:1:7: \"text\": environment variable LEAT_TEST_NONE is not set; set it, or write $${ "
           "for a literal ${\n"
           "f:2:8: \"count\": file \"./missing.txt\": No such file or directory\n"
           "f:3:9: \"choice\": file \"./open.txt\": everybody may write it; take that away with "
           "chmod o-w\n"
           "f:4:8: \"list\": a ${ is never closed; add the }, or write $${ for a literal ${\n"
           "f:5:12: \"pairs.a\": what stands in ${} is neither a variable's name, nor "
           "file:PATH, nor credential:NAME; write $${ for a literal ${\n"
           "f:5:25: \"pairs.b\": ${file:} needs a path; write ${file:/path}\n");
}

static void no_secret_is_ever_shown(void **state)
{
    (void)state;
    write_text("number.txt", "12tb\n");
    struct run run = run_text("secret: [hunter2]\n"
                              "pin: hunter2zst\n"
                              "secrets: { a: [hunter2], b: \"hunter2${hunter2}\" }\n"
                              "count: ${file:number.txt}\n"
                              "batch: { size: \"${file:number.txt}\" }\n");
    assert_string_equal(
        run.printed,
        "f:1:9: \"secret\": a value is set that is a list; write one text\n"
        "f:2:6: \"pin\": a value is set that is not known; choices: none, zstd, lz4\n"
        "f:3:15: \"secrets.a\": a value is set that is a list; write one text for each entry\n"
        "f:3:29: \"secrets.b\": an environment variable that it names is not set; set it, or write "
        "$${ for a literal ${\n"
        "f:4:8: \"count\": a value is set that is not a whole number; write digits only\n"
        "f:5:16: \"batch.size\": a value is set that is not a size; write it like 64KiB, 10MiB or "
        "1GiB\n");
    assert_null(strstr(run.printed, "hunter2"));
    end(&run);
}

static void the_nearest_word_is_meant(void **state)
{
    (void)state;
    struct suggestion best = {0};
    suggest_offer(&best, "publicaton", "slot");
    assert_null(best.word);
    suggest_offer(&best, "publicaton", "publication");
    assert_string_equal(best.word, "publication");
    assert_int_equal(suggest_distance("slto", "slot"), 1);
    assert_int_equal(suggest_distance("max-delay", "Max_Delay"), 0);
    assert_int_equal(suggest_distance("", "abc"), 3);
    best = (struct suggestion){0};
    suggest_offer(&best, "x", "y");
    assert_null(best.word);
}

static void a_table_that_is_wrong_is_found_before_it_is_used(void **state)
{
    (void)state;
    char why[256];
    leat_option row = rows[2];
    assert_null(options_check_table(rows, sizeof rows / sizeof *rows, sizeof(struct values), why,
                                    sizeof why));
    assert_string_equal(options_check_table(&row, 1, row.offset, why, sizeof why),
                        "option \"count\": its member lies outside of config_size");
    row.offset++;
    assert_string_equal(options_check_table(&row, 1, 4096, why, sizeof why),
                        "option \"count\": its member is not aligned");
    row = rows[2];
    row.dflt = "101";
    assert_string_equal(options_check_table(&row, 1, 4096, why, sizeof why),
                        "option \"count\": is too large; write at most 100");
    row.type = 55;
    assert_string_equal(options_check_table(&row, 1, 4096, why, sizeof why),
                        "option \"count\": a type that this leat does not know");
    row = rows[2];
    row.name = "a..b";
    assert_string_equal(options_check_table(&row, 1, 4096, why, sizeof why),
                        "option 0: an empty part between dots");
    leat_option twice[2] = {rows[2], rows[2]};
    assert_string_equal(options_check_table(twice, 2, 4096, why, sizeof why),
                        "option \"count\": the name is there twice");
    twice[1].name = "count.more";
    assert_string_equal(options_check_table(twice, 2, 4096, why, sizeof why),
                        "option \"count.more\": the name is a section's, too");
}

static void the_cores_own_tables_are_sound(void **state)
{
    (void)state;
    char why[256];
    const struct config_table *const tables[] = {&config_top_table, &config_pipeline_table,
                                                 &config_source_table, &config_sink_table,
                                                 &config_route_table};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const char *wrong =
            options_check_table(tables[i]->rows, tables[i]->count, 4096, why, sizeof why);
        assert_string_equal(wrong ? wrong : "", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_has_its_default),
        cmocka_unit_test(what_is_written_is_filled_in),
        cmocka_unit_test(every_error_is_shown_in_the_order_of_lines),
        cmocka_unit_test(units_are_exact_and_typos_are_understood),
        cmocka_unit_test(environment_and_files_are_put_in),
        cmocka_unit_test(credentials_are_files_of_systemd),
        cmocka_unit_test(what_cannot_be_put_in_is_an_error_with_its_line),
        cmocka_unit_test(no_secret_is_ever_shown),
        cmocka_unit_test(the_nearest_word_is_meant),
        cmocka_unit_test(a_table_that_is_wrong_is_found_before_it_is_used),
        cmocka_unit_test(the_cores_own_tables_are_sound),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
