/* SPDX-License-Identifier: Apache-2.0
 *
 * config_internal.h -- what the files of config share.  [main]
 */
#ifndef LEAT_CONFIG_INTERNAL_H
#define LEAT_CONFIG_INTERNAL_H

#include "config_tables.h"
#include "options.h"
#include "plugins.h"
#include "problems.h"
#include "region.h"
#include "tree.h"

enum { CONFIG_SINKS_MAX = 16, CONFIG_ROUTES_MAX = 256 };

/* What each source and each sink needs of the memory, to have something in flight at all. */
#define CONFIG_SHARE_MIN (INT64_C(4) * 1024 * 1024)

struct config_reader {
    struct options_reader options;
    const struct plugins *plugins; /* NULL: their folder could not be read, which is reported */
};

/* Each reports everything that is wrong and gives what it could read. */
void config_read_pipelines(const struct config_reader *reader, const struct tree_node *node,
                           struct config *config);
void config_read_routes(const struct config_reader *reader, const struct tree_node *node,
                        const leat_route_rules *rules, struct config_sink *sink);

/* The plugin that a source's or a sink's mapping names, loaded.  NULL: reported, here or where the
 * option "plugin" itself is checked. */
const struct plugin *config_find_plugin(const struct config_reader *reader,
                                        const struct tree_node *mapping, uint32_t kind);

/* Behind all pipelines: refuses two instances that would have one place. */
void config_check_alone(const struct config_reader *reader, const struct tree_node *pipelines,
                        const struct config *config);

/* Checks a template; node: the scalar it stands in. */
void config_check_route(const struct config_reader *reader, const struct tree_node *node,
                        const char *route, const leat_route_rules *rules);

/* The file's text, after a look at who may write it.  NULL: reported, with the exit code. */
char *config__read_file(const char *path, struct region *region, struct problems *problems,
                        size_t *len, int *exit_code);

/* The folder of a path, absolute and without links where it exists. */
const char *config__folder_of(const char *path, struct region *region);

/* A path as an absolute one: relative ones begin at the configuration's folder. */
const char *config_path(const struct config_reader *reader, const char *path);

/* True for [a-z0-9_-]{1,63}. */
bool config_is_name(const char *name);

/* The configuration's text, without the file.  config->path names it. */
void config_read(struct config_reader *reader, const char *text, size_t len, struct config *config,
                 struct plugins **plugins);

#endif
