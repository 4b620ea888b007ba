/* SPDX-License-Identifier: Apache-2.0
 *
 * config_pipeline.c -- pipelines, their source and sinks.  See config.h.
 *
 * A source's or sink's mapping is read against two tables at once, the core's and the plugin's, so
 * the plugin is found and loaded before its mapping is looked at.
 */
#include "config_internal.h"
#include "journal.h"
#include "units.h"

#include <stdio.h>
#include <string.h>

_Static_assert(CONFIG_SINKS_MAX <= JOURNAL_SINKS_MAX, "a pipeline has arrays of that size");

/* Reads a mapping against the core's rows and the plugin's.  The plugin's struct, or NULL. */
static const void *fill(const struct config_reader *reader, const struct tree_node *mapping,
                        const struct config_table *table, void *into, const struct plugin *plugin,
                        const char *what, struct option_templates *templates)
{
    struct options_target targets[2] = {{table->rows, table->count, into}, {0}};
    void *options = NULL;
    if (plugin) {
        options = region_take(reader->options.region, plugin_config_size(plugin));
        targets[1].rows = plugin_options(plugin, &targets[1].count);
        targets[1].into = options;
    }
    options_fill(&reader->options, mapping, targets, plugin ? 2 : 1, what, plugin ? 0 : OPTIONS_LAX,
                 templates);
    return options;
}

static void read_source(const struct config_reader *reader, const struct tree_node *node,
                        struct config_pipeline *pipeline)
{
    struct config_source_file file = {0};
    struct option_templates *templates = region_take(reader->options.region, sizeof *templates);
    if (node->kind == TREE_SEQUENCE) {
        if (node->count != 1) {
            problems_add(reader->options.problems, node->line, node->column,
                         "\"source\" has %zu entries; write one, and a pipeline for each other",
                         node->count);
            return;
        }
        node = node->first;
    }
    pipeline->source = config_find_plugin(reader, node, LEAT_KIND_SOURCE);
    const char *what = pipeline->source
                           ? region_print(reader->options.region, "the source (plugin %s)",
                                          plugin_name(pipeline->source))
                           : "the source";
    pipeline->source_options =
        fill(reader, node, &config_source_table, &file, pipeline->source, what, templates);
    pipeline->source_templates = templates;
}

static void check_sink_name(const struct config_reader *reader, const struct tree_node *node,
                            const struct config_sink *sinks, size_t index)
{
    const struct tree_node *at = tree_find(node, "name");
    char quoted[PROBLEMS_QUOTE];
    const char *name = sinks[index].name;
    at = at ? at : node;
    if (!name)
        return;
    if (!config_is_name(name))
        problems_add(reader->options.problems, at->line, at->column,
                     "sink name \"%s\": write 1 to 63 of a-z, 0-9, _ and -",
                     problems_quote(quoted, name));
    for (size_t i = 0; i < index; i++) {
        if (!sinks[i].name || strcmp(sinks[i].name, name) != 0)
            continue;
        problems_add(reader->options.problems, at->line, at->column,
                     "sink name \"%s\" is used twice in this pipeline; give this one another with "
                     "\"name\"",
                     problems_quote(quoted, name));
        return;
    }
}

static void check_dead_letter(const struct config_reader *reader, const struct tree_node *node,
                              struct config_sink *sink)
{
    const struct tree_node *on_reject = tree_find(node, "on_reject");
    const struct tree_node *dead_letter = tree_find(node, "dead_letter");
    if (sink->on_reject == CONFIG_REJECT_DEAD_LETTER && !dead_letter && on_reject)
        problems_add(reader->options.problems, on_reject->line, on_reject->column,
                     "\"on_reject\" is dead_letter, but no folder is named; add dead_letter: "
                     "/PATH");
    if (sink->on_reject == CONFIG_REJECT_STOP && dead_letter)
        problems_add(reader->options.problems, dead_letter->line, dead_letter->column,
                     "\"dead_letter\" has no effect here; add on_reject: dead_letter, or remove "
                     "it");
    sink->dead_letter = config_path(reader, sink->dead_letter);
}

