/* SPDX-License-Identifier: Apache-2.0
 *
 * print_sample.c -- the commented sample configuration.  See print_options.h.
 *
 * A line is: margin, then "#" where the whole block is commented out, then the block's own
 * indentation, then "#" where the option has a default.  Taking the # away leaves valid YAML.
 */
#include "print_options.h"

#include "config_tables.h"
#include "option_value.h"
#include "options.h"
#include "plugins.h"

#include <string.h>

enum { WIDTH = 100 };

struct sample {
    FILE *out;
    int margin;       /* columns in front of everything */
    bool off;         /* the block is commented out */
    int indent;       /* columns behind that */
    char section[64]; /* of the last row: "batch", or "" */
    leat_pairs example;
};

static void begin(const struct sample *sample)
{
    (void)fprintf(sample->out, "%*s%s%*s", sample->margin, "", sample->off ? "#" : "",
                  sample->indent, "");
}

/* A comment, broken into lines at blanks. */
static void print_help(const struct sample *sample, const char *text)
{
    size_t room = (size_t)(WIDTH - sample->margin - sample->indent - 4);
    while (*text) {
        size_t len = strlen(text);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ')
                len--;
            if (len == 0)
                len = strcspn(text, " ");
        }
        begin(sample);
        (void)fprintf(sample->out, "# %.*s\n", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

static bool is_plain(const char *text)
{
    static const char *const words[] = {"null", "~",  "true", "false", "yes",
                                        "no",   "on", "off",  NULL};
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0)
            return false;
    }
    return *text && !strchr(" -?:!%@", *text) && !strpbrk(text, "{}[],&*#|>'\"`\\\t\n") &&
           !strstr(text, ": ") && text[strlen(text) - 1] != ':' && text[strlen(text) - 1] != ' ';
}

static void print_value(const struct sample *sample, const leat_option *row, const char *text)
{
    bool as_is = (row->type != LEAT_OPT_STRING && row->type != LEAT_OPT_STRINGS) ||
                 is_plain(text) || (text == row->dflt && strchr("[\"'", *text) && *text);
    if (as_is)
        (void)fputs(text, sample->out);
    else
        print_json_string(sample->out, text); /* a JSON string is one of YAML's, too */
}

static const char *example_of(const struct sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->example.count; i++) {
        if (strcmp(sample->example.items[i].name, name) == 0)
            return sample->example.items[i].value;
    }
    return NULL;
}

/* What is behind the last sentence: type, range, flags. */
static void print_meaning(const struct sample *sample, const leat_option *row)
{
    char bounds[256];
    char text[2048];
    print_bounds(row, bounds, sizeof bounds);
    (void)snprintf(text, sizeof text, "%s (%s%s%s%s%s)", row->help ? row->help : "",
                   option_type_name(row->type), *bounds ? ": " : "", bounds,
                   row->flags & LEAT_OPT_REQUIRED ? ", required" : "",
                   row->flags & LEAT_OPT_SECRET ? ", secret" : "");
    print_help(sample, text);
}

/* The line of a section in front of its first option. */
static const char *enter_section(struct sample *sample, const leat_option *row)
{
    const char *dot = strchr(row->name, '.');
    size_t len = dot ? (size_t)(dot - row->name) : 0;
    if (!dot || len >= sizeof sample->section) {
        sample->section[0] = '\0';
        return row->name;
    }
    if (strncmp(sample->section, row->name, len) != 0 || sample->section[len]) {
        memcpy(sample->section, row->name, len);
        sample->section[len] = '\0';
        begin(sample);
        (void)fprintf(sample->out, "#%s:\n", sample->section);
    }
    return dot + 1;
}

static void print_row(struct sample *sample, const leat_option *row)
{
    const char *value = example_of(sample, row->name);
    bool active = value != NULL && !strchr(row->name, '.');
    if (row->flags & LEAT_OPT_DEPRECATED)
        return;
    const char *name = enter_section(sample, row);
    int deeper = name == row->name ? 0 : 2;
    sample->indent += deeper;
    print_meaning(sample, row);
    sample->indent -= deeper;
    begin(sample);
    (void)fprintf(sample->out, "%s%*s%s:", active ? "" : "#", deeper, "", name);
    if (!value)
        value = row->dflt;
    if (value) {
        (void)fputc(' ', sample->out);
        print_value(sample, row, value);
    }
    (void)fputc('\n', sample->out);
}

