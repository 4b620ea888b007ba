/* SPDX-License-Identifier: Apache-2.0
 *
 * test_plugins.c -- what is loaded, and every refusal with its one line.
 *
 * Each test has a folder of its own.  Ownership is tested where the test runs as root.
 */
#include "support.h"

#include "cmd_plugins.h"
#include "elfnote.h"
#include "plugins.h"
#include "trust.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static char why[1024];
static char expected[2 * PATH_MAX];

static const struct plugin *load(const char *name, uint32_t kind)
{
    struct plugins *plugins = plugins_open("plugins.d", why, sizeof why);
    assert_non_null(plugins);
    const struct plugin_description *item = plugins_find(plugins, name, kind);
    assert_non_null(item);
    const struct plugin *plugin = plugins_load(plugins, item, why, sizeof why);
    plugins_close(plugins);
    return plugin;
}

/* path: relative to the test's folder. */
static void expect_why(const char *path, const char *reason)
{
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    (void)snprintf(expected, sizeof expected, "%s%s%s: %s", here, *path ? "/" : "", path, reason);
    assert_string_equal(why, expected);
    assert_null(strchr(why, '\n'));
}

static void refused(const char *variant, const char *reason)
{
    char path[128];
    (void)snprintf(path, sizeof path, "plugins/%s.so", variant);
    put_plugin("good", "sink", variant);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why(path, reason);
}

static void a_sound_plugin_is_loaded_once(void **state)
{
    (void)state;
    put_plugin("good", "sink", "good");
    const struct plugin *plugin = load("good", LEAT_KIND_SINK);
    assert_non_null(plugin);
    assert_ptr_equal(load("good", LEAT_KIND_SINK), plugin);
    assert_string_equal(plugin_name(plugin), "good");
    assert_string_equal(plugin_version(plugin), "1.2.3");
    assert_string_equal(plugin_license(plugin), "");
    assert_string_equal(plugin_libraries(plugin), "");
    assert_int_equal(plugin_kind(plugin), LEAT_KIND_SINK);
    const leat_sink_ops *ops = plugin_sink_ops(plugin);
    assert_non_null(ops);
    assert_int_equal(ops->size, sizeof *ops);
    assert_non_null(ops->submit);
    assert_null(ops->check);
    assert_null(plugin_source_ops(plugin));
    size_t count;
    const leat_option *rows = plugin_options(plugin, &count);
    assert_int_equal(count, 9);
    assert_string_equal(rows[0].name, "directory");
    assert_true(plugin_config_size(plugin) > 0);
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    (void)snprintf(expected, sizeof expected, "%s/plugins/good.so", here);
    assert_string_equal(plugin_path(plugin), expected);
}

/* glibc knows a library by its name, and the second one gets the first one's descriptor number. */
static void two_plugins_are_two(void **state)
{
    (void)state;
    size_t before = plugins_loaded_count();
    put_plugin("source", "source", "source");
    put_plugin("routed", "sink", "routed");
    put_plugin("no_note", "sink", "no_note");
    const struct plugin *source = load("source", LEAT_KIND_SOURCE);
    const struct plugin *routed = load("routed", LEAT_KIND_SINK);
    const struct plugin *bare = load("no_note", LEAT_KIND_SINK);
    assert_non_null(source);
    assert_non_null(routed);
    assert_non_null(bare);
    assert_non_null(plugin_source_ops(source));
    assert_null(plugin_sink_ops(source));
    assert_int_equal(plugin_sink_ops(routed)->route->required, 1);
    assert_int_equal(plugin_sink_ops(bare)->route->required, 0);
    assert_int_equal(plugins_loaded_count(), before + 3);
    assert_ptr_equal(plugins_loaded_at(before + 1), routed);
}