/* The rows are the source's memory, which a process of its own does not have. */
static void check_isolate(const struct config_reader *reader, const struct tree_node *node,
                          const struct config_sink *sink)
{
    const struct tree_node *at = tree_find(node, "isolate");
    const leat_sink_ops *ops = sink->plugin ? plugin_sink_ops(sink->plugin) : NULL;
    if (at && sink->isolate && ops && ops->caps & LEAT_SINK_RAW_ROWS)
        problems_add(reader->options.problems, at->line, at->column,
                     "plugin \"%s\" reads the rows themselves and cannot be isolated; remove "
                     "\"isolate\"",
                     plugin_name(sink->plugin));
}

static void read_sink_routes(const struct config_reader *reader, const struct tree_node *node,
                             const struct tree_node *routes, struct config_sink *sink)
{
    const struct tree_node *route = tree_find(node, "route");
    const leat_sink_ops *ops = sink->plugin ? plugin_sink_ops(sink->plugin) : NULL;
    const leat_route_rules *rules = ops ? ops->route : NULL;
    if (ops && !rules && (route || routes)) {
        const struct tree_node *at = route ? route : routes;
        problems_add(reader->options.problems, at->line, at->column,
                     "plugin \"%s\" has no routes; remove \"%s\"", plugin_name(sink->plugin),
                     route ? "route" : "routes");
        return;
    }
    if (rules && rules->required && !route && !routes)
        problems_add(reader->options.problems, node->line, node->column,
                     "sink \"%s\" needs \"route\" or \"routes\"; add for example route: "
                     "\"cdc.{schema}.{table}\"",
                     sink->name ? sink->name : plugin_name(sink->plugin));
    if (route) {
        sink->route_line = route->line;
        sink->route_column = route->column;
        config_check_route(reader, route, sink->route, rules);
    }
    if (routes)
        config_read_routes(reader, routes, rules, sink);
}

static void read_sink(const struct config_reader *reader, const struct tree_node *node,
                      struct config_sink *sinks, size_t index)
{
    struct config_sink_file file = {0};
    struct option_templates *templates = region_take(reader->options.region, sizeof *templates);
    const struct plugin *plugin = config_find_plugin(reader, node, LEAT_KIND_SINK);
    const struct tree_node *name = tree_find(node, "name");
    const char *shown = name && name->kind == TREE_SCALAR ? name->text
                        : plugin                          ? plugin_name(plugin)
                                                          : NULL;
    const char *what =
        shown ? region_print(reader->options.region, "sink \"%.63s\"", shown) : "a sink";
    const void *options = fill(reader, node, &config_sink_table, &file, plugin, what, templates);
    struct config_sink *sink = &sinks[index];
    *sink = file.sink;
    sink->plugin = plugin;
    sink->options = options;
    sink->templates = templates;
    if (!sink->name)
        sink->name = file.plugin;
    if (node->kind != TREE_MAPPING)
        return;
    check_sink_name(reader, node, sinks, index);
    check_dead_letter(reader, node, sink);
    check_isolate(reader, node, sink);
    read_sink_routes(reader, node, file.routes, sink);
}

static void read_sinks(const struct config_reader *reader, const struct tree_node *node,
                       struct config_pipeline *pipeline)
{
    if (node->broken)
        return;
    if (node->kind != TREE_SEQUENCE || node->count == 0 || node->count > CONFIG_SINKS_MAX) {
        problems_add(reader->options.problems, node->line, node->column,
                     "\"sinks\" is not a list of 1 to %d; begin each sink with \"- plugin: NAME\"",
                     CONFIG_SINKS_MAX);
        return;
    }
    struct config_sink *sinks = region_take(reader->options.region, node->count * sizeof *sinks);
    size_t count = 0;
    for (const struct tree_node *child = node->first; child; child = child->next)
        read_sink(reader, child, sinks, count++);
    pipeline->sinks = sinks;
    pipeline->sink_count = count;
}

