/* SPDX-License-Identifier: Apache-2.0
 *
 * config_plugin.c -- which plugin a source or a sink names, and what to say where there is none.
 * [main]  Loads the one that is named, and no other.
 */
#include "config_internal.h"
#include "suggest.h"

#include <stdio.h>

static void list_plugins(const struct plugins *plugins, uint32_t kind, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < plugins_count(plugins) && len < size; i++) {
        const struct plugin_description *item = plugins_at(plugins, i);
        if (!item->name || item->kind != kind)
            continue;
        int more = snprintf(out + len, size - len, "%s%s", len ? ", " : "", item->name);
        len += more < 0 ? 0 : (size_t)more;
    }
}

/* A description that could not even be read may be the one that is missed. */
static const char *broken_description(const struct plugins *plugins)
{
    for (size_t i = 0; i < plugins_count(plugins); i++) {
        if (plugins_at(plugins, i)->error && !plugins_at(plugins, i)->name)
            return plugins_at(plugins, i)->error;
    }
    return NULL;
}

static void report_no_plugin(const struct config_reader *reader, const struct tree_node *node,
                             uint32_t kind)
{
    char quoted[PROBLEMS_QUOTE];
    char known[512];
    struct suggestion best = {0};
    uint32_t other = kind == LEAT_KIND_SINK ? LEAT_KIND_SOURCE : LEAT_KIND_SINK;
    const char *kind_name = plugin_kind_name(kind);
    problems_quote(quoted, node->text);
    if (plugins_find(reader->plugins, node->text, other)) {
        problems_add(reader->options.problems, node->line, node->column,
                     "plugin \"%s\" is a %s, not a %s; move it", quoted, plugin_kind_name(other),
                     kind_name);
        return;
    }
    for (size_t i = 0; i < plugins_count(reader->plugins); i++) {
        const struct plugin_description *item = plugins_at(reader->plugins, i);
        if (item->name && item->kind == kind)
            suggest_offer(&best, node->text, item->name);
    }
    list_plugins(reader->plugins, kind, known, sizeof known);
    const char *broken = broken_description(reader->plugins);
    if (best.word)
        problems_add(reader->options.problems, node->line, node->column,
                     "no %s plugin \"%s\" in %s; did you mean \"%s\"?", kind_name, quoted,
                     plugins_folder(reader->plugins), best.word);
    else
        problems_add(reader->options.problems, node->line, node->column,
                     "no %s plugin \"%s\" in %s; there are: %s%s%s", kind_name, quoted,
                     plugins_folder(reader->plugins), *known ? known : "none",
                     broken ? "; unreadable: " : "", broken ? broken : "");
}

const struct plugin *config_find_plugin(const struct config_reader *reader,
                                        const struct tree_node *mapping, uint32_t kind)
{
    char why[1024];
    const struct tree_node *node = tree_find(mapping, "plugin");
    if (!reader->plugins || !node || node->kind != TREE_SCALAR || node->broken ||
        tree_is_null(node))
        return NULL;
    const struct plugin_description *description = plugins_find(reader->plugins, node->text, kind);
    if (!description) {
        report_no_plugin(reader, node, kind);
        return NULL;
    }
    const struct plugin *plugin = plugins_load(reader->plugins, description, why, sizeof why);
    if (!plugin)
        problems_add(reader->options.problems, node->line, node->column,
                     "plugin \"%s\" cannot be used: %s", description->name, why);
    return plugin;
}
