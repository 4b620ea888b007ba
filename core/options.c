/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c -- a mapping against option tables.  See options.h.
 *
 * One walk over the mapping sets what it finds; then every row that was not seen gets its default
 * or, when it is required, is reported.
 */
#include "options.h"

#include "expand.h"
#include "option_value.h"
#include "problems.h"
#include "region.h"
#include "suggest.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

enum { WHY = 512 };

/* A row and where its value goes. */
struct slot {
    const leat_option *row;
    char *into;
    bool seen;
};

struct filling {
    const struct options_reader *reader;
    struct slot *slots;
    size_t count;
    const char *what;
    unsigned flags;
    struct option_templates *templates; /* NULL: the caller wants none */
};

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
    bool changing = (row->flags & LEAT_OPT_SECRET) != 0;
    for (const char *p = strstr(text, "${file:"); p && !changing; p = strstr(p + 1, "${file:"))
        changing = p == text || p[-1] != '$';
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

static void set(const struct filling *filling, const struct slot *slot,
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
static void set_default(const struct filling *filling, const struct slot *slot)
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
        set(&quiet, slot, node);
    problems_destroy(reader.problems);
}

static struct slot *find(const struct filling *filling, const char *name)
{
    for (size_t i = 0; i < filling->count; i++) {
        if (strcmp(filling->slots[i].row->name, name) == 0)
            return &filling->slots[i];
    }
    return NULL;
}

/* True when "name.something" is an option: name is a mapping then. */
static bool is_section(const struct filling *filling, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < filling->count; i++) {
        const char *known = filling->slots[i].row->name;
        if (strncmp(known, name, len) == 0 && known[len] == '.')
            return true;
    }
    return false;
}

/* The known name at this level: the part of a row's name between the prefix and the next dot.
 * NULL: the row is not of this level, or a row before it has the same name here. */
static const char *level_name(const struct filling *filling, size_t index, const char *prefix,
                              char *out, size_t size)
{
    size_t skip = strlen(prefix);
    const char *name = filling->slots[index].row->name;
    if (strncmp(name, prefix, skip) != 0)
        return NULL;
    size_t len = strcspn(name + skip, ".");
    if (len == 0 || len >= size)
        return NULL;
    for (size_t i = 0; i < index; i++) {
        const char *before = filling->slots[i].row->name;
        if (strncmp(before, name, skip + len) == 0 &&
            (before[skip + len] == '.' || !before[skip + len]))
            return NULL;
    }
    memcpy(out, name + skip, len);
    out[len] = '\0';
    return out;
}

static void report_unknown(const struct filling *filling, const struct tree_node *key,
                           const char *prefix)
{
    char quoted[PROBLEMS_QUOTE];
    char name[128];
    char nearest[128];
    char known[1024] = "";
    size_t len = 0;
    struct suggestion best = {0};
    problems_quote(quoted, key->text);
    if (!*prefix && strchr(key->text, '.') && find(filling, key->text)) {
        size_t head = strcspn(key->text, ".");
        problems_add(filling->reader->problems, key->line, key->column,
                     "\"%s\" is not one key but two; write %.*s: { %s: ... }", quoted, (int)head,
                     key->text, key->text + head + 1);
        return;
    }
    for (size_t i = 0; i < filling->count; i++) {
        if (!level_name(filling, i, prefix, name, sizeof name))
            continue;
        size_t before = best.distance;
        const char *word = best.word;
        suggest_offer(&best, key->text, name);
        if (best.word != word || best.distance != before)
            best.word = strcpy(nearest, name);
        int more = snprintf(known + len, sizeof known - len, "%s%s", len ? ", " : "", name);
        len =
            more < 0 || (size_t)more >= sizeof known - len ? sizeof known - 1 : len + (size_t)more;
    }
    if (best.word)
        problems_add(filling->reader->problems, key->line, key->column,
                     "unknown option \"%s%s\" of %s; did you mean \"%s%s\"?", prefix, quoted,
                     filling->what, prefix, best.word);
    else
        problems_add(filling->reader->problems, key->line, key->column,
                     "unknown option \"%s%s\" of %s; known are: %s", prefix, quoted, filling->what,
                     known);
}

