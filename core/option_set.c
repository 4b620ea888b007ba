/* SPDX-License-Identifier: Apache-2.0
 *
 * option_set.c -- one value of the tree, checked and put into a struct.  See option_set.h.
 *
 * Whatever is a secret, or came from the environment or a file, is never shown in a message.
 */
#include "option_set.h"

#include "expand.h"
#include "option_value.h"
#include "problems.h"
#include "region.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

enum { WHY = 512 };

static void complain(const struct filling *filling, const struct tree_node *at, const char *name,
                     const char *shown, const char *why)
{
    char quoted[PROBLEMS_QUOTE];
    if (shown)
        problems_add(filling->reader->problems, at->line, at->column, "\"%s\": \"%s\" %s", name,
                     problems_quote(quoted, shown), why);
    else
        problems_add(filling->reader->problems, at->line, at->column,
                     "\"%s\": a value is set that %s", name, why);
}

static void remember(const struct filling *filling, const leat_option *row, const char *name,
                     const char *text)
{
    bool changing = (row->flags & LEAT_OPT_SECRET) != 0 || expand_changes(text);
    if (!filling->templates || !changing)
        return;
    struct option_template *entry = region_take(filling->reader->region, sizeof *entry);
    entry->option = region_text(filling->reader->region, name, strlen(name));
    entry->text = text;
    entry->next = filling->templates->first;
    filling->templates->first = entry;
}

/* The text of one scalar with its ${} filled in, or NULL after a report.  *shown: what a message
 * may show of it, or NULL when that might be a secret. */
static const char *scalar_text(const struct filling *filling, const leat_option *row,
                               const char *name, const struct tree_node *node, const char **shown)
{
    const struct options_reader *reader = filling->reader;
    bool secret = (row->flags & LEAT_OPT_SECRET) != 0;
    char expanded[EXPAND_MAX];
    char why[WHY];
    if (node->broken)
        return NULL;
    if (node->kind != TREE_SCALAR) {
        problems_add(reader->problems, node->line, node->column,
                     "\"%s\": a value is set that is a %s; write one %s", name,
                     node->kind == TREE_MAPPING ? "mapping" : "list",
                     row->type == LEAT_OPT_STRINGS || row->type == LEAT_OPT_PAIRS
                         ? "text for each entry"
                         : option_type_name(row->type));
        return NULL;
    }
    if (tree_is_null(node)) {
        problems_add(reader->problems, node->line, node->column,
                     "\"%s\" has no value; write one, \"\" for the empty text, or remove the line",
                     name);
        return NULL;
    }
    *shown = secret ? NULL : node->text;
    if (!expand_needed(node->text)) {
        remember(filling, row, name, node->text);
        return node->text;
    }
    if (expand(node->text, reader->folder, secret, expanded, sizeof expanded, why, sizeof why) !=
        LEAT_OK) {
        problems_add(reader->problems, node->line, node->column, "\"%s\": %s", name, why);
        return NULL;
    }
    *shown = NULL;
    remember(filling, row, name, node->text);
    return region_text(reader->region, expanded, strlen(expanded));
}

static bool count_fits(const struct filling *filling, const struct slot *slot,
                       const struct tree_node *node, size_t count)
{
    const leat_option *row = slot->row;
    if ((row->min == 0 && row->max == 0) ||
        ((int64_t)count >= row->min && (int64_t)count <= row->max))
        return true;
    problems_add(filling->reader->problems, node->line, node->column,
                 "\"%s\" has %zu entries; write %s %lld", row->name, count,
                 (int64_t)count < row->min ? "at least" : "at most",
                 (long long)((int64_t)count < row->min ? row->min : row->max));
    return false;
}

