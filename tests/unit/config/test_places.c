/* SPDX-License-Identifier: Apache-2.0
 *
 * test_places.c -- no two instances have one place, and a command finds its daemon's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char config_folder[] = "/tmp/leat-places-XXXXXX";
#define LEAT_CONFIG_FOLDER config_folder
#include "config_places.c"

static int enter(void **state)
{
    (void)state;
    (void)unsetenv("STATE_DIRECTORY");
    (void)unsetenv("RUNTIME_DIRECTORY");
    return mkdtemp(config_folder) ? 0 : -1;
}

static int leave(void **state)
{
    char command[64];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", config_folder);
    return system(command);
}

static const char *put(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", config_folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    return path;
}

static void expect(const char *config, const char *state_directory, const char *listen)
{
    struct config_places places;
    config_places(config, &places);
    assert_string_equal(places.state, state_directory);
    assert_string_equal(places.listen, listen);
}

static void the_name_of_the_file_is_the_instance(void **state)
{
    (void)state;
    expect(put("shop.yaml"), "/var/lib/leat/shop", "unix:/run/leat-shop/leat.sock");
    expect(put("a.b.yaml"), "/var/lib/leat/a.b", "unix:/run/leat-a.b/leat.sock");
}

static void the_one_daemon_has_no_other_name(void **state)
{
    (void)state;
    expect(NULL, "/var/lib/leat", "unix:/run/leat/leat.sock");
    expect(put("leat.yaml"), "/var/lib/leat", "unix:/run/leat/leat.sock");
    expect(put(".yaml"), "/var/lib/leat", "unix:/run/leat/leat.sock");
    expect(put("shop.yml"), "/var/lib/leat", "unix:/run/leat/leat.sock");
    expect("/nowhere/shop.yaml", "/var/lib/leat", "unix:/run/leat/leat.sock");
    expect("/dev/null", "/var/lib/leat", "unix:/run/leat/leat.sock");
}

static void a_file_elsewhere_has_no_name(void **state)
{
    char path[256];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/deeper", config_folder);
    assert_int_equal(mkdir(path, 0700), 0);
    expect(put("deeper/shop.yaml"), "/var/lib/leat", "unix:/run/leat/leat.sock");
}

static void systemd_says_it(void **state)
{
    (void)state;
    (void)setenv("STATE_DIRECTORY", "/var/lib/leat/x:/var/lib/other", 1);
    (void)setenv("RUNTIME_DIRECTORY", "/run/leat-x", 1);
    expect(put("shop.yaml"), "/var/lib/leat/x", "unix:/run/leat-x/leat.sock");
    (void)setenv("STATE_DIRECTORY", "relative", 1); /* nothing of systemd's */
    (void)setenv("RUNTIME_DIRECTORY", "", 1);
    expect(put("shop.yaml"), "/var/lib/leat/shop", "unix:/run/leat-shop/leat.sock");
    (void)unsetenv("STATE_DIRECTORY");
    (void)unsetenv("RUNTIME_DIRECTORY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_the_file_is_the_instance),
        cmocka_unit_test(the_one_daemon_has_no_other_name),
        cmocka_unit_test(a_file_elsewhere_has_no_name),
        cmocka_unit_test(systemd_says_it),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
