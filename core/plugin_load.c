/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_load.c -- loads one library.  See plugin_load.h.
 *
 * Order is everything here: the note in the file is read before any code of it runs, the frozen
 * preamble before anything behind it, the size before each member.  The text behind the path is
 * always "found, expected".
 */
#include "plugin_load.h"

#include "config_tables.h"
#include "elfnote.h"
#include "options.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What a plugin of minor 0 has at least. */
#define PLUGIN_SIZE_MIN (offsetof(leat_plugin, libraries) + sizeof(void *))
#define SINK_OPS_SIZE_MIN (offsetof(leat_sink_ops, check) + sizeof(void *))
#define SOURCE_OPS_SIZE_MIN (offsetof(leat_source_ops, slot) + sizeof(void *))
#define OPTION_SIZE_MIN (offsetof(leat_option, reserved) + sizeof(uint32_t))

enum { OPTIONS_MAX = 512, CONFIG_SIZE_MAX = 1024 * 1024, LOADS_MAX = 256 };

static const char *check_version(unsigned major, unsigned minor, unsigned needed, char *why,
                                 size_t why_size)
{
    if (major != LEAT_ABI_MAJOR)
        (void)snprintf(why, why_size,
                       "ABI major %u, expected %u; install the plugin's build for this leat", major,
                       LEAT_ABI_MAJOR);
    else if (needed > LEAT_ABI_MINOR)
        (void)snprintf(
            why, why_size,
            "ABI %u.%u that needs a leat of ABI %u.%u, expected at most %u.%u; install a "
            "newer leat",
            major, minor, major, needed, LEAT_ABI_MAJOR, LEAT_ABI_MINOR);
    else
        return NULL;
    return why;
}

static const char *check_preamble(const leat_plugin *theirs,
                                  const struct plugin_description *description, char *why,
                                  size_t why_size)
{
    if (theirs->magic != LEAT_ABI_MAGIC) {
        (void)snprintf(why, why_size, "leat_plugin_v1 begins with 0x%08x, expected 0x%08x",
                       theirs->magic, LEAT_ABI_MAGIC);
        return why;
    }
    if (check_version(theirs->abi_major, theirs->abi_minor, theirs->abi_minor_needed, why,
                      why_size))
        return why;
    if (theirs->size < PLUGIN_SIZE_MIN)
        (void)snprintf(why, why_size, "leat_plugin_v1 has %u bytes, expected at least %zu",
                       theirs->size, PLUGIN_SIZE_MIN);
    else if (!description && theirs->kind != LEAT_KIND_SINK && theirs->kind != LEAT_KIND_SOURCE)
        (void)snprintf(why, why_size, "a plugin of kind %u, expected %d (sink) or %d (source)",
                       theirs->kind, LEAT_KIND_SINK, LEAT_KIND_SOURCE);
    else if (description && theirs->kind != description->kind)
        (void)snprintf(why, why_size, "a plugin of kind %u (%s), expected a %s as %s says",
                       theirs->kind, plugin_kind_name(theirs->kind),
                       plugin_kind_name(description->kind), description->path);
    else
        return NULL;
    return why;
}

static const char *check_texts(const leat_plugin *mine,
                               const struct plugin_description *description, char *why,
                               size_t why_size)
{
    if (!mine->name || !*mine->name)
        (void)snprintf(why, why_size, "no name, expected one");
    else if (description && strcmp(mine->name, description->name) != 0)
        (void)snprintf(why, why_size, "a plugin named \"%s\", expected \"%s\" as %s says",
                       mine->name, description->name, description->path);
    else if (!mine->version || !*mine->version)
        (void)snprintf(why, why_size, "no version, expected one");
    else if (!mine->ops)
        (void)snprintf(why, why_size, "no operations, expected some");
    else
        return NULL;
    return why;
}

static const char *missing_sink_operation(const leat_sink_ops *ops)
{
    return !ops->create    ? "create"
           : !ops->start   ? "start"
           : !ops->submit  ? "submit"
           : !ops->stop    ? "stop"
           : !ops->destroy ? "destroy"
                           : NULL;
}

static const char *missing_source_operation(const leat_source_ops *ops)
{
    return !ops->create     ? "create"
           : !ops->start    ? "start"
           : !ops->poll     ? "poll"
           : !ops->progress ? "progress"
           : !ops->stop     ? "stop"
           : !ops->destroy  ? "destroy"
                            : NULL;
}

/* Copies what both sides know of the operations. */
static const char *adopt_operations(struct plugin *plugin, char *why, size_t why_size)
{
    bool sink = plugin->descriptor.kind == LEAT_KIND_SINK;
    size_t least = sink ? SINK_OPS_SIZE_MIN : SOURCE_OPS_SIZE_MIN;
    size_t ours = sink ? sizeof plugin->ops.sink : sizeof plugin->ops.source;
    uint32_t size;
    memcpy(&size, plugin->descriptor.ops, sizeof size);
    if (size < least) {
        (void)snprintf(why, why_size, "operations of %u bytes, expected at least %zu", size, least);
        return why;
    }
    if (size > ours)
        size = (uint32_t)ours;
    memcpy(&plugin->ops, plugin->descriptor.ops, size);
    memcpy(&plugin->ops, &size, sizeof size);
    const char *missing = sink ? missing_sink_operation(&plugin->ops.sink)
                               : missing_source_operation(&plugin->ops.source);
    if (!missing)
        return NULL;
    (void)snprintf(why, why_size, "no operation \"%s\", expected one", missing);
    return why;
}

