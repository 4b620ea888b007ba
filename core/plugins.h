/* SPDX-License-Identifier: Apache-2.0
 *
 * plugins.h -- what is installed (plugins.d), and what of it is loaded.  [main]; the accessors of a
 * loaded plugin are [any].
 *
 * A description is a small YAML file: name, kind, library, ABI.  Describing runs no code.  A loaded
 * plugin lives as long as the process: nothing unloads it, and one library is loaded once, however
 * often the configuration is read.
 */
#ifndef LEAT_PLUGINS_H
#define LEAT_PLUGINS_H

#include <leat/plugin.h>

struct tree_node;

/* One file of plugins.d.  Owned by the struct plugins. */
struct plugin_description {
    const char *name;    /* NULL when the file is unreadable: see error */
    uint32_t kind;       /* LEAT_KIND_... */
    const char *library; /* as written: a bare name, or absolute */
    int64_t abi;
    const char *summary; /* may be NULL */
    leat_pairs example;  /* option values for the sample configuration */
    const char *path;    /* of the description */
    const char *error;   /* NULL, or the one line that says why it cannot be used */
};

struct plugins;
struct plugin;

/* Reads the descriptions of a folder; NULL: the one that belongs to the running binary (of its
 * build tree, else the installed one).  NULL is returned, with one line in `why`, when the folder
 * cannot be read or trusted; a broken description is kept with its error. */
struct plugins *plugins_open(const char *folder, char *why, size_t why_size);
void plugins_close(struct plugins *plugins); /* NULL is allowed; what is loaded stays loaded */

const char *plugins_folder(const struct plugins *plugins); /* absolute, without links */
size_t plugins_count(const struct plugins *plugins);
const struct plugin_description *plugins_at(const struct plugins *plugins, size_t index);
const struct plugin_description *plugins_find(const struct plugins *plugins, const char *name,
                                              uint32_t kind); /* NULL: none */

/* Loads it, or finds it loaded.  NULL with one line in `why`: path, what was found, what was
 * expected. */
const struct plugin *plugins_load(const struct plugins *plugins,
                                  const struct plugin_description *description, char *why,
                                  size_t why_size);

/* Everything the process has loaded, in the order of loading: for `leat version --verbose`. */
size_t plugins_loaded_count(void);
const struct plugin *plugins_loaded_at(size_t index);

/* Of a loaded plugin; all static. */
const char *plugin_name(const struct plugin *plugin);
uint32_t plugin_kind(const struct plugin *plugin);
const char *plugin_kind_name(uint32_t kind);          /* "source", "sink" */
const char *plugin_path(const struct plugin *plugin); /* of the library, without links */
const char *plugin_version(const struct plugin *plugin);
const char *plugin_license(const struct plugin *plugin);   /* "" where it says nothing */
const char *plugin_summary(const struct plugin *plugin);   /* "" where it says nothing */
const char *plugin_libraries(const struct plugin *plugin); /* "libpq 15.10", or "" */
void plugin_abi(const struct plugin *plugin, unsigned *major, unsigned *minor);

/* The operations as this version knows them: full size, zero where the plugin's are shorter; `size`
 * is what both sides have.  NULL for the other kind. */
const leat_sink_ops *plugin_sink_ops(const struct plugin *plugin);
const leat_source_ops *plugin_source_ops(const struct plugin *plugin);

/* Its option table, as a plain array; the plugin's own struct has config_size bytes. */
const leat_option *plugin_options(const struct plugin *plugin, size_t *count);
size_t plugin_config_size(const struct plugin *plugin);

#endif
