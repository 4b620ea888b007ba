/* SPDX-License-Identifier: Apache-2.0
 *
 * config_compare.c -- see config_compare.h.
 */
#include "config_compare.h"

#include "config_tables.h"
#include "options.h"
#include "plugins.h"

#include <stdio.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_strings(const leat_strings *a, const leat_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_text(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool same_pairs(const leat_pairs *a, const leat_pairs *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_text(a->items[i].name, b->items[i].name) ||
            !same_text(a->items[i].value, b->items[i].value))
            return false;
    return true;
}

/* One member of two structs that a row describes. */
static bool same_option(const leat_option *row, const void *a, const void *b)
{
    const void *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;

    switch (row->type) {
    case LEAT_OPT_STRING:
        return same_text(*(const char *const *)x, *(const char *const *)y);
    case LEAT_OPT_STRINGS:
        return same_strings(x, y);
    case LEAT_OPT_PAIRS:
        return same_pairs(x, y);
    case LEAT_OPT_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case OPTION_NODE:
        return true; /* compared by who reads it */
    default:
        return *(const int64_t *)x == *(const int64_t *)y;
    }
}

static bool same_plugin_options(const struct plugin *plugin, const void *a, const void *b)
{
    size_t count;
    const leat_option *rows = plugin_options(plugin, &count);

    for (size_t i = 0; i < count; i++)
        if (!same_option(&rows[i], a, b))
            return false;
    return true;
}

/* The core's own rows, as far as they lie in the struct that is kept. */
static bool same_rows(const struct config_table *table, size_t kept, const void *a, const void *b,
                      const char *besides)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].offset < kept &&
            (!besides || strcmp(table->rows[i].name, besides) != 0) &&
            !same_option(&table->rows[i], a, b))
            return false;
    return true;
}

/* Secrets are looked up anew by what was written: the same value from another file is a change. */
static bool same_templates(const struct option_templates *a, const struct option_templates *b)
{
    const struct option_template *x = a ? a->first : NULL, *y = b ? b->first : NULL;

    for (; x && y; x = x->next, y = y->next)
        if (!same_text(x->option, y->option) || !same_text(x->text, y->text))
            return false;
    return !x && !y;
}

static bool same_route(const struct config_route *a, const struct config_route *b)
{
    return same_strings(&a->schema, &b->schema) && same_strings(&a->table, &b->table) &&
           same_strings(&a->op, &b->op) && same_strings(&a->changed, &b->changed) &&
           same_text(a->route, b->route);
}

bool config_same_source(const struct config_pipeline *a, const struct config_pipeline *b)
{
    return a->source == b->source &&
           same_rows(&config_pipeline_table, sizeof *a, a, b, "confirm_interval") &&
           same_plugin_options(a->source, a->source_options, b->source_options) &&
           same_templates(a->source_templates, b->source_templates);
}

bool config_same_sink(const struct config_sink *a, const struct config_sink *b)
{
    if (a->plugin != b->plugin || a->route_count != b->route_count ||
        !same_text(a->name, b->name) || !same_rows(&config_sink_table, sizeof *a, a, b, NULL) ||
        !same_plugin_options(a->plugin, a->options, b->options) ||
        !same_templates(a->templates, b->templates))
        return false;
    for (size_t i = 0; i < a->route_count; i++)
        if (!same_route(&a->routes[i], &b->routes[i]))
            return false;
    return true;
}

bool config_fixed_changes(const struct config *a, const struct config *b, char *names, size_t size)
{
    /* All others are fixed, also those that will come. */
    static const char *const at_once[] = {"plugins", "memory", "shutdown_timeout", "pipelines"};
    size_t length = 0;

    names[0] = '\0';
    for (size_t i = 0; i < config_top_table.count; i++) {
        const leat_option *row = &config_top_table.rows[i];
        bool fixed = strncmp(row->name, "log.", 4) != 0;
        for (size_t k = 0; k < sizeof at_once / sizeof *at_once; k++)
            fixed = fixed && strcmp(row->name, at_once[k]) != 0;
        if (!fixed || same_option(row, a, b) || length >= size)
            continue;
        length +=
            (size_t)snprintf(names + length, size - length, "%s%s", length ? ", " : "", row->name);
    }
    return length > 0;
}