/* A mapping is read against both tables at once: a name must not be in both. */
static const char *check_core_names(const struct plugin *plugin, char *why, size_t why_size)
{
    const struct config_table *core =
        plugin->descriptor.kind == LEAT_KIND_SINK ? &config_sink_table : &config_source_table;
    for (uint32_t i = 0; i < plugin->descriptor.option_count; i++) {
        for (size_t j = 0; j < core->count; j++) {
            if (strcmp(plugin->options[i].name, core->rows[j].name) != 0)
                continue;
            (void)snprintf(why, why_size, "option \"%s\": the name is the core's, expected another",
                           core->rows[j].name);
            return why;
        }
    }
    return NULL;
}

static const char *adopt_options(struct plugin *plugin, char *why, size_t why_size)
{
    const leat_plugin *mine = &plugin->descriptor;
    if (mine->option_count > OPTIONS_MAX || mine->config_size > CONFIG_SIZE_MAX ||
        (mine->option_count && !mine->options)) {
        (void)snprintf(why, why_size, "%u options in %u bytes, expected at most %d in %d",
                       mine->option_count, mine->config_size, OPTIONS_MAX, CONFIG_SIZE_MAX);
        return why;
    }
    if (mine->option_count && (mine->option_stride < OPTION_SIZE_MIN ||
                               mine->option_stride % _Alignof(leat_option) != 0)) {
        (void)snprintf(why, why_size, "options of %u bytes, expected at least %zu",
                       mine->option_stride, OPTION_SIZE_MIN);
        return why;
    }
    plugin->options = calloc(mine->option_count + 1u, sizeof *plugin->options);
    if (!plugin->options)
        return "out of memory";
    size_t each =
        mine->option_stride < sizeof(leat_option) ? mine->option_stride : sizeof(leat_option);
    for (uint32_t i = 0; i < mine->option_count; i++)
        memcpy(&plugin->options[i],
               (const unsigned char *)mine->options + (size_t)i * mine->option_stride, each);
    if (options_check_table(plugin->options, mine->option_count, mine->config_size, why, why_size))
        return why;
    return check_core_names(plugin, why, why_size);
}

const char *plugin_adopt(struct plugin *plugin, const leat_plugin *theirs,
                         const struct plugin_description *description, char *why, size_t why_size)
{
    const char *wrong = check_preamble(theirs, description, why, why_size);
    if (wrong)
        return wrong;
    size_t size =
        theirs->size < sizeof plugin->descriptor ? theirs->size : sizeof plugin->descriptor;
    memcpy(&plugin->descriptor, theirs, size);
    wrong = check_texts(&plugin->descriptor, description, why, why_size);
    if (!wrong)
        wrong = adopt_operations(plugin, why, why_size);
    if (!wrong)
        wrong = adopt_options(plugin, why, why_size);
    return wrong;
}

static const char *check_note(int fd, char *why, size_t why_size)
{
    struct elfnote note;
    switch (elfnote_read(fd, &note)) {
    case ELFNOTE_FOUND:
        return check_version(note.major, note.minor, note.minor_needed, why, why_size);
    case ELFNOTE_NONE:
        return NULL; /* a plugin in another language may have none: the preamble decides */
    case ELFNOTE_FOREIGN:
        return "an ELF file for another machine, expected a shared library for this one";
    case ELFNOTE_NOT_ELF:
        return "not an ELF file, expected a shared library";
    default:
        return "a damaged ELF file, expected a shared library; install it again";
    }
}

/* glibc takes one name for one library, and the next file may get this number: so each load spells
 * the name in a way of its own. */
static void *load_fd(int fd)
{
    static unsigned loads;
    char name[64 + 2 * LOADS_MAX] = "/proc/self/fd/";
    size_t len = strlen(name);
    if (loads == LOADS_MAX)
        return NULL;
    for (unsigned i = 0; i < loads; i++, len += 2)
        memcpy(name + len, "./", 3);
    loads++;
    (void)snprintf(name + len, sizeof name - len, "%d", fd);
    return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* dlerror's text without the name that means nothing to anybody. */
static const char *load_error(void)
{
    const char *text = dlerror();
    const char *behind = text ? strstr(text, ": ") : NULL;
    if (behind && strncmp(text, "/proc/self/fd/", 14) == 0)
        return behind + 2;
    return text ? text : "plugins were loaded too often; restart leat";
}

struct plugin *plugin_load(int fd, const char *real_path,
                           const struct plugin_description *description, char *why, size_t why_size)
{
    char reason[LEAT_ERROR_TEXT] = "";
    struct stat st;
    const char *wrong = check_note(fd, reason, sizeof reason);
    struct plugin *plugin = wrong ? NULL : calloc(1, sizeof *plugin);
    if (!wrong && (!plugin || fstat(fd, &st) != 0))
        wrong = "out of memory";
    if (!wrong) {
        void *handle = load_fd(fd);
        const leat_plugin *theirs = handle ? dlsym(handle, "leat_plugin_v1") : NULL;
        if (!handle)
            wrong = load_error();
        else if (!theirs)
            wrong = "no symbol leat_plugin_v1, expected a leat plugin";
        else
            wrong = plugin_adopt(plugin, theirs, description, reason, sizeof reason);
    }
    if (wrong) {
        (void)snprintf(why, why_size, "%s: %s", real_path, wrong);
        if (plugin)
            free(plugin->options);
        free(plugin);
        return NULL;
    }
    plugin->device = st.st_dev;
    plugin->inode = st.st_ino;
    (void)snprintf(plugin->path, sizeof plugin->path, "%s", real_path);
    return plugin;
}
