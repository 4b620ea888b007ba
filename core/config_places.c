/* SPDX-License-Identifier: Apache-2.0
 *
 * config_places.c -- see config_places.h.
 */
#include "config_places.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 64

/* The first of systemd's list, where it is absolute. */
static bool of_systemd(const char *variable, char *out, size_t size)
{
    const char *value = getenv(variable);
    size_t length = value ? strcspn(value, ":") : 0;

    if (length < 2 || value[0] != '/' || length >= size)
        return false;
    memcpy(out, value, length);
    out[length] = '\0';
    return true;
}

/* NAME of /etc/leat/NAME.yaml; "" for /etc/leat/leat.yaml and for a file that lies elsewhere. */
static void find_instance(const char *config, char name[NAME_BYTES])
{
    static const char end[] = ".yaml";
    char real[PATH_MAX];
    char *slash;
    size_t length;

    name[0] = '\0';
    if (!config || !realpath(config, real) || !(slash = strrchr(real, '/')))
        return;
    *slash = '\0';
    length = strlen(slash + 1);
    if (strcmp(real, LEAT_CONFIG_FOLDER) != 0 || length < sizeof end ||
        length - (sizeof end - 1) >= NAME_BYTES ||
        strcmp(slash + 1 + length - (sizeof end - 1), end) != 0)
        return;
    length -= sizeof end - 1;
    memcpy(name, slash + 1, length);
    name[length] = '\0';
    if (strcmp(name, "leat") == 0)
        name[0] = '\0';
}

void config_places(const char *config, struct config_places *out)
{
    char name[NAME_BYTES], folder[PATH_MAX];

    find_instance(config, name);
    if (!of_systemd("STATE_DIRECTORY", out->state, sizeof out->state))
        (void)snprintf(out->state, sizeof out->state, "/var/lib/leat%s%s", *name ? "/" : "", name);
    if (!of_systemd("RUNTIME_DIRECTORY", folder, sizeof folder))
        (void)snprintf(folder, sizeof folder, "/run/leat%s%s", *name ? "-" : "", name);
    (void)snprintf(out->listen, sizeof out->listen, "unix:%s/leat.sock", folder);
}
