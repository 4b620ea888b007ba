/* SPDX-License-Identifier: Apache-2.0
 *
 * print_schema.c -- the option tables as a JSON Schema (draft 7) of leat.yaml, for editors that
 * complete and check while one types.  [main]  See print_options.h.
 *
 * It is no judge: what leat check says counts.  Any scalar may be a ${...} instead.
 */
#include "print_options.h"

#include "config_tables.h"
#include "options.h"
#include "plugins.h"

#include <inttypes.h>
#include <string.h>

#define EXPANDED "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}"
#define SCALAR "{\"type\":[\"string\",\"number\",\"boolean\"]}"

struct schema {
    FILE *out;
    const struct plugins *plugins;
    char *why;
    size_t why_size;
    bool failed;
};

/* Rows of several tables, as one mapping has them. */
struct table {
    const leat_option *rows;
    size_t count;
};

static void print_node(struct schema *schema, const char *name);

/* ---- one value ------------------------------------------------------------------------------ */

static void print_integer(FILE *out, const leat_option *row)
{
    (void)fputs("\"anyOf\":[{\"type\":\"integer\"", out);
    if (row->min != 0 || row->max != 0)
        (void)fprintf(out, ",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64, row->min, row->max);
    (void)fputs("}," EXPANDED "]", out);
}

static void print_choices(FILE *out, const leat_option *row)
{
    (void)fputs("\"anyOf\":[{\"enum\":[", out);
    for (size_t i = 0; row->choices[i]; i++) {
        (void)fputs(i ? "," : "", out);
        print_json_string(out, row->choices[i]);
    }
    (void)fputs("]}," EXPANDED "]", out);
}

static void print_type(FILE *out, const leat_option *row)
{
    switch (row->type) {
    case LEAT_OPT_INT:
        print_integer(out, row);
        return;
    case LEAT_OPT_BOOL:
        (void)fputs("\"anyOf\":[{\"type\":\"boolean\"}," EXPANDED "]", out);
        return;
    case LEAT_OPT_ENUM:
        print_choices(out, row);
        return;
    case LEAT_OPT_STRINGS:
        (void)fputs("\"anyOf\":[" SCALAR ",{\"type\":\"array\",\"items\":" SCALAR "}]", out);
        return;
    case LEAT_OPT_PAIRS:
        (void)fputs("\"type\":\"object\",\"additionalProperties\":" SCALAR, out);
        return;
    default: /* durations and sizes have units */
        (void)fputs("\"type\":[\"string\",\"number\",\"boolean\"]", out);
        return;
    }
}

static void print_row(struct schema *schema, const leat_option *row)
{
    if (row->type == OPTION_NODE) {
        print_node(schema, row->name);
        return;
    }
    (void)fputc('{', schema->out);
    print_type(schema->out, row);
    if (row->help) {
        (void)fputs(",\"description\":", schema->out);
        print_json_string(schema->out, row->help);
    }
    if (row->dflt) {
        (void)fputs(",\"default\":", schema->out);
        print_json_string(schema->out, row->dflt);
    }
    (void)fputc('}', schema->out);
}

/* ---- mappings ------------------------------------------------------------------------------- */

/* "scan.settle" is settle in the mapping scan: the first row of a mapping prints all of it. */
static bool is_first_of(const struct table *tables, size_t table, size_t index, const char *prefix,
                        size_t length)
{
    size_t skip = strlen(prefix);
    const char *name = tables[table].rows[index].name;

    for (size_t i = 0; i < index; i++) {
        const char *other = tables[table].rows[i].name;
        if (strncmp(other, name, skip + length) == 0 && other[skip + length] == '.')
            return false;
    }
    return true;
}

static void print_mapping(struct schema *schema, const struct table *tables, size_t count,
                          const char *prefix, const char *plugin)
{
    size_t skip = strlen(prefix);
    bool first = true, required = false;

    (void)fputs("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{",
                schema->out);
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < tables[t].count; i++) {
            const leat_option *row = &tables[t].rows[i];
            const char *rest = row->name + skip;
            size_t length = strcspn(rest, ".");
            char deeper[128];
            if (strncmp(row->name, prefix, skip) != 0 ||
                (rest[length] == '.' && !is_first_of(tables, t, i, prefix, length)))
                continue;
            (void)fprintf(schema->out, "%s\"%.*s\":", first ? "" : ",", (int)length, rest);
            first = false;
            (void)snprintf(deeper, sizeof deeper, "%s%.*s.", prefix, (int)length, rest);
            if (rest[length] == '.')
                print_mapping(schema, &tables[t], 1, deeper, NULL);
            else if (plugin && strcmp(row->name, "plugin") == 0)
                (void)fprintf(schema->out, "{\"const\":\"%s\"}", plugin);
            else
                print_row(schema, row);
        }
    (void)fputs("}", schema->out);
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < tables[t].count; i++) {
            const leat_option *row = &tables[t].rows[i];
            if (!(row->flags & LEAT_OPT_REQUIRED) || strncmp(row->name, prefix, skip) != 0 ||
                strchr(row->name + skip, '.'))
                continue;
            (void)fprintf(schema->out, "%s\"%s\"", required ? "," : ",\"required\":[",
                          row->name + skip);
            required = true;
        }
    (void)fputs(required ? "]}" : "}", schema->out);
}

