/* SPDX-License-Identifier: Apache-2.0
 *
 * path.c -- see path.h.
 */
#include "path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as many as Linux follows */

static void drop_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
}

/* Puts the target of the link `out` in front of what is left of the path. */
static bool follow(char out[PATH_MAX], const char *target, size_t size, char rest[PATH_MAX])
{
    size_t left = strlen(rest);
    if (size + left >= PATH_MAX)
        return false;
    memmove(rest + size, rest, left + 1);
    memcpy(rest, target, size);
    if (*target == '/')
        out[0] = '\0';
    else
        drop_last(out);
    return true;
}

/* The first part of rest moves to the end of out, which is empty for the root. */
static bool step(char out[PATH_MAX], char rest[PATH_MAX], unsigned *links)
{
    char target[PATH_MAX];
    size_t skip = strspn(rest, "/"), size = strcspn(rest + skip, "/"), length = strlen(out);
    const char *name = rest + skip;
    bool here = size == 0 || (size == 1 && name[0] == '.');
    bool up = size == 2 && name[0] == '.' && name[1] == '.';
    ssize_t linked = -1;

    if (length + 1 + size >= PATH_MAX)
        return false;
    if (up)
        drop_last(out);
    if (!up && !here) {
        out[length] = '/';
        memcpy(out + length + 1, name, size);
        out[length + 1 + size] = '\0';
        linked = readlink(out, target, sizeof target);
    }
    memmove(rest, name + size, strlen(name + size) + 1);
    return linked <= 0 || (++*links <= LINKS_MAX && follow(out, target, (size_t)linked, rest));
}

bool path_resolve(const char *path, char out[PATH_MAX])
{
    char rest[PATH_MAX];
    unsigned links = 0;

    out[0] = '\0';
    if (strlen(path) >= sizeof rest || (*path != '/' && !getcwd(out, PATH_MAX)))
        return false;
    if (strcmp(out, "/") == 0)
        out[0] = '\0';
    memcpy(rest, path, strlen(path) + 1);
    while (*rest)
        if (!step(out, rest, &links))
            return false;
    if (!*out)
        memcpy(out, "/", 2);
    return true;
}

static bool is_below(const char *path, const char *folder)
{
    size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/' && path[size + 1];
}

enum path_relation path_compare(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return PATH_SAME;
    return is_below(a, b) ? PATH_INSIDE : is_below(b, a) ? PATH_AROUND : PATH_APART;
}
