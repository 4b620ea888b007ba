/* SPDX-License-Identifier: Apache-2.0
 *
 * test_state.c -- what is saved is what is loaded; anything else is refused with its place.
 */
#include "state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64], path[128];
static struct state_directory directory;
static leat_error error;

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/leat-state-XXXXXX");
    assert_non_null(mkdtemp(root));
    (void)snprintf(path, sizeof path, "%s/state", root);
    error = (leat_error){.size = sizeof error};
    return 0;
}

static int tear_down(void **state)
{
    char command[200];

    (void)state;
    state_close(&directory);
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static struct journal_entry *sample(void)
{
    static struct journal_entry entry;

    memset(&entry, 0, sizeof entry);
    (void)strcpy(entry.name_space, "slot");
    entry.position.value = 0x15d5c98;
    entry.fact_count = 2;
    (void)strcpy(entry.facts[0].name, "slot");
    (void)strcpy(entry.facts[0].value, "slot");
    (void)strcpy(entry.facts[1].name, "database");
    (void)strcpy(entry.facts[1].value, "we\"ird\\ \n: # {x}");
    entry.sink_count = 2;
    (void)strcpy(entry.sinks[0].name, "archive");
    entry.sinks[0].known = true;
    entry.sinks[0].durable = (leat_identity){0x1234567890abcdef, -1};
    (void)strcpy(entry.sinks[1].name, "bus");
    return &entry;
}

static void loads_what_it_saved(void **state)
{
    static struct journal_entry loaded;
    struct journal_entry *saved = sample();

    (void)state;
    assert_true(state_open(&directory, path, &error));
    assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_EOF);
    assert_true(state_save(&directory, "shop", saved, &error));
    assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_OK);
    assert_memory_equal(&loaded, saved, sizeof loaded);
}

/* One that an older leat would give what it must not have is not read by it. */
static void a_dropped_sink_stays_dropped(void **state)
{
    static struct journal_entry loaded;
    struct journal_entry *saved = sample();
    char file[200], text[4096] = "";
    FILE *in;

    (void)state;
    saved->sinks[0].dropped = true;
    assert_true(state_open(&directory, path, &error));
    assert_true(state_save(&directory, "shop", saved, &error));
    assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_OK);
    assert_memory_equal(&loaded, saved, sizeof loaded);
    (void)snprintf(file, sizeof file, "%s/shop.state", path);
    in = fopen(file, "r");
    assert_non_null(in);
    assert_true(fread(text, 1, sizeof text - 1, in) > 0);
    (void)fclose(in);
    assert_non_null(strstr(text, "version: 2\n"));
}

static void second_daemon_is_refused(void **state)
{
    struct state_directory other;

    (void)state;
    assert_true(state_open(&directory, path, &error));
    assert_false(state_open(&other, path, &error));
    assert_int_equal(error.exit_code, 73);
    assert_non_null(strstr(error.text, "in use by another leat with pid"));
}

static void directory_that_others_may_write_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_false(state_open(&directory, path, &error));
    assert_int_equal(error.exit_code, 78);
}

static void write_file(const char *text)
{
    char name[200];
    FILE *out;

    (void)snprintf(name, sizeof name, "%s/shop.state", path);
    out = fopen(name, "w");
    assert_non_null(out);
    (void)fputs(text, out);
    if (*text)
        (void)fputs("...\n", out);
    (void)fclose(out);
    assert_int_equal(chmod(name, 0640), 0);
}

static void refuses_anything_unexpected(void **state)
{
    static const char good[] = "version: 1\npipeline: shop\nname_space: s\nposition: \"0/1\"\n";
    static const char *const bad[][2] = {
        {"", "empty"},
        {"version: 3\n", "version"},
        {"version: 2\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\n"
         "sinks: [{name: a, dropped: maybe}]\n",
         "dropped"},
        {"version: 1\npipeline: other\nname_space: s\nposition: \"0/1\"\nfacts: []\nsinks: []\n",
         "another pipeline"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: \"0/1x\"\nfacts: []\nsinks: []\n",
         "not an LSN"},
        {"version: 1\npipeline: shop\nname_space: s\nfacts: []\nsinks: []\n", "position"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\n", "missing"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\nsinks: []\nx: 1\n",
         "unexpected x"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\n"
         "sinks: [{name: a, lsn: 0/1, seq: 1z}]\n",
         "not a number"},
        {"version: [\n", ":"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\nsinks:\n",
         "missing"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\n"
         "sinks: [{name: a, seq: 1}]\n",
         "lsn"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: [{name: a, value: b, x: "
         "y}]\n"
         "sinks: []\n",
         "unexpected x"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: []\n"
         "sinks: [{name: a, extra: 1}]\n",
         "unexpected extra"},
        {"version: 1\npipeline: shop\nname_space: s\nposition: 0/1\nfacts: [x]\nsinks: []\n",
         "mapping"},
    };
    static struct journal_entry loaded;

    (void)state;
    (void)good;
    assert_true(state_open(&directory, path, &error));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(bad[i][0]);
        assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_ECONFIG);
        assert_int_equal(error.exit_code, 78);
        assert_non_null(strstr(error.text, "shop.state"));
        assert_non_null(strstr(error.text, bad[i][1]));
    }
}

static size_t read_file(char *text, size_t size)
{
    char name[200];
    FILE *in;
    size_t length;

    (void)snprintf(name, sizeof name, "%s/shop.state", path);
    in = fopen(name, "r");
    assert_non_null(in);
    length = fread(text, 1, size - 1, in);
    (void)fclose(in);
    text[length] = '\0';
    return length;
}

static void refuses_a_file_that_was_cut_off_anywhere(void **state)
{
    static struct journal_entry loaded;
    char whole[4096], name[200];
    size_t length;

    (void)state;
    (void)snprintf(name, sizeof name, "%s/shop.state", path);
    assert_true(state_open(&directory, path, &error));
    assert_true(state_save(&directory, "shop", sample(), &error));
    length = read_file(whole, sizeof whole);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(truncate(name, (off_t)(length - 1 - i)), 0);
        assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_ECONFIG);
        assert_int_equal(error.exit_code, 78);
    }
}

static void refuses_a_file_that_others_may_have_written(void **state)
{
    static struct journal_entry loaded;
    char name[200];

    (void)state;
    (void)snprintf(name, sizeof name, "%s/shop.state", path);
    assert_true(state_open(&directory, path, &error));
    assert_true(state_save(&directory, "shop", sample(), &error));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chmod(name, i ? 0642 : 0660), 0);
        assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_ECONFIG);
        assert_int_equal(error.exit_code, 78);
        assert_non_null(strstr(error.text, "chmod go-w"));
    }
    assert_int_equal(chmod(name, 0640), 0);
    assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(name, 65534, 65534), 0);
        assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_ECONFIG);
        assert_non_null(strstr(error.text, "chown"));
    }
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink("/dev/null", name), 0);
    assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_ECONFIG);
    assert_int_equal(error.exit_code, 78);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(mkdir(name, 0750), 0);
    assert_int_equal(state_load(&directory, "shop", &loaded, &error), LEAT_ECONFIG);
    assert_int_equal(error.exit_code, 78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loads_what_it_saved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_sink_stays_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(second_daemon_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(directory_that_others_may_write_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(refuses_anything_unexpected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_was_cut_off_anywhere, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_others_may_have_written, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