/* A source or sink: what stands in it depends on its plugin. */
static void print_instances(struct schema *schema, uint32_t kind, const struct config_table *common)
{
    bool first = true;

    (void)fputs("{\"anyOf\":[", schema->out);
    for (size_t i = 0; i < plugins_count(schema->plugins) && !schema->failed; i++) {
        const struct plugin_description *item = plugins_at(schema->plugins, i);
        const struct plugin *plugin;
        struct table tables[2] = {{common->rows, common->count}, {NULL, 0}};
        if (item->error || item->kind != kind)
            continue;
        plugin = plugins_load(schema->plugins, item, schema->why, schema->why_size);
        schema->failed = plugin == NULL;
        if (!plugin)
            return;
        tables[1].rows = plugin_options(plugin, &tables[1].count);
        (void)fputs(first ? "" : ",", schema->out);
        first = false;
        print_mapping(schema, tables, 2, "", item->name);
    }
    (void)fputs("]}", schema->out);
}

static void print_list(struct schema *schema, const struct config_table *table)
{
    struct table rows = {table->rows, table->count};

    (void)fputs("{\"type\":\"array\",\"minItems\":1,\"items\":", schema->out);
    print_mapping(schema, &rows, 1, "", NULL);
    (void)fputs("}", schema->out);
}

/* The places that no table describes. */
static void print_node(struct schema *schema, const char *name)
{
    if (strcmp(name, "pipelines") == 0) {
        print_list(schema, &config_pipeline_table);
    } else if (strcmp(name, "routes") == 0) {
        print_list(schema, &config_route_table);
    } else if (strcmp(name, "source") == 0) {
        print_instances(schema, LEAT_KIND_SOURCE, &config_source_table);
    } else if (strcmp(name, "sinks") == 0) {
        (void)fputs("{\"type\":\"array\",\"minItems\":1,\"items\":", schema->out);
        print_instances(schema, LEAT_KIND_SINK, &config_sink_table);
        (void)fputs("}", schema->out);
    } else {
        (void)fputs("{\"type\":[\"string\",\"object\"]}", schema->out);
    }
}

bool print_schema(FILE *out, const struct plugins *plugins, char *why, size_t why_size)
{
    struct schema schema = {.out = out, .plugins = plugins, .why = why, .why_size = why_size};
    struct table top = {config_top_table.rows, config_top_table.count};

    (void)fputs("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"leat.yaml\","
                "\"allOf\":[",
                out);
    print_mapping(&schema, &top, 1, "", NULL);
    (void)fputs("]}\n", out);
    return !schema.failed;
}
