/* SPDX-License-Identifier: Apache-2.0
 *
 * config_peek.c -- see config_peek.h.
 */
#include "config_peek.h"

#include "config_internal.h"
#include "config_places.h"
#include "expand.h"

#include <string.h>
#include <sysexits.h>

/* A scalar as it is meant; NULL where it is none, or holds what cannot be read now. */
static const char *text_of(const struct config_reader *reader, const struct tree_node *node)
{
    char why[256];
    char *out;

    if (!node || node->kind != TREE_SCALAR)
        return NULL;
    if (!expand_needed(node->text))
        return node->text;
    out = region_take(reader->options.region, EXPAND_MAX);
    return expand(node->text, reader->options.folder, false, out, EXPAND_MAX, why, sizeof why) ==
                   LEAT_OK
               ? out
               : NULL;
}

static leat_strings one_or_list(const struct config_reader *reader, const struct tree_node *node)
{
    size_t room = node->kind == TREE_SEQUENCE ? node->count : 1;
    const char **items = region_take(reader->options.region, (room + 1) * sizeof *items);
    leat_strings out = {items, 0};
    const struct tree_node *first = node->kind == TREE_SEQUENCE ? node->first : node;

    for (const struct tree_node *at = first; at && out.count < room; at = at->next) {
        const char *text = text_of(reader, at);
        if (text)
            items[out.count++] = text;
    }
    return out;
}

static void read_listen(const struct config_reader *reader, const struct tree_node *root,
                        const char *path, struct config_peek *out)
{
    const struct tree_node *node = tree_find(root, "http.listen");
    const char **items = region_take(reader->options.region, sizeof *items);
    struct config_places places;

    if (node) {
        out->listen = one_or_list(reader, node);
        if (out->listen.count == 1 && strcmp(out->listen.items[0], "none") == 0)
            out->listen.count = 0;
        return;
    }
    config_places(path, &places);
    items[0] = region_text(reader->options.region, places.listen, strlen(places.listen));
    out->listen = (leat_strings){items, 1};
}

/* A sink without a name has its plugin's. */
static leat_strings read_sinks(const struct config_reader *reader, const struct tree_node *node)
{
    size_t room = node && node->kind == TREE_SEQUENCE ? node->count : 0;
    const char **items = region_take(reader->options.region, (room + 1) * sizeof *items);
    leat_strings out = {items, 0};

    for (const struct tree_node *at = room ? node->first : NULL; at; at = at->next) {
        const char *name = at->kind == TREE_MAPPING ? text_of(reader, tree_find(at, "name")) : NULL;
        if (!name && at->kind == TREE_MAPPING)
            name = text_of(reader, tree_find(at, "plugin"));
        if (name && config_is_name(name))
            items[out.count++] = name;
    }
    return out;
}

static void read_pipelines(const struct config_reader *reader, const struct tree_node *node,
                           struct config_peek *out)
{
    size_t room = node && node->kind == TREE_SEQUENCE ? node->count : 0;

    out->pipelines = region_take(reader->options.region, (room + 1) * sizeof *out->pipelines);
    for (const struct tree_node *at = room ? node->first : NULL; at; at = at->next) {
        const char *name = at->kind == TREE_MAPPING ? text_of(reader, tree_find(at, "name")) : NULL;
        if (name && config_is_name(name))
            out->pipelines[out->pipeline_count++] =
                (struct config_peek_pipeline){name, read_sinks(reader, tree_find(at, "sinks"))};
    }
}

int config_peek(const char *path, struct config_peek *out, FILE *errors)
{
    struct problems *problems = problems_create(path);
    int exit_code = EX_CONFIG;
    size_t length = 0;

    memset(out, 0, sizeof *out);
    struct config_reader reader = {{&out->region, problems, config__folder_of(path, &out->region)},
                                   NULL};
    const char *text = config__read_file(path, &out->region, problems, &length, &exit_code);
    const struct tree_node *root = text ? tree_load(text, length, &out->region, problems) : NULL;
    if (root && root->kind == TREE_MAPPING) {
        read_listen(&reader, root, path, out);
        read_pipelines(&reader, tree_find(root, "pipelines"), out);
        exit_code = EX_OK;
    } else if (errors) {
        problems_print(problems, errors);
    }
    problems_destroy(problems);
    return exit_code;
}

void config_peek_fini(struct config_peek *peek)
{
    region_fini(&peek->region);
}