static void check_pipeline_name(const struct config_reader *reader, const struct tree_node *node,
                                const struct config_pipeline *pipelines, size_t index)
{
    char quoted[PROBLEMS_QUOTE];
    const struct tree_node *at = tree_find(node, "name");
    const char *name = pipelines[index].name;
    if (!name || !at)
        return;
    if (!config_is_name(name))
        problems_add(reader->options.problems, at->line, at->column,
                     "pipeline name \"%s\": write 1 to 63 of a-z, 0-9, _ and -",
                     problems_quote(quoted, name));
    for (size_t i = 0; i < index; i++) {
        if (!pipelines[i].name || strcmp(pipelines[i].name, name) != 0)
            continue;
        problems_add(reader->options.problems, at->line, at->column,
                     "pipeline name \"%s\" is used twice; choose another",
                     problems_quote(quoted, name));
        return;
    }
}

static void read_pipeline(const struct config_reader *reader, const struct tree_node *node,
                          struct config_pipeline *pipelines, size_t index)
{
    struct config_pipeline_file file = {0};
    struct options_target target = {config_pipeline_table.rows, config_pipeline_table.count, &file};
    const struct tree_node *name = tree_find(node, "name");
    const char *what = name && name->kind == TREE_SCALAR
                           ? region_print(reader->options.region, "pipeline \"%.63s\"", name->text)
                           : "a pipeline";
    options_fill(&reader->options, node, &target, 1, what, 0, NULL);
    pipelines[index] = file.pipeline;
    check_pipeline_name(reader, node, pipelines, index);
    if (file.source)
        read_source(reader, file.source, &pipelines[index]);
    if (file.sinks)
        read_sinks(reader, file.sinks, &pipelines[index]);
}

/* Every source and sink gets an equal part of its pipeline's equal part. */
static void check_memory(const struct config_reader *reader, const struct tree_node *node,
                         const struct config *config)
{
    char has[UNITS_TEXT];
    char needs[UNITS_TEXT];
    char raise[UNITS_TEXT];
    int64_t pipelines = (int64_t)config->pipeline_count;
    size_t index = 0;
    for (const struct tree_node *child = node->first; child; child = child->next, index++) {
        const struct config_pipeline *pipeline = &config->pipelines[index];
        int64_t parts = pipelines * (1 + (int64_t)pipeline->sink_count);
        int64_t share = config->memory / parts;
        int64_t least = 2 * pipeline->batch_size;
        if (least < CONFIG_SHARE_MIN)
            least = CONFIG_SHARE_MIN;
        if (config->memory == 0 || share >= least)
            continue;
        problems_add(reader->options.problems, child->line, child->column,
                     "memory is too small for %zu pipeline%s and %zu sink%s here: each source and "
                     "sink gets %s of it and needs %s; raise memory to at least %s%s",
                     config->pipeline_count, config->pipeline_count == 1 ? "" : "s",
                     pipeline->sink_count, pipeline->sink_count == 1 ? "" : "s",
                     units_size_text(share / 1024 * 1024, has), units_size_text(least, needs),
                     units_size_text(least * parts, raise),
                     least > CONFIG_SHARE_MIN ? ", or lower batch.size" : "");
    }
}

void config_read_pipelines(const struct config_reader *reader, const struct tree_node *node,
                           struct config *config)
{
    if (node->broken)
        return;
    if (node->kind != TREE_SEQUENCE || node->count == 0 || node->count > CONFIG_PIPELINES_MAX) {
        problems_add(reader->options.problems, node->line, node->column,
                     "\"pipelines\" is not a list of 1 to %d; begin each with \"- name: NAME\"",
                     CONFIG_PIPELINES_MAX);
        return;
    }
    struct config_pipeline *pipelines =
        region_take(reader->options.region, node->count * sizeof *pipelines);
    size_t count = 0;
    for (const struct tree_node *child = node->first; child; child = child->next)
        read_pipeline(reader, child, pipelines, count++);
    config->pipelines = pipelines;
    config->pipeline_count = count;
    check_memory(reader, node, config);
    config_check_alone(reader, node, config);
}