static void read_mapping(const struct filling *filling, const struct tree_node *mapping,
                         const char *prefix);

static void read_section(const struct filling *filling, const struct tree_node *node,
                         const char *name)
{
    if (node->broken)
        return;
    if (node->kind != TREE_MAPPING) {
        problems_add(filling->reader->problems, node->line, node->column,
                     "\"%s\" is a section; write its options below it, indented", name);
        return;
    }
    read_mapping(filling, node, region_print(filling->reader->region, "%s.", name));
}

/* The depth is bounded by the tree's. */
static void read_mapping(const struct filling *filling, const struct tree_node *mapping,
                         const char *prefix)
{
    for (const struct tree_node *node = mapping->first; node; node = node->next) {
        const char *name = region_print(filling->reader->region, "%s%s", prefix, node->key->text);
        bool one_key = strchr(node->key->text, '.') == NULL;
        struct slot *slot = one_key ? find(filling, name) : NULL;
        if (slot) {
            slot->seen = true;
            if (slot->row->flags & LEAT_OPT_DEPRECATED)
                problems_warn(filling->reader->problems, node->key->line, node->key->column,
                              "\"%s\" is deprecated; %s", name,
                              slot->row->help ? slot->row->help : "");
            set(filling, slot, node);
        } else if (one_key && is_section(filling, name)) {
            read_section(filling, node, name);
        } else if (!(filling->flags & OPTIONS_LAX) && !node->key->broken) {
            report_unknown(filling, node->key, prefix);
        }
    }
}

static void report_missing(const struct filling *filling, const struct tree_node *mapping)
{
    for (size_t i = 0; i < filling->count; i++) {
        const leat_option *row = filling->slots[i].row;
        if (filling->slots[i].seen || !(row->flags & LEAT_OPT_REQUIRED))
            continue;
        problems_add(filling->reader->problems, mapping->line, mapping->column,
                     "\"%s\" of %s is missing; add it: %s", row->name, filling->what,
                     row->help ? row->help : option_type_name(row->type));
    }
}

bool options_fill(const struct options_reader *reader, const struct tree_node *mapping,
                  const struct options_target *targets, size_t target_count, const char *what,
                  unsigned flags, struct option_templates *templates)
{
    struct filling filling = {reader, NULL, 0, what, flags, templates};
    size_t errors = problems_errors(reader->problems);
    if (templates)
        templates->folder = reader->folder;
    for (size_t i = 0; i < target_count; i++)
        filling.count += targets[i].count;
    filling.slots = region_take(reader->region, (filling.count + 1) * sizeof *filling.slots);
    size_t next = 0;
    for (size_t i = 0; i < target_count; i++) {
        for (size_t j = 0; j < targets[i].count; j++) {
            const leat_option *row = &targets[i].rows[j];
            struct slot *slot = &filling.slots[next++];
            slot->row = row;
            slot->into = (char *)targets[i].into + row->offset;
            set_default(&filling, slot);
        }
    }
    if (mapping->broken)
        return false;
    if (mapping->kind != TREE_MAPPING) {
        problems_add(reader->problems, mapping->line, mapping->column,
                     "%s is not a mapping; write lines of NAME: VALUE", what);
        return false;
    }
    read_mapping(&filling, mapping, "");
    report_missing(&filling, mapping);
    return problems_errors(reader->problems) == errors;
}

leat_status options_expand(const struct option_templates *templates, const char *option, char *out,
                           size_t out_size)
{
    char why[WHY];
    if (out_size)
        out[0] = '\0';
    for (const struct option_template *entry = templates ? templates->first : NULL; entry;
         entry = entry->next) {
        if (strcmp(entry->option, option) == 0)
            return expand(entry->text, templates->folder, true, out, out_size, why, sizeof why);
    }
    return LEAT_ECONFIG;
}
