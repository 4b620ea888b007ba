/* SPDX-License-Identifier: Apache-2.0
 *
 * plugins.c -- the list of what is described in plugins.d, and the list of what is loaded.  See plugins.h.
 */
#include "plugins.h"

#include "plugin_description.h"
#include "plugin_load.h"
#include "plugin_places.h"
#include "region.h"
#include "trust.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTIONS_MAX = 256 };

struct plugins {
    struct region region;
    char folder[PATH_MAX];
    size_t count;
    struct plugin_description *items;
};

/* Every loaded plugin of the process, in the order of loading.  [main] alone touches it. */
static struct plugin *loaded;

static void describe(struct plugins *plugins, const char *file_name)
{
    struct region *region = &plugins->region;
    struct plugin_description *description = &plugins->items[plugins->count];
    description->path = region_print(region, "%s/%s", plugins->folder, file_name);
    plugin_description_read(description, region);
    const struct plugin_description *twin =
        description->name && !description->error
            ? plugins_find(plugins, description->name, description->kind)
            : NULL;
    if (twin)
        description->error = region_print(
            region, "%s: %s \"%s\" is described by %s, too; remove one", description->path,
            plugin_kind_name(description->kind), description->name, twin->path);
    plugins->count++;
}

static int is_description(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static bool scan(struct plugins *plugins, char *why, size_t why_size)
{
    struct dirent **entries = NULL;
    int count = scandir(plugins->folder, &entries, is_description, alphasort);
    if (count < 0 || count > DESCRIPTIONS_MAX)
        (void)snprintf(why, why_size, "%s: %s", plugins->folder,
                       count < 0 ? strerror(errno) : "more than 256 descriptions");
    bool good = count >= 0 && count <= DESCRIPTIONS_MAX;
    if (good)
        plugins->items =
            region_take(&plugins->region, ((size_t)count + 1) * sizeof *plugins->items);
    for (int i = 0; i < count; i++) {
        if (good)
            describe(plugins, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return good;
}

struct plugins *plugins_open(const char *folder, char *why, size_t why_size)
{
    struct plugin_places places;
    struct plugins *plugins = calloc(1, sizeof *plugins);
    if (!plugins) {
        (void)snprintf(why, why_size, "out of memory");
        return NULL;
    }
    plugin_places(&places);
    int fd =
        trust_open_folder(folder ? folder : places.descriptions, plugins->folder, why, why_size);
    if (fd < 0 || !scan(plugins, why, why_size)) {
        plugins_close(plugins);
        plugins = NULL;
    }
    if (fd >= 0)
        (void)close(fd);
    return plugins;
}

void plugins_close(struct plugins *plugins)
{
    if (!plugins)
        return;
    region_fini(&plugins->region);
    free(plugins);
}

const char *plugins_folder(const struct plugins *plugins)
{
    return plugins->folder;
}

size_t plugins_count(const struct plugins *plugins)
{
    return plugins->count;
}

const struct plugin_description *plugins_at(const struct plugins *plugins, size_t index)
{
    return &plugins->items[index];
}

const struct plugin_description *plugins_find(const struct plugins *plugins, const char *name,
                                              uint32_t kind)
{
    for (size_t i = 0; i < plugins->count; i++) {
        const struct plugin_description *item = &plugins->items[i];
        if (item->name && item->kind == kind && strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

/* The first place that has a file of that name; all of them are listed when none has. */
static bool find_library(const struct plugins *plugins, const char *name, char path[PATH_MAX],
                         char *why, size_t why_size)
{
    struct plugin_places places;
    char own[PATH_MAX];
    struct stat st;
    plugin_places(&places);
    const char *folders[3] = {NULL, NULL, places.libraries};
    char beside[PATH_MAX + 16];
    bool elsewhere = !realpath(places.descriptions, own) || strcmp(own, plugins->folder) != 0;
    if (elsewhere) {
        (void)snprintf(beside, sizeof beside, "%s/../plugins", plugins->folder);
        folders[0] = beside;
        folders[1] = plugins->folder;
    }
    for (size_t i = 0; i < 3; i++) {
        int written = folders[i] ? snprintf(path, PATH_MAX, "%s/%s", folders[i], name) : -1;
        if (written > 0 && written < PATH_MAX && lstat(path, &st) == 0)
            return true;
    }
    (void)snprintf(why, why_size, "%s: not found in %s%s%s%s%s; build or install it", name,
                   elsewhere ? beside : "", elsewhere ? ", " : "", elsewhere ? plugins->folder : "",
                   elsewhere ? ", " : "", places.libraries);
    return false;
}

/* Finds the file among what is loaded.  A second description of it must agree with the first.  One
 * that was replaced on disk is still the one that is loaded: two versions of a library do not go
 * together, and nothing is unloaded. */
static const struct plugin *find_loaded(int fd, const char *path,
                                        const struct plugin_description *description, bool *found,
                                        char *why, size_t why_size)
{
    struct stat st;
    *found = false;
    if (fstat(fd, &st) != 0)
        return NULL;
    for (struct plugin *plugin = loaded; plugin; plugin = plugin->next) {
        bool same_file = plugin->device == st.st_dev && plugin->inode == st.st_ino;
        if (!same_file && strcmp(plugin->path, path) != 0)
            continue;
        *found = true;
        if (plugin->descriptor.kind == description->kind &&
            strcmp(plugin->descriptor.name, description->name) == 0)
            return plugin;
        (void)snprintf(why, why_size, "%s: %s \"%s\", expected %s \"%s\" as %s says", plugin->path,
                       plugin_kind_name(plugin->descriptor.kind), plugin->descriptor.name,
                       plugin_kind_name(description->kind), description->name, description->path);
        return NULL;
    }
    return NULL;
}

/* A debug build keeps the file open: sanitizers read symbols by the name it was loaded under. */
static void close_library(int fd, const struct plugin *kept)
{
#ifdef LEAT_DEBUG
    if (kept)
        return;
#endif
    (void)kept;
    (void)close(fd);
}

const struct plugin *plugins_load(const struct plugins *plugins,
                                  const struct plugin_description *description, char *why,
                                  size_t why_size)
{
    char path[PATH_MAX];
    char real[PATH_MAX];
    bool found;
    if (description->error) {
        (void)snprintf(why, why_size, "%s", description->error);
        return NULL;
    }
    if (description->library[0] == '/')
        (void)snprintf(path, sizeof path, "%s", description->library);
    else if (!find_library(plugins, description->library, path, why, why_size))
        return NULL;
    int fd = trust_open(path, real, why, why_size);
    if (fd < 0)
        return NULL;
    const struct plugin *known = find_loaded(fd, real, description, &found, why, why_size);
    if (found) {
        (void)close(fd);
        return known;
    }
    struct plugin *plugin = plugin_load(fd, real, description, why, why_size);
    close_library(fd, plugin);
    if (!plugin)
        return NULL;
    struct plugin **tail = &loaded;
    while (*tail)
        tail = &(*tail)->next;
    *tail = plugin;
    return plugin;
}

size_t plugins_loaded_count(void)
{
    size_t count = 0;
    for (const struct plugin *plugin = loaded; plugin; plugin = plugin->next)
        count++;
    return count;
}

const struct plugin *plugins_loaded_at(size_t index)
{
    const struct plugin *plugin = loaded;
    while (plugin && index--)
        plugin = plugin->next;
    return plugin;
}
