/* SPDX-License-Identifier: Apache-2.0
 *
 * plugins.c -- the descriptions of plugins.d and the list of what is loaded.  See plugins.h.
 */
#include "plugins.h"

#include "file_text.h"
#include "options.h"
#include "plugin_load.h"
#include "plugin_places.h"
#include "problems.h"
#include "region.h"
#include "tree.h"
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

/* What one description file fills. */
struct description_file {
    const char *name, *library, *summary;
    int64_t kind, abi;
    const struct tree_node *example;
};

static const char *const kinds[] = {"sink", "source", NULL}; /* LEAT_KIND_... less one */

#define T struct description_file
static const leat_option description_rows[] = {
    LEAT_OPTION_STRING("name", T, name, NULL, LEAT_OPT_REQUIRED, "the name in configurations"),
    LEAT_OPTION_ENUM("kind", T, kind, NULL, kinds, LEAT_OPT_REQUIRED, "sink or source"),
    LEAT_OPTION_STRING("library", T, library, NULL, LEAT_OPT_REQUIRED,
                       "the library's file name, or its absolute path"),
    LEAT_OPTION_INT("abi", T, abi, NULL, 1, 65535, LEAT_OPT_REQUIRED, "the ABI's major version"),
    LEAT_OPTION_STRING("summary", T, summary, NULL, 0, "one line about it"),
    OPTION_NODE_ROW("example", T, example, 0, "option values for the sample configuration"),
};
#undef T

static void take_example(struct plugin_description *description, const struct tree_node *node,
                         struct region *region)
{
    if (!node || node->kind != TREE_MAPPING)
        return;
    leat_pair *items = region_take(region, (node->count + 1) * sizeof *items);
    size_t count = 0;
    for (const struct tree_node *child = node->first; child; child = child->next) {
        if (child->kind == TREE_SCALAR) /* as written: ${} is for whoever copies it */
            items[count++] = (leat_pair){child->key->text, child->text};
    }
    description->example = (leat_pairs){items, count};
}

static const char *check_description(const struct plugin_description *description, char *why,
                                     size_t why_size)
{
    const char *library = description->library;
    if (description->abi != LEAT_ABI_MAJOR)
        (void)snprintf(why, why_size, "%s: ABI %lld, expected %u; install the build for this leat",
                       description->path, (long long)description->abi, LEAT_ABI_MAJOR);
    else if (library[0] != '/' && (strchr(library, '/') || library[0] == '.' || !library[0]))
        (void)snprintf(why, why_size,
                       "%s: library \"%.100s\", expected a file name or an absolute path",
                       description->path, library);
    else
        return NULL;
    return why;
}

static void read_description(struct plugin_description *description, int fd, struct region *region,
                             char *why, size_t why_size)
{
    struct description_file file = {0};
    struct options_target target = {description_rows,
                                    sizeof description_rows / sizeof *description_rows, &file};
    struct problems *problems = problems_create(description->path);
    struct options_reader reader = {region, problems, NULL};
    size_t len = 0;
    const char *text = file_text(fd, region, TREE_TEXT_MAX, &len);
    const struct tree_node *root = NULL;
    if (!text)
        problems_add(problems, 0, 0, "%s", strerror(errno));
    else
        root = tree_load(text, len, region, problems);
    if (root)
        options_fill(&reader, root, &target, 1, "a plugin's description", 0, NULL);
    description->name = file.name;
    description->kind = file.kind == 0 ? LEAT_KIND_SINK : LEAT_KIND_SOURCE;
    description->library = file.library;
    description->abi = file.abi;
    description->summary = file.summary;
    take_example(description, file.example, region);
    if (problems_errors(problems)) {
        problems_first(problems, why, why_size);
        description->error = region_text(region, why, strlen(why));
    } else if (check_description(description, why, why_size)) {
        description->error = region_text(region, why, strlen(why));
    }
    problems_destroy(problems);
}

static void describe(struct plugins *plugins, const char *file_name)
{
    char why[1024];
    char real[PATH_MAX];
    struct region *region = &plugins->region;
    struct plugin_description *description = &plugins->items[plugins->count];
    description->path = region_print(region, "%s/%s", plugins->folder, file_name);
    int fd = trust_open(description->path, real, why, sizeof why);
    if (fd < 0) {
        description->error = region_text(region, why, strlen(why));
    } else {
        read_description(description, fd, region, why, sizeof why);
        (void)close(fd);
    }
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
