/* SPDX-License-Identifier: Apache-2.0
 *
 * config_routes.c -- `route` and the list `routes` of a sink.  See config.h.
 */
#include "config_internal.h"

#include "route.h"
#include "suggest.h"

#include <string.h>

static const char *const operations[] = {"insert",  "update", "delete", "truncate",
                                         "message", "read",   NULL};

/* The column is exact where the text stands in the file as it is. */
void config_check_route(const struct config_reader *reader, const struct tree_node *node,
                        const char *route, const leat_route_rules *rules)
{
    char error[LEAT_ERROR_TEXT] = "";
    size_t at = 0;
    if (!route || !rules)
        return;
    const char *wrong = route_check(route, rules, error, sizeof error, &at);
    if (!wrong)
        return;
    int column = node->column;
    if (node->verbatim && strcmp(route, node->text) == 0 && at <= strlen(route))
        column += (int)at + (node->quoted ? 1 : 0);
    problems_add(reader->options.problems, node->line, column, "route: %s", wrong);
}

static leat_strings one(const struct config_reader *reader, const char *text, size_t len)
{
    if (len == 1 && text[0] == '*')
        return (leat_strings){NULL, 0}; /* any */
    const char **items = region_take(reader->options.region, sizeof *items);
    items[0] = region_text(reader->options.region, text, len);
    return (leat_strings){items, 1};
}

struct match_file {
    leat_strings schema, table;
};

static const leat_option match_rows[] = {
    LEAT_OPTION_STRINGS("schema", struct match_file, schema, NULL, 0,
                        "Schemas, with * and ? in them."),
    LEAT_OPTION_STRINGS("table", struct match_file, table, NULL, 0,
                        "Tables, with * and ? in them."),
};

/* "SCHEMA.TABLE" is divided at its only dot; a name with a dot in it needs the mapping. */
static void read_match(const struct config_reader *reader, const struct tree_node *node,
                       struct config_route *route)
{
    char quoted[PROBLEMS_QUOTE];
    if (!node || node->broken)
        return;
    if (node->kind == TREE_MAPPING) {
        struct match_file file = {0};
        struct options_target target = {match_rows, 2, &file};
        options_fill(&reader->options, node, &target, 1, "\"match\"", 0, NULL);
        route->schema = file.schema;
        route->table = file.table;
        return;
    }
    const char *dot = node->kind == TREE_SCALAR ? strchr(node->text, '.') : NULL;
    if (!dot || dot == node->text || !dot[1] || strchr(dot + 1, '.')) {
        problems_add(
            reader->options.problems, node->line, node->column,
            "\"match\"%s%s%s is not SCHEMA.TABLE; write \"public.orders\", \"*.orders\" or "
            "{schema: ..., table: ...}",
            node->kind == TREE_SCALAR ? ": \"" : "",
            node->kind == TREE_SCALAR ? problems_quote(quoted, node->text) : "",
            node->kind == TREE_SCALAR ? "\"" : "");
        return;
    }
    route->schema = one(reader, node->text, (size_t)(dot - node->text));
    route->table = one(reader, dot + 1, strlen(dot + 1));
}

static void check_operation(const struct config_reader *reader, const struct tree_node *at,
                            const char *op)
{
    char quoted[PROBLEMS_QUOTE];
    struct suggestion best = {0};
    for (size_t i = 0; operations[i]; i++) {
        if (strcmp(op, operations[i]) == 0)
            return;
        suggest_offer(&best, op, operations[i]);
    }
    problems_quote(quoted, op);
    if (best.word)
        problems_add(reader->options.problems, at->line, at->column,
                     "\"op\": \"%s\" is no operation; did you mean \"%s\"?", quoted, best.word);
    else
        problems_add(reader->options.problems, at->line, at->column,
                     "\"op\": \"%s\" is no operation; choices: insert, update, delete, truncate, "
                     "message, read",
                     quoted);
}

static void check_operations(const struct config_reader *reader, const struct tree_node *node,
                             const struct config_route *route)
{
    const struct tree_node *at = tree_find(node, "op");
    bool update = route->op.count == 0;
    for (size_t i = 0; i < route->op.count; i++) {
        check_operation(reader, at, route->op.items[i]);
        update = update || strcmp(route->op.items[i], "update") == 0;
    }
    if (route->changed.count && !update)
        problems_add(reader->options.problems, at->line, at->column,
                     "\"changed\" is about updates, and \"op\" leaves them out; this rule would "
                     "never match; add update to op");
}

static void read_route(const struct config_reader *reader, const struct tree_node *node,
                       const leat_route_rules *rules, struct config_route *route)
{
    struct config_route_file file = {0};
    struct options_target target = {config_route_table.rows, config_route_table.count, &file};
    options_fill(&reader->options, node, &target, 1, "an entry of \"routes\"", 0, NULL);
    const struct tree_node *at = tree_find(node, "route");
    route->op = file.op;
    route->changed = file.changed;
    route->route = file.route;
    route->line = at ? at->line : node->line;
    route->column = at ? at->column : node->column;
    read_match(reader, file.match, route);
    if (node->kind == TREE_MAPPING)
        check_operations(reader, node, route);
    if (at)
        config_check_route(reader, at, route->route, rules);
}

void config_read_routes(const struct config_reader *reader, const struct tree_node *node,
                        const leat_route_rules *rules, struct config_sink *sink)
{
    if (node->broken)
        return;
    if (node->kind != TREE_SEQUENCE || node->count == 0 || node->count > CONFIG_ROUTES_MAX) {
        problems_add(reader->options.problems, node->line, node->column,
                     "\"routes\" is not a list of 1 to %d; begin each entry with \"- match: "
                     "SCHEMA.TABLE\"",
                     CONFIG_ROUTES_MAX);
        return;
    }
    struct config_route *routes = region_take(reader->options.region, node->count * sizeof *routes);
    size_t count = 0;
    for (const struct tree_node *child = node->first; child; child = child->next)
        read_route(reader, child, rules, &routes[count++]);
    sink->routes = routes;
    sink->route_count = count;
}
