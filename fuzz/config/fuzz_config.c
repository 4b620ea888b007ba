/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_config.c -- any bytes as a configuration: tree, option tables, pipelines, routes.
 *
 * No plugin is loaded and no folder is read, but ${file:} opens what it names.
 */
#include "config_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    const char *text, *secret;
    int64_t count, delay_ms, size, choice;
    bool flag;
    leat_strings list;
    leat_pairs pairs;
    const struct tree_node *node;
};

static const char *const choices[] = {"none", "zstd", NULL};

#define T struct values
static const leat_option rows[] = {
    LEAT_OPTION_STRING("text", T, text, "cdc.{schema}", LEAT_OPT_DEPRECATED, "a"),
    LEAT_OPTION_STRING("secret", T, secret, NULL, LEAT_OPT_SECRET, "b"),
    LEAT_OPTION_INT("count", T, count, "7", -5, 100, LEAT_OPT_SECRET, "c"),
    LEAT_OPTION_DURATION("batch.max_delay", T, delay_ms, "5ms", 0, 10000, 0, "d"),
    LEAT_OPTION_SIZE("batch.size", T, size, "64MiB", 1024, INT64_MAX, 0, "e"),
    LEAT_OPTION_ENUM("choice", T, choice, "none", choices, 0, "f"),
    LEAT_OPTION_BOOL("flag", T, flag, "true", 0, "g"),
    LEAT_OPTION_STRINGS("list", T, list, "[a, 'b c']", 0, "h"),
    LEAT_OPTION_PAIRS("pairs", T, pairs, LEAT_OPT_REQUIRED, "i"),
    OPTION_NODE_ROW("routes", T, node, 0, "j"),
};
#undef T

static const leat_route_rules rules = {
    .allowed = "abcdefghijklmnopqrstuvwxyz0123456789_",
    .literal = "./",
    .escape = '%',
    .max_length = 200,
};

static void read_as_values(struct config_reader *reader, const struct tree_node *root)
{
    struct values values = {0};
    struct option_templates templates = {0};
    struct options_target target = {rows, sizeof rows / sizeof *rows, &values};
    char out[100];
    options_fill(&reader->options, root, &target, 1, "the test", 0, &templates);
    (void)options_expand(&templates, "secret", out, sizeof out);
    (void)options_expand(&templates, "pairs.a", out, 4);
    if (values.list.count && !values.list.items[values.list.count - 1])
        abort();
    if (values.count < -5 || values.count > 100 || values.choice < 0 || values.choice > 1)
        abort();
    if (values.node) {
        struct config_sink sink = {0};
        config_read_routes(reader, values.node, &rules, &sink);
    }
}

static void read_as_configuration(struct config_reader *reader, const struct tree_node *root)
{
    struct config_top_file file = {0};
    struct options_target target = {config_top_table.rows, config_top_table.count, &file};
    options_fill(&reader->options, root, &target, 1, "the configuration", 0, NULL);
    if (file.pipelines)
        config_read_pipelines(reader, file.pipelines, &file.config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct region region = {0};
    struct problems *problems = problems_create("f");
    struct config_reader reader = {{&region, problems, "/nonexistent"}, NULL};
    const struct tree_node *root = tree_load((const char *)data, size, &region, problems);
    if (root) {
        read_as_values(&reader, root);
        read_as_configuration(&reader, root);
    }

    /* Every line of the report is one line of printable text. */
    char *printed = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&printed, &len);
    if (!file)
        abort();
    problems_print(problems, file);
    (void)fclose(file);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)printed[i] < 0x20 && printed[i] != '\n')
            abort();
        if (printed[i] == '\n' && i + 1 < len && strncmp(printed + i + 1, "f:", 2) != 0)
            abort();
    }
    free(printed);
    problems_destroy(problems);
    region_fini(&region);
    return 0;
}