static void print_rows(struct sample *sample, const leat_option *rows, size_t count,
                       bool only_examples)
{
    sample->section[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const leat_option *row = &rows[i];
        if (row->type == OPTION_NODE || strcmp(row->name, "plugin") == 0)
            continue;
        if (!only_examples || example_of(sample, row->name))
            print_row(sample, row);
    }
}

static const struct plugin *load(const struct plugins *plugins,
                                 const struct plugin_description *description, FILE *out,
                                 const struct sample *sample, char *why, size_t why_size)
{
    const struct plugin *plugin = plugins_load(plugins, description, why, why_size);
    if (plugin && *plugin_summary(plugin)) {
        (void)fprintf(out, "%*s# %s: %s\n", sample->margin, "", description->name,
                      plugin_summary(plugin));
    }
    return plugin;
}

static bool print_source(FILE *out, const struct plugins *plugins,
                         const struct plugin_description *description, char *why, size_t why_size)
{
    struct sample sample = {.out = out, .margin = 6, .example = description->example};
    size_t count;
    const struct plugin *plugin = load(plugins, description, out, &sample, why, why_size);
    if (!plugin)
        return false;
    (void)fprintf(out, "      plugin: %s\n", description->name);
    const leat_option *rows = plugin_options(plugin, &count);
    print_rows(&sample, rows, count, false);
    return true;
}

/* The first sink shows what every sink has; the others, which are commented out, only their own. */
static bool print_sink(FILE *out, const struct plugins *plugins,
                       const struct plugin_description *description, bool first, char *why,
                       size_t why_size)
{
    struct sample sample = {
        .out = out, .margin = 6, .off = !first, .indent = 2, .example = description->example};
    size_t count;
    if (!first)
        (void)fputc('\n', out);
    const struct plugin *plugin = load(plugins, description, out, &sample, why, why_size);
    if (!plugin)
        return false;
    (void)fprintf(out, "      %s- plugin: %s\n", first ? "" : "#", description->name);
    const leat_option *rows = plugin_options(plugin, &count);
    print_rows(&sample, rows, count, false);
    if (first) {
        begin(&sample);
        (void)fputs("# What follows, every sink has.\n", out);
    }
    print_rows(&sample, config_sink_table.rows, config_sink_table.count, !first);
    return true;
}

static const struct plugin_description *next_of(const struct plugins *plugins, uint32_t kind,
                                                size_t *index)
{
    while (*index < plugins_count(plugins)) {
        const struct plugin_description *item = plugins_at(plugins, (*index)++);
        if (!item->error && item->kind == kind)
            return item;
    }
    return NULL;
}

static bool print_pipeline(FILE *out, const struct plugins *plugins, char *why, size_t why_size)
{
    static const leat_pair named = {"name", "shop"};
    struct sample sample = {.out = out, .margin = 4, .example = {&named, 1}};
    size_t index = 0;
    (void)fputs("\npipelines:\n  - name: shop\n", out);
    print_rows(&sample, config_pipeline_table.rows + 1, config_pipeline_table.count - 1, false);
    (void)fputs("\n    source:\n", out);
    const struct plugin_description *source = next_of(plugins, LEAT_KIND_SOURCE, &index);
    if (source && !print_source(out, plugins, source, why, why_size))
        return false;
    (void)fputs("\n    sinks:\n", out);
    index = 0;
    bool first = true;
    for (;;) {
        const struct plugin_description *sink = next_of(plugins, LEAT_KIND_SINK, &index);
        if (!sink)
            return true;
        if (!print_sink(out, plugins, sink, first, why, why_size))
            return false;
        first = false;
    }
}

bool print_sample(FILE *out, const struct plugins *plugins, char *why, size_t why_size)
{
    struct sample sample = {.out = out};
    (void)fputs("# A configuration of leat with every option there is; an option that is commented "
                "out shows its\n"
                "# default.  Printed by `leat plugins --sample`; described in leat.yaml(5).\n"
                "#\n"
                "# In values, ${NAME} is an environment variable, ${file:PATH} the content of a "
                "file, and\n"
                "# ${credential:NAME} that of a credential of systemd; $${ is a literal ${.\n\n",
                out);
    print_rows(&sample, config_top_table.rows, config_top_table.count, false);
    return print_pipeline(out, plugins, why, why_size);
}
