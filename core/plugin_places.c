/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_places.c -- finds this binary's plugins.  See plugin_places.h.
 */
#include "plugin_places.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_build_tree(const char *folder)
{
    char path[PATH_MAX];
    int written = snprintf(path, sizeof path, "%s/CMakeCache.txt", folder);
    return written > 0 && (size_t)written < sizeof path && access(path, F_OK) == 0;
}

static bool in_build_tree(char folder[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (len <= 0)
        return false;
    folder[len] = '\0';
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder)
            return false;
        *slash = '\0';
        if (is_build_tree(folder))
            return true;
    }
    return false;
}

void plugin_places(struct plugin_places *places)
{
    char folder[PATH_MAX];
    bool fits = false;
    if (in_build_tree(folder)) {
        int a = snprintf(places->descriptions, PATH_MAX, "%s/plugins.d", folder);
        int b = snprintf(places->libraries, PATH_MAX, "%s/plugins", folder);
        fits = a > 0 && a < PATH_MAX && b > 0 && b < PATH_MAX;
    }
    if (!fits) {
        (void)snprintf(places->descriptions, PATH_MAX, "%s", LEAT_PLUGIN_DESCRIPTIONS);
        (void)snprintf(places->libraries, PATH_MAX, "%s", LEAT_PLUGIN_LIBRARIES);
    }
}
