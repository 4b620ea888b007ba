/* SPDX-License-Identifier: Apache-2.0
 *
 * test_alone.c -- two instances that would have one place are refused, at the second, with the name
 * of the first; two that only look alike are not.
 */
#include "support.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int enter(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    put_plugin("good", "sink", "good");
    put_plugin("source", "source", "source");
    put_plugin("alone", "sink", "alone");
    put_plugin("fenced", "sink", "fenced");
    put_plugin("alone_source", "source", "alone_source");
    make_folder("real");
    return symlink("real", "link");
}

/* Two pipelines, "a" with the sinks of the lines from 5 on, and "a-b" with those behind. */
static char *two_pipelines(const char *first, const char *second)
{
    char *text = NULL;
    assert_true(asprintf(&text,
                         "plugins: plugins.d\n"
                         "pipelines:\n"
                         "  - name: a\n"
                         "    source: { plugin: source, directory: x }\n"
                         "    sinks:\n%s"
                         "  - name: a-b\n"
                         "    source: { plugin: source, directory: x }\n"
                         "    sinks:\n%s",
                         first, second) > 0);
    return text;
}

/* Loads it; expected: every line that is printed, with $HERE for the folder, or "". */
static void told(char *text, const char *expected)
{
    char here[4096], *printed = NULL, *plain;
    size_t size = 0, length;
    int code = -1;
    FILE *file = open_memstream(&printed, &size);
    write_text("leat.yaml", text);
    struct config *config = config_load("leat.yaml", file, &code);
    assert_int_equal(fclose(file), 0);
    assert_non_null(getcwd(here, sizeof here));
    length = strlen(here);
    while ((plain = strstr(printed, here)) != NULL) {
        memmove(plain + 5, plain + length, strlen(plain + length) + 1);
        memcpy(plain, "$HERE", 5);
    }
    assert_string_equal(printed, expected);
    assert_int_equal(code, *expected ? EX_CONFIG : EX_OK);
    assert_int_equal(config != NULL, !*expected);
    config_destroy(config);
    free(printed);
    free(text);
}

static void two_sinks_do_not_share_a_folder(void **state)
{
    (void)state;
    told(two_pipelines("      - { plugin: alone, name: one, directory: real/x }\n"
                       "      - { plugin: alone, name: two, directory: ./link//x/ }\n",
                       "      - { plugin: alone, name: three, directory: real/y/../x }\n"),
         "leat.yaml:7:48: \"directory\": sink \"a/one\" (line 6) has $HERE/real/x for itself; give "
         "each sink a place of its own\n"
         "leat.yaml:11:50: \"directory\": sink \"a/one\" (line 6) has $HERE/real/x for itself; "
         "give each sink a place of its own\n");
}

static void nor_a_folder_inside_another(void **state)
{
    (void)state;
    told(two_pipelines("      - { plugin: alone, name: one, directory: real/x }\n"
                       "      - { plugin: alone, name: two, directory: link/x/y }\n",
                       "      - { plugin: alone, name: three, directory: link }\n"),
         "leat.yaml:7:48: \"directory\": $HERE/real/x/y lies inside $HERE/real/x, which sink "
         "\"a/one\" (line 6) has for itself; give each sink a place of its own, none inside "
         "another\n"
         "leat.yaml:11:50: \"directory\": in $HERE/real lies $HERE/real/x, which sink \"a/one\" "
         "(line 6) has for itself; give each sink a place of its own, none inside another\n");
}

static void folders_beside_each_other_and_of_others_are_fine(void **state)
{
    (void)state;
    told(two_pipelines("      - { plugin: alone, name: one, directory: real/x }\n"
                       "      - { plugin: alone, name: two, directory: real/xy }\n"
                       "      - { plugin: good, name: three, directory: real/x }\n",
                       "      - { plugin: alone, name: one, directory: y }\n"
                       "      - { plugin: good, name: two, directory: real/x }\n"),
         "");
}

static void several_options_are_shared_only_together(void **state)
{
    (void)state;
    told(two_pipelines("      - { plugin: fenced, name: one, directory: id, servers: [x, y] }\n"
                       "      - { plugin: fenced, name: two, directory: id, servers: z }\n",
                       "      - { plugin: fenced, name: three, directory: other, servers: y }\n"
                       "      - { plugin: fenced, name: four, directory: id, servers: [] }\n"
                       "      - { plugin: fenced, name: five, directory: ./id, servers: x }\n"),
         "");
    told(two_pipelines("      - { plugin: fenced, name: one, directory: id, servers: [x, y] }\n",
                       "      - plugin: fenced\n"
                       "        servers: y\n"
                       "        directory: id\n"),
         "leat.yaml:11:18: \"servers\": sink \"a/one\" (line 6) has the same, and the same "
         "\"directory\"; give each sink one of its own\n");
    told(two_pipelines("      - { plugin: fenced, name: one, directory: id }\n",
                       "      - { plugin: fenced, name: two, directory: id }\n"),
         "leat.yaml:10:9: \"servers\": sink \"a/one\" (line 6) has the same, and the same "
         "\"directory\"; give each sink one of its own\n");
}

static void sources_are_instances_too(void **state)
{
    (void)state;
    char *text = NULL;
    assert_true(asprintf(&text, "plugins: plugins.d\n"
                                "pipelines:\n"
                                "  - name: a\n"
                                "    source: [ { plugin: alone_source, directory: x } ]\n"
                                "    sinks: [ { plugin: good, directory: y } ]\n"
                                "  - name: b\n"
                                "    source: { plugin: alone_source, directory: x }\n"
                                "    sinks: [ { plugin: good, directory: y } ]\n") > 0);
    told(text, "leat.yaml:7:48: \"directory\": source \"a/source\" (line 4) has the same; give "
               "each source one of its own\n");
}

static void dead_letters_do_not_mix(void **state)
{
    (void)state;
    told(two_pipelines("      - { plugin: good, name: b-c, directory: y, on_reject: dead_letter, "
                       "dead_letter: real }\n"
                       "      - { plugin: good, name: c, directory: y, on_reject: dead_letter, "
                       "dead_letter: real }\n",
                       "      - { plugin: good, name: c, directory: y, on_reject: dead_letter, "
                       "dead_letter: link/ }\n"),
         "leat.yaml:11:85: \"dead_letter\": the letters would go into $HERE/real/a-b-c.ndjson, as "
         "those of sink \"a/b-c\" (line 6) do; name another folder\n");
    told(two_pipelines("      - { plugin: good, name: b-c, directory: y, on_reject: dead_letter, "
                       "dead_letter: real }\n",
                       "      - { plugin: good, name: c, directory: y, on_reject: dead_letter, "
                       "dead_letter: real/deeper }\n"
                       "      - { plugin: good, name: d, directory: y, on_reject: dead_letter, "
                       "dead_letter: real }\n"),
         "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sinks_do_not_share_a_folder),
        cmocka_unit_test(nor_a_folder_inside_another),
        cmocka_unit_test(folders_beside_each_other_and_of_others_are_fine),
        cmocka_unit_test(several_options_are_shared_only_together),
        cmocka_unit_test(sources_are_instances_too),
        cmocka_unit_test(dead_letters_do_not_mix),
    };
    return cmocka_run_group_tests(tests, enter, leave_folder);
}
