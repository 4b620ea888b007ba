/* SPDX-License-Identifier: Apache-2.0
 *
 * support.c -- see support.h.
 */
#include "support.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/leat-config-XXXXXX";

int enter_folder(void **state)
{
    (void)state;
    umask(022);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    make_folder("plugins.d");
    make_folder("plugins");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int leave_folder(void **state)
{
    (void)state;
    if (chdir("/") != 0)
        return -1;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

void write_text(const char *path, const char *text)
{
    (void)unlink(path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

void put_library(const char *variant, const char *path)
{
    char from[PATH_MAX];
    char bytes[65536];
    size_t len;
    (void)snprintf(from, sizeof from, "%s/%s.so", TEST_PLUGINS, variant);
    FILE *in = fopen(from, "re");
    FILE *out = fopen(path, "we");
    assert_non_null(in);
    assert_non_null(out);
    while ((len = fread(bytes, 1, sizeof bytes, in)) > 0)
        assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

void put_plugin(const char *name, const char *kind, const char *variant)
{
    char path[PATH_MAX];
    char text[512];
    (void)snprintf(path, sizeof path, "plugins.d/%s.yaml", name);
    (void)snprintf(text, sizeof text, "name: %s\nkind: %s\nlibrary: %s.so\nabi: 1\n", name, kind,
                   variant);
    write_text(path, text);
    (void)snprintf(path, sizeof path, "plugins/%s.so", variant);
    if (access(path, F_OK) != 0)
        put_library(variant, path);
}
