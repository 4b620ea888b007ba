/* SPDX-License-Identifier: Apache-2.0
 *
 * config_alone.c -- two instances that would have one place: the folder of a file sink, an id that
 * a server knows, a file of dead letters.  [main]
 *
 * What a place is, the plugins' tables say (LEAT_OPT_ALONE); nothing here knows a plugin.
 */
#include "config_internal.h"
#include "dead_letter.h"
#include "path.h"

#include <string.h>

/* A source or a sink, with where its paths lead. */
struct instance {
    const struct config_pipeline *pipeline;
    const struct config_sink *sink; /* NULL: the source */
    const struct plugin *plugin;    /* NULL: not found, which is reported */
    const void *options;
    const struct tree_node *node;
    const char **paths;  /* of each row that is LEAT_OPT_PATH */
    const char *letters; /* the file of its dead letters, or NULL */
};

/* ---- what an instance has ------------------------------------------------------------------- */

static const char *text_of(const leat_option *row, const void *options)
{
    return *(const char *const *)(const void *)((const char *)options + row->offset);
}

static const leat_strings *list_of(const leat_option *row, const void *options)
{
    return (const leat_strings *)(const void *)((const char *)options + row->offset);
}

static const char *resolve(const struct config_reader *reader, const char *path)
{
    char out[PATH_MAX];
    if (!path || !*path || !path_resolve(path, out))
        return NULL;
    return region_text(reader->options.region, out, strlen(out));
}

static const char *letters_of(const struct config_reader *reader,
                              const struct config_pipeline *pipeline,
                              const struct config_sink *sink)
{
    char name[DEAD_LETTER_NAME];
    const char *folder;
    if (!sink || sink->on_reject != CONFIG_REJECT_DEAD_LETTER || !pipeline->name || !sink->name)
        return NULL;
    folder = resolve(reader, sink->dead_letter);
    if (!folder)
        return NULL;
    dead_letter_name(name, pipeline->name, sink->name);
    return region_print(reader->options.region, "%s/%s", folder, name);
}

static struct instance instance_of(const struct config_reader *reader,
                                   const struct config_pipeline *pipeline,
                                   const struct config_sink *sink, const struct tree_node *node)
{
    struct instance instance = {.pipeline = pipeline,
                                .sink = sink,
                                .plugin = sink ? sink->plugin : pipeline->source,
                                .options = sink ? sink->options : pipeline->source_options,
                                .node = node,
                                .letters = letters_of(reader, pipeline, sink)};
    size_t count = 0;
    const leat_option *rows = instance.plugin ? plugin_options(instance.plugin, &count) : NULL;
    instance.paths = region_take(reader->options.region, (count + 1) * sizeof *instance.paths);
    for (size_t i = 0; i < count; i++)
        if (rows[i].flags & LEAT_OPT_PATH)
            instance.paths[i] = resolve(reader, text_of(&rows[i], instance.options));
    return instance;
}

/* ---- whether two have the same -------------------------------------------------------------- */

static bool have_common(const leat_strings *a, const leat_strings *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (strcmp(a->items[i], b->items[k]) == 0)
                return true;
    return false;
}

/* In row i.  What is unset is nobody's. */
static bool have_same(const leat_option *row, size_t i, const struct instance *a,
                      const struct instance *b)
{
    if (row->flags & LEAT_OPT_PATH)
        return a->paths[i] && b->paths[i] && path_compare(a->paths[i], b->paths[i]) != PATH_APART;
    if (row->type == LEAT_OPT_STRINGS)
        return have_common(list_of(row, a->options), list_of(row, b->options));
    const char *x = text_of(row, a->options), *y = text_of(row, b->options);
    return x && y && strcmp(x, y) == 0;
}

/* The last row that is meant for one instance alone, when the two agree in all of them, else -1. */
static int shared_row(const struct instance *a, const struct instance *b)
{
    size_t count;
    int last = -1;
    if (!a->plugin || a->plugin != b->plugin || !a->options || !b->options)
        return -1;
    const leat_option *rows = plugin_options(a->plugin, &count);
    for (size_t i = 0; i < count; i++) {
        if (!(rows[i].flags & LEAT_OPT_ALONE))
            continue;
        if (!have_same(&rows[i], i, a, b))
            return -1;
        last = (int)i;
    }
    return last;
}

/* ---- what is said --------------------------------------------------------------------------- */

static const struct tree_node *place_of(const struct instance *instance, const char *option)
{
    const struct tree_node *node = tree_find(instance->node, option);
    return node ? node : instance->node;
}

static const char *kind_of(const struct instance *instance)
{
    return instance->sink ? "sink" : "source";
}