static void what_the_descriptor_gets_wrong_is_named(void **state)
{
    (void)state;
    refused("bad_magic", "leat_plugin_v1 begins with 0x12345678, expected 0x5441454c");
    refused("bad_major", "ABI major 2, expected 1; install the plugin's build for this leat");
    refused("bad_needed", "ABI 1.0 that needs a leat of ABI 1.9, expected at most 1.0; install a "
                          "newer leat");
    refused("small", "leat_plugin_v1 has 16 bytes, expected at least 88");
    refused("small_ops", "operations of 24 bytes, expected at least 80");
    refused("no_submit", "no operation \"submit\", expected one");
    refused("no_version", "no version, expected one");
    refused("no_symbol", "no symbol leat_plugin_v1, expected a leat plugin");
    refused("bad_stride", "options of 8 bytes, expected at least 64");
    refused("bad_place", "option \"count\": its member lies outside of config_size");
    refused("core_name", "option \"format\": the name is the core's, expected another");
    refused("number_path", "option \"count\": a path that is no text");
    refused("number_alone",
            "option \"count\": meant for one instance alone, and neither a text nor a list");
    refused("bad_default", "option \"count\": is too large; write at most 100");
}

static void what_the_description_gets_wrong_is_named(void **state)
{
    (void)state;
    char here[PATH_MAX];
    char reason[PATH_MAX + 128];
    assert_non_null(getcwd(here, sizeof here));
    put_plugin("other", "sink", "good");
    assert_null(load("other", LEAT_KIND_SINK));
    (void)snprintf(reason, sizeof reason,
                   "a plugin named \"good\", expected \"other\" as %s/plugins.d/other.yaml says",
                   here);
    expect_why("plugins/good.so", reason);
    put_plugin("source", "sink", "source");
    assert_null(load("source", LEAT_KIND_SINK));
    (void)snprintf(reason, sizeof reason,
                   "a plugin of kind 2 (source), expected a sink as %s/plugins.d/source.yaml says",
                   here);
    expect_why("plugins/source.so", reason);

    write_text("plugins.d/good.yaml", "name: good\nkind: sink\nlibrary: good.so\nabi: 2\n");
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins.d/good.yaml", "ABI 2, expected 1; install the build for this leat");
    write_text("plugins.d/good.yaml", "name: good\nkind: sink\nlibrary: ../good.so\nabi: 1\n");
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins.d/good.yaml",
               "library \"../good.so\", expected a file name or an absolute path");
    write_text("plugins.d/good.yaml", "name: good\nkind: sink\nlibary: good.so\nabi: 1\n");
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins.d/good.yaml:1:1", "\"library\" of a plugin's description is missing; add "
                                          "it: the library's file name, or its absolute path");
    write_text("plugins.d/good.yaml", "name: good\nkind: sink\nlibrary: nowhere.so\nabi: 1\n");
    assert_null(load("good", LEAT_KIND_SINK));
    assert_non_null(strstr(why, "nowhere.so: not found in "));
    assert_non_null(strstr(why, "; build or install it"));
}

static void an_abi_of_the_note_is_refused_before_any_code_runs(void **state)
{
    (void)state;
    assert_int_equal(setenv("LEAT_TEST_RAN", "ran", 1), 0);
    refused("note_major", "ABI major 2, expected 1; install the plugin's build for this leat");
    assert_int_equal(access("ran", F_OK), -1);
    refused("note_needed", "ABI 1.0 that needs a leat of ABI 1.9, expected at most 1.0; install a "
                           "newer leat");
    assert_int_equal(access("ran", F_OK), -1);
    refused("no_symbol", "no symbol leat_plugin_v1, expected a leat plugin");
    assert_int_equal(access("ran", F_OK), 0); /* the trace itself works */
    assert_int_equal(unsetenv("LEAT_TEST_RAN"), 0);
}

static void what_is_no_library_is_refused(void **state)
{
    (void)state;
    put_plugin("good", "sink", "good");
    write_text("plugins/good.so", "#!/bin/sh\nexit 0\nand more than an ELF header has of bytes\n");
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so", "not an ELF file, expected a shared library");
    write_text("plugins/good.so", "");
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so", "not an ELF file, expected a shared library");
    assert_int_equal(unlink("plugins/good.so"), 0);
    make_folder("plugins/good.so");
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so", "not a regular file, expected one");
    assert_int_equal(rmdir("plugins/good.so"), 0);
    assert_int_equal(mkfifo("plugins/good.so", 0600), 0); /* must not be waited for */
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so", "not a regular file, expected one");
}

