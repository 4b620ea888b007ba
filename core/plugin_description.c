/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_description.c -- see plugin_description.h.
 */
#include "plugin_description.h"

#include "file_text.h"
#include "options.h"
#include "problems.h"
#include "region.h"
#include "tree.h"
#include "trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void fill(struct plugin_description *description, int fd, struct region *region, char *why,
                 size_t why_size)
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

void plugin_description_read(struct plugin_description *description, struct region *region)
{
    char why[1024];
    char real[PATH_MAX];
    int fd = trust_open(description->path, real, why, sizeof why);
    if (fd < 0) {
        description->error = region_text(region, why, strlen(why));
        return;
    }
    fill(description, fd, region, why, sizeof why);
    (void)close(fd);
}