/* sink "shop/archive" (line 7) */
static const char *name_of(const struct config_reader *reader, const struct instance *instance,
                           const char *option)
{
    const char *pipeline = instance->pipeline->name, *sink = "source";
    if (instance->sink)
        sink = instance->sink->name ? instance->sink->name : "?";
    return region_print(reader->options.region, "%s \"%.63s/%.63s\" (line %d)", kind_of(instance),
                        pipeline ? pipeline : "?", sink, place_of(instance, option)->line);
}

static void report_path(const struct config_reader *reader, const char *option, const char *path,
                        const char *other_path, const struct instance *instance,
                        const struct instance *other)
{
    const struct tree_node *at = place_of(instance, option);
    const char *kind = kind_of(instance), *of = name_of(reader, other, option);

    switch (path_compare(path, other_path)) {
    case PATH_INSIDE:
        problems_add(reader->options.problems, at->line, at->column,
                     "\"%s\": %s lies inside %s, which %s has for itself; give each %s a place of "
                     "its own, none inside another",
                     option, path, other_path, of, kind);
        break;
    case PATH_AROUND:
        problems_add(reader->options.problems, at->line, at->column,
                     "\"%s\": in %s lies %s, which %s has for itself; give each %s a place of its "
                     "own, none inside another",
                     option, path, other_path, of, kind);
        break;
    default:
        problems_add(reader->options.problems, at->line, at->column,
                     "\"%s\": %s has %s for itself; give each %s a place of its own", option, of,
                     path, kind);
    }
}

/* The other rows that belong to it, as in: with the same "brokers" */
static const char *besides(const struct config_reader *reader, const struct plugin *plugin,
                           size_t last)
{
    size_t count;
    const char *list = "";
    const leat_option *rows = plugin_options(plugin, &count);
    for (size_t i = 0; i < last; i++)
        if (rows[i].flags & LEAT_OPT_ALONE)
            list = region_print(reader->options.region, "%s%s \"%s\"", list,
                                *list ? " and" : ", and the same", rows[i].name);
    return list;
}

static void report_row(const struct config_reader *reader, size_t i,
                       const struct instance *instance, const struct instance *other)
{
    size_t count;
    const leat_option *row = &plugin_options(instance->plugin, &count)[i];
    const struct tree_node *at = place_of(instance, row->name);

    if (row->flags & LEAT_OPT_PATH)
        report_path(reader, row->name, instance->paths[i], other->paths[i], instance, other);
    else
        problems_add(reader->options.problems, at->line, at->column,
                     "\"%s\": %s has the same%s; give each %s one of its own", row->name,
                     name_of(reader, other, row->name), besides(reader, instance->plugin, i),
                     kind_of(instance));
}

/* Against those before it; of several, the first is enough. */
static void check(const struct config_reader *reader, const struct instance *instances,
                  size_t index)
{
    const struct instance *instance = &instances[index];
    bool shared = false, mixed = false;

    for (size_t i = 0; i < index && !shared; i++) {
        int row = shared_row(instance, &instances[i]);
        shared = row >= 0;
        if (shared)
            report_row(reader, (size_t)row, instance, &instances[i]);
    }
    for (size_t i = 0; instance->letters && i < index && !mixed; i++) {
        const struct tree_node *at = place_of(instance, "dead_letter");
        const char *other = instances[i].letters;
        /* A name that is there twice is reported as that. */
        mixed = other && strcmp(instance->letters, other) == 0 &&
                strcmp(instance->sink->name, instances[i].sink->name) != 0;
        if (mixed)
            problems_add(reader->options.problems, at->line, at->column,
                         "\"dead_letter\": the letters would go into %s, as those of %s do; name "
                         "another folder",
                         other, name_of(reader, &instances[i], "dead_letter"));
    }
}

void config_check_alone(const struct config_reader *reader, const struct tree_node *pipelines,
                        const struct config *config)
{
    size_t count = 0, index = 0;
    for (size_t i = 0; i < config->pipeline_count; i++)
        count += 1 + config->pipelines[i].sink_count;
    struct instance *instances =
        region_take(reader->options.region, (count + 1) * sizeof *instances);
    const struct tree_node *node = pipelines->first;
    for (size_t i = 0; i < config->pipeline_count; i++, node = node->next) {
        const struct config_pipeline *pipeline = &config->pipelines[i];
        const struct tree_node *source = tree_find(node, "source");
        const struct tree_node *sinks = tree_find(node, "sinks");
        const struct tree_node *sink = sinks ? sinks->first : NULL;
        if (source && source->kind == TREE_SEQUENCE)
            source = source->first;
        if (source)
            instances[index++] = instance_of(reader, pipeline, NULL, source);
        for (size_t k = 0; k < pipeline->sink_count; k++, sink = sink->next)
            instances[index++] = instance_of(reader, pipeline, &pipeline->sinks[k], sink);
    }
    for (size_t i = 1; i < index; i++)
        check(reader, instances, i);
}