static void a_cut_library_is_refused(void **state)
{
    (void)state;
    struct elfnote note;
    put_library("good", "whole.so");
    int fd = open("whole.so", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(elfnote_read(fd, &note), ELFNOTE_FOUND);
    assert_int_equal(note.major, LEAT_ABI_MAJOR);
    assert_int_equal(note.minor_needed, 0);
    assert_int_equal(ftruncate(fd, 80), 0);
    assert_int_equal(elfnote_read(fd, &note), ELFNOTE_BROKEN);
    assert_int_equal(pwrite(fd,
                            "\x7f"
                            "ELF\x01",
                            5, 0),
                     5);
    assert_int_equal(elfnote_read(fd, &note), ELFNOTE_FOREIGN);
    assert_int_equal(close(fd), 0);
}

static void what_others_may_write_is_refused(void **state)
{
    (void)state;
    put_plugin("good", "sink", "good");
    assert_int_equal(chmod("plugins/good.so", 0775), 0);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so",
               "mode 0775 lets its group write it, expected 0755; run chmod go-w on it");
    assert_int_equal(chmod("plugins/good.so", 0755), 0);
    assert_int_equal(chmod("plugins", 0777), 0);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins", "mode 0777 lets everybody write it, expected 0755; run chmod go-w on it");
    assert_int_equal(chmod("plugins", 01777), 0); /* sticky: nobody can replace what is ours */
    assert_non_null(load("good", LEAT_KIND_SINK));
    assert_int_equal(chmod("plugins.d/good.yaml", 0666), 0);
    struct plugins *plugins = plugins_open("plugins.d", why, sizeof why);
    assert_non_null(plugins);
    assert_int_equal(plugins_count(plugins), 1);
    assert_non_null(strstr(plugins_at(plugins, 0)->error, "mode 0666 lets everybody write it"));
    plugins_close(plugins);
    assert_int_equal(chmod("plugins.d", 0777), 0);
    assert_null(plugins_open("plugins.d", why, sizeof why));
    expect_why("plugins.d",
               "mode 0777 lets everybody write it, expected 0755; run chmod go-w on it");
}

static void what_strangers_own_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    put_plugin("good", "sink", "good");
    assert_int_equal(chown("plugins/good.so", 12345, 0), 0);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so",
               "it belongs to uid 12345, expected root or uid 0; change its owner");
    assert_int_equal(chown("plugins/good.so", 0, 0), 0);
    assert_int_equal(chown("plugins", 12345, 0), 0);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins", "it belongs to uid 12345, expected root or uid 0; change its owner");
    assert_int_equal(chown("plugins", 0, 0), 0);
    make_folder("real");
    put_library("good", "real/good.so");
    assert_int_equal(rename("plugins", "plugins.old"), 0);
    assert_int_equal(symlink("real", "plugins"), 0);
    assert_int_equal(lchown("plugins", 12345, 0), 0);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins", "it belongs to uid 12345, expected root or uid 0; change its owner");
}

static void links_to_folders_are_followed_and_judged_to_files_refused(void **state)
{
    (void)state;
    char real[PATH_MAX];
    put_plugin("good", "sink", "good");
    assert_int_equal(rename("plugins/good.so", "plugins/real.so"), 0);
    assert_int_equal(symlink("real.so", "plugins/good.so"), 0);
    assert_null(load("good", LEAT_KIND_SINK));
    expect_why("plugins/good.so", "a symbolic link, expected the file itself");

    make_folder("a");
    make_folder("a/b");
    write_text("a/b/file", "x");
    assert_int_equal(symlink("a/b", "link"), 0);
    assert_int_equal(symlink("../link/../b", "a/again"), 0);
    int fd = trust_open("a/again/file", real, why, sizeof why);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_non_null(strstr(real, "/a/b/file"));
    assert_int_equal(chmod("a", 0777), 0);
    assert_int_equal(trust_open("link/file", real, why, sizeof why), -1);
    expect_why("a", "mode 0777 lets everybody write it, expected 0755; run chmod go-w on it");
    assert_int_equal(symlink("round", "round"), 0);
    assert_int_equal(trust_open("round/file", real, why, sizeof why), -1);
    expect_why("round", "too many symbolic links; name the folder itself");
    assert_int_equal(trust_open("", real, why, sizeof why), -1);
    assert_int_equal(trust_open("link/", real, why, sizeof why), -1);
}