/* One scalar stands for a list of one. */
static void set_strings(const struct filling *filling, const struct slot *slot,
                        const struct tree_node *node)
{
    const char *shown;
    size_t count = node->kind == TREE_SEQUENCE ? node->count : 1;
    const char **items = region_take(filling->reader->region, (count + 1) * sizeof *items);
    leat_strings strings = {items, 0};
    const struct tree_node *item = node->kind == TREE_SEQUENCE ? node->first : node;
    for (; item; item = node->kind == TREE_SEQUENCE ? item->next : NULL) {
        const char *text = scalar_text(filling, slot->row, slot->row->name, item, &shown);
        if (text)
            items[strings.count++] = text;
    }
    if (strings.count == count && count_fits(filling, slot, node, count))
        memcpy(slot->into, &strings, sizeof strings);
}

static void set_pairs(const struct filling *filling, const struct slot *slot,
                      const struct tree_node *node)
{
    const char *shown;
    if (node->kind != TREE_MAPPING) {
        if (!node->broken)
            complain(filling, node, slot->row->name, NULL,
                     "is not a mapping; write lines of NAME: VALUE below it");
        return;
    }
    leat_pair *items = region_take(filling->reader->region, (node->count + 1) * sizeof *items);
    leat_pairs pairs = {items, 0};
    for (const struct tree_node *item = node->first; item; item = item->next) {
        const char *name =
            region_print(filling->reader->region, "%s.%s", slot->row->name, item->key->text);
        const char *text = scalar_text(filling, slot->row, name, item, &shown);
        if (text)
            items[pairs.count++] = (leat_pair){item->key->text, text};
    }
    if (count_fits(filling, slot, node, pairs.count))
        memcpy(slot->into, &pairs, sizeof pairs);
}

static void put_number(const struct slot *slot, int64_t number)
{
    bool truth = number != 0;
    if (slot->row->type == LEAT_OPT_BOOL)
        memcpy(slot->into, &truth, sizeof truth);
    else
        memcpy(slot->into, &number, sizeof number);
}

static void set_scalar(const struct filling *filling, const struct slot *slot,
                       const struct tree_node *node)
{
    char why[WHY];
    int64_t number;
    const char *shown;
    const char *text = scalar_text(filling, slot->row, slot->row->name, node, &shown);
    if (!text)
        return;
    leat_option row = *slot->row;
    if (!shown)
        row.flags |= LEAT_OPT_SECRET; /* what came from outside may be one: no hints of it */
    if (row.type == LEAT_OPT_STRING)
        memcpy(slot->into, &text, sizeof text);
    else if (option_value_parse(&row, text, &number, why, sizeof why))
        put_number(slot, number);
    else
        complain(filling, node, slot->row->name, shown, why);
}

void option_set(const struct filling *filling, const struct slot *slot,
                const struct tree_node *node)
{
    switch (slot->row->type) {
    case LEAT_OPT_STRINGS:
        set_strings(filling, slot, node);
        break;
    case LEAT_OPT_PAIRS:
        set_pairs(filling, slot, node);
        break;
    case OPTION_NODE:
        memcpy(slot->into, &node, sizeof node);
        break;
    default:
        set_scalar(filling, slot, node);
    }
}

/* A default is YAML only where it has to be: a list, or quoted text. */
void option_set_default(const struct filling *filling, const struct slot *slot)
{
    const char *dflt = slot->row->dflt;
    struct options_reader reader = *filling->reader;
    struct filling quiet = {&reader, NULL, 0, filling->what, 0, NULL};
    struct tree_node plain = {.kind = TREE_SCALAR, .quoted = true, .text = dflt};
    const struct tree_node *node = &plain;
    if (!dflt)
        return;
    if (slot->row->type == LEAT_OPT_STRING && *dflt != '"' && *dflt != '\'') {
        memcpy(slot->into, &dflt, sizeof dflt); /* not expanded: it is the plugin's, as it is */
        return;
    }
    reader.problems = problems_create("default");
    if (strchr("[{\"'", *dflt) && *dflt)
        node = tree_load(dflt, strlen(dflt), reader.region, reader.problems);
    if (node)
        option_set(&quiet, slot, node);
    problems_destroy(reader.problems);
}
