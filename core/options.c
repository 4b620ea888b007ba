/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c -- a mapping against option tables.  See options.h.
 *
 * One walk over the mapping sets what it finds; then every row that was not seen gets its default
 * or, when it is required, is reported.
 */
#include "options.h"

#include "expand.h"
#include "option_set.h"
#include "option_value.h"
#include "problems.h"
#include "region.h"
#include "suggest.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

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
            option_set(filling, slot, node);
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
            option_set_default(&filling, slot);
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
    char why[512];
    if (out_size)
        out[0] = '\0';
    for (const struct option_template *entry = templates ? templates->first : NULL; entry;
         entry = entry->next) {
        if (strcmp(entry->option, option) == 0)
            return expand(entry->text, templates->folder, true, out, out_size, why, sizeof why);
    }
    return LEAT_ECONFIG;
}