static void one_name_is_described_once(void **state)
{
    (void)state;
    put_plugin("good", "sink", "good");
    write_text("plugins.d/zz.yaml", "name: good\nkind: sink\nlibrary: good.so\nabi: 1\n");
    write_text("plugins.d/readme.txt", "no description");
    struct plugins *plugins = plugins_open("plugins.d", why, sizeof why);
    assert_non_null(plugins);
    assert_int_equal(plugins_count(plugins), 2);
    assert_null(plugins_at(plugins, 0)->error);
    assert_non_null(
        strstr(plugins_at(plugins, 1)->error, "zz.yaml: sink \"good\" is described by "));
    plugins_close(plugins);
}

/* Runs the command with its output in a file. */
static int run(const char *const *arguments, char *out, size_t size)
{
    char *argv[8] = {NULL};
    int argc = 0;
    for (; arguments[argc]; argc++)
        argv[argc] = strdup(arguments[argc]);
    assert_int_equal(fflush(stdout), 0);
    int saved = dup(STDOUT_FILENO);
    int fd = open("out", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && fd >= 0);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    int code = cmd_plugins(argc, argv);
    assert_int_equal(fflush(stdout), 0);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    assert_int_equal(close(saved), 0);
    ssize_t len = pread(fd, out, size - 1, 0);
    assert_true(len >= 0);
    out[len] = '\0';
    assert_int_equal(close(fd), 0);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return code;
}

#define RUN(out, ...)                                                                              \
    run((const char *const[]){"plugins", "--plugins", "plugins.d", __VA_ARGS__, NULL}, out,        \
        sizeof(out))

static void the_command_shows_what_is_there(void **state)
{
    (void)state;
    char out[32768];
    put_plugin("good", "sink", "good");
    put_plugin("source", "source", "source");
    assert_int_equal(RUN(out, "--"), EX_OK);
    assert_non_null(strstr(out, "\ngood          sink    1.2.3     1.0  does nothing\n"));
    assert_non_null(strstr(out, "\nsource        source  1.2.3     1.0  does nothing\n"));
    assert_int_equal(RUN(out, "good"), EX_OK);
    assert_non_null(strstr(out, "\nroll.size    size      64MiB    1KiB to 1GiB     -         How "
                                "large.\n"));
    assert_non_null(strstr(out, "\ndirectory    text      -        -                required  "));
    assert_int_equal(RUN(out, "--json", "good"), EX_OK);
    assert_non_null(strstr(out,
                           "{\"name\":\"compression\",\"type\":\"choice\",\"default\":\"none\","
                           "\"choices\":[\"none\",\"zstd\",\"lz4\"],\"flags\":[],\"help\":\"How "
                           "small.\"}"));
    assert_int_equal(RUN(out, "--mdoc", "good"), EX_OK);
    assert_non_null(strstr(out, ".It Cm count : Ar integer\nHow many.\nRange: 1 to 100.\nDefault:\n"
                                ".Li \"7\" .\n"));
    assert_int_equal(RUN(out, "--mdoc", "core"), EX_OK);
    assert_non_null(strstr(out, ".It Cm state_directory : Ar text\n"));
    assert_int_equal(RUN(out, "nothing"), EX_CONFIG);
    assert_int_equal(RUN(out, "a", "b"), EX_USAGE);
    assert_int_equal(RUN(out, "--help"), EX_OK);
    put_plugin("bad", "sink", "bad_magic");
    assert_int_equal(RUN(out, "--json"), EX_CONFIG);
    assert_non_null(strstr(out, "\"error\":\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_sound_plugin_is_loaded_once),
        TEST(two_plugins_are_two),
        TEST(what_the_descriptor_gets_wrong_is_named),
        TEST(what_the_description_gets_wrong_is_named),
        TEST(an_abi_of_the_note_is_refused_before_any_code_runs),
        TEST(what_is_no_library_is_refused),
        TEST(a_cut_library_is_refused),
        TEST(what_others_may_write_is_refused),
        TEST(what_strangers_own_is_refused),
        TEST(links_to_folders_are_followed_and_judged_to_files_refused),
        TEST(one_name_is_described_once),
        TEST(the_command_shows_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
