/* SPDX-License-Identifier: Apache-2.0
 *
 * route.c -- a sink's rules and its template, and a cache of what they say of each relation.
 *
 * A rule matches by schema and table (globs), operation, and columns whose value changed.  A rule
 * that names schemas or tables matches no message outside of a table.  `changed` matches updates
 * only, in which one of its columns differs:
 *   - with the old row (REPLICA IDENTITY FULL): where old and new value differ in kind or bytes; a
 *     value that was not sent (unchanged, stored out of line) is equal;
 *   - without it: a key column where the old key was sent and differs; any other column whose value
 *     was sent counts as changed, because nobody can know.  So exactness needs FULL.
 * Names come from the source: a column that the relation lacks never changed.
 *
 * [worker], but for create and destroy.  After create nothing is allocated: the cache is one piece
 * of memory, forgotten whole when it is full.
 */
#include "route.h"

#include "encode.h"
#include "glob.h"
#include "route_template.h"

#include <stdio.h>
#include <stdlib.h>

#define CACHE_SLOTS 4096u /* a power of two */
#define CACHE_BYTES (256u << 10)
#define OP_COUNT 8u

struct rule {
    leat_strings schema, table, changed; /* of the configuration, which outlives the router */
    uint32_t ops;                        /* a bit each; 0: any */
    struct route_template *route;
};

/* A rule that matches a relation and an operation, but for `changed`. */
struct candidate {
    const struct rule *rule;
    leat_bytes route; /* ptr NULL: it depends on the row, or is an error */
};

struct entry {
    uint64_t relation; /* 0: none */
    uint32_t op, count;
    struct candidate candidates[]; /* in order; only the last may be without `changed` */
};

/* Invariants: last is NULL or in slots; used <= size; an entry always fits an empty cache. */
struct router {
    struct rule *rules; /* the last one is `route`, where there is one */
    size_t rule_count;
    const struct entry *last;
    unsigned char *cache;
    size_t used, size;
    uint32_t entry_count;
    struct entry *slots[CACHE_SLOTS];
};

/* ---- compiling ------------------------------------------------------------------------------ */

const char *route_check(const char *template_text, const leat_route_rules *rules, char *error,
                        size_t error_size, size_t *at)
{
    struct route_template *route =
        route_template_create(template_text, rules, error, error_size, at);
    if (!route)
        return error;
    route_template_destroy(route);
    return NULL;
}

static bool compile_ops(const leat_strings *names, uint32_t *ops, char *error, size_t error_size)
{
    *ops = 0;
    for (size_t i = 0; i < names->count; i++) {
        uint32_t op = LEAT_INSERT;
        while (op <= LEAT_READ && strcmp(names->items[i], encode_op_name(op)) != 0)
            op++;
        if (op > LEAT_READ) {
            (void)snprintf(error, error_size,
                           "op \"%s\" is unknown; there are insert, update, delete, truncate, "
                           "message and read",
                           names->items[i]);
            return false;
        }
        *ops |= 1u << op;
    }
    return true;
}

static bool compile_template(struct rule *rule, const char *text, const leat_route_rules *rules,
                             char *error, size_t error_size)
{
    char why[256];
    size_t at;
    rule->route = route_template_create(text, rules, why, sizeof why, &at);
    if (!rule->route)
        (void)snprintf(error, error_size, "route \"%s\": %s (at byte %zu)", text, why, at + 1);
    return rule->route != NULL;
}

static bool compile(struct router *router, const struct config_sink *sink, const char *fallback,
                    const leat_route_rules *rules, char *error, size_t error_size)
{
    for (size_t i = 0; i < sink->route_count; i++) {
        const struct config_route *from = &sink->routes[i];
        struct rule *rule = &router->rules[router->rule_count++];
        rule->schema = from->schema;
        rule->table = from->table;
        rule->changed = from->changed;
        if (!compile_ops(&from->op, &rule->ops, error, error_size) ||
            !compile_template(rule, from->route, rules, error, error_size))
            return false;
    }
    if (!fallback)
        return true;
    struct rule *rule = &router->rules[router->rule_count++];
    return compile_template(rule, fallback, rules, error, error_size);
}

struct router *router_create(const struct config_sink *sink, const leat_route_rules *rules,
                             char *error, size_t error_size)
{
    struct router *router = calloc(1, sizeof *router);
    const char *fallback = sink->route;
    if (!fallback && sink->route_count == 0 && rules)
        fallback = rules->fallback;
    if (router) {
        size_t most = sink->route_count + 1;
        size_t each = sizeof(struct candidate) + (rules ? (size_t)rules->max_length : 0);
        router->rules = calloc(most, sizeof *router->rules);
        router->size = CACHE_BYTES + sizeof(struct entry) + 16 + most * (each + 16);
        router->cache = malloc(router->size);
    }
    if (!router || !router->rules || !router->cache) {
        (void)snprintf(error, error_size, "no memory for the routes");
        router_destroy(router);
        return NULL;
    }
    if (rules && !compile(router, sink, fallback, rules, error, error_size)) {
        router_destroy(router);
        return NULL;
    }
    return router;
}

void router_destroy(struct router *router)
{
    if (!router)
        return;
    for (size_t i = 0; router->rules && i < router->rule_count; i++)
        route_template_destroy(router->rules[i].route);
    free(router->rules);
    free(router->cache);
    free(router);
}

/* ---- matching ------------------------------------------------------------------------------- */

static bool match_any(const leat_strings *globs, leat_bytes name)
{
    for (size_t i = 0; i < globs->count; i++) {
        if (glob_match(globs->items[i], name.ptr, name.len))
            return true;
    }
    return globs->count == 0;
}

static bool rule_matches(const struct rule *rule, const leat_change *change)
{
    if (rule->ops != 0 && (change->op >= OP_COUNT || !(rule->ops & 1u << change->op)))
        return false;
    if (rule->changed.count != 0 && change->op != LEAT_UPDATE)
        return false;
    if (!change->relation)
        return rule->schema.count == 0 && rule->table.count == 0;
    return match_any(&rule->schema, change->relation->schema) &&
           match_any(&rule->table, change->relation->table);
}

static bool is_equal(const leat_value *a, const leat_value *b)
{
    if (a->kind == LEAT_VALUE_MISSING || b->kind == LEAT_VALUE_MISSING)
        return true;
    if (a->kind == LEAT_VALUE_NULL || b->kind == LEAT_VALUE_NULL)
        return a->kind == b->kind;
    return a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

static bool in_key(const leat_relation *relation, uint32_t column)
{
    for (uint32_t i = 0; i < relation->key_count; i++) {
        if (relation->key[i] == column)
            return true;
    }
    return false;
}

static bool column_changed(const leat_change *change, uint32_t column)
{
    const leat_value *before = change->u.row.before, *after = change->u.row.after;
    if (before)
        return !is_equal(&before[column], &after[column]);
    if (!in_key(change->relation, column))
        return after[column].kind != LEAT_VALUE_MISSING;
    return change->u.row.key && (change->flags & LEAT_CHANGE_KEY_CHANGED) &&
           !is_equal(&change->u.row.key[column], &after[column]);
}

/* The change is an update of a relation: the rule matched already. */
static bool any_changed(const struct rule *rule, const leat_change *change)
{
    const leat_relation *relation = change->relation;
    if (!relation || !change->u.row.after)
        return false;
    for (size_t i = 0; i < rule->changed.count; i++) {
        const char *name = rule->changed.items[i];
        size_t len = strlen(name);
        for (uint32_t j = 0; j < relation->column_count; j++) {
            leat_bytes column = leat_relation_column(relation, j)->name;
            if (column.len == len && memcmp(column.ptr, name, len) == 0 &&
                column_changed(change, j))
                return true;
        }
    }
    return false;
}

/* ---- the cache ------------------------------------------------------------------------------ */

static uint32_t slot_of(uint64_t relation, uint32_t op)
{
    return (uint32_t)(((relation * OP_COUNT + op) * UINT64_C(0x9e3779b97f4a7c15)) >> 40) &
           (CACHE_SLOTS - 1);
}

static void cache_forget(struct router *router)
{
    memset(router->slots, 0, sizeof router->slots);
    router->last = NULL;
    router->entry_count = 0;
    router->used = 0;
}

/* What an entry with all rules' routes can need. */
static size_t entry_bound(const struct router *router)
{
    size_t size = sizeof(struct entry) + 16;
    for (size_t i = 0; i < router->rule_count; i++)
        size += sizeof(struct candidate) + router->rules[i].route->rules->max_length;
    return size;
}

static struct entry *entry_make(struct router *router, const leat_change *change)
{
    struct entry *entry = (struct entry *)(void *)(router->cache + router->used);
    entry->relation = change->relation ? change->relation->id : 0;
    entry->op = change->op;
    entry->count = 0;
    for (size_t i = 0; i < router->rule_count; i++) {
        const struct rule *rule = &router->rules[i];
        if (!rule_matches(rule, change))
            continue;
        entry->candidates[entry->count++] = (struct candidate){.rule = rule};
        if (rule->changed.count == 0)
            break;
    }
    unsigned char *at = (unsigned char *)&entry->candidates[entry->count];
    for (uint32_t i = 0; i < entry->count; i++) {
        struct candidate *candidate = &entry->candidates[i];
        const struct route_template *route = candidate->rule->route;
        leat_error ignored = {.size = sizeof ignored};
        size_t len;
        if (route->by_row || route_template_expand(route, change, at, route->rules->max_length,
                                                   &len, &ignored) != LEAT_OK)
            continue;
        candidate->route = (leat_bytes){(const char *)at, len};
        at += len;
    }
    router->used = ((size_t)(at - router->cache) + 15u) & ~(size_t)15u;
    return entry;
}

static const struct entry *entry_find(struct router *router, const leat_change *change)
{
    uint64_t relation = change->relation ? change->relation->id : 0;
    uint32_t slot = slot_of(relation, change->op);
    for (; router->slots[slot]; slot = (slot + 1) & (CACHE_SLOTS - 1)) {
        const struct entry *entry = router->slots[slot];
        if (entry->relation == relation && entry->op == change->op)
            return entry;
    }
    if (router->entry_count == CACHE_SLOTS / 2 ||
        router->size - router->used < entry_bound(router)) {
        cache_forget(router);
        slot = slot_of(relation, change->op);
    }
    router->slots[slot] = entry_make(router, change);
    router->entry_count++;
    return router->slots[slot];
}

static const struct entry *entry_get(struct router *router, const leat_change *change)
{
    uint64_t relation = change->relation ? change->relation->id : 0;
    const struct entry *last = router->last;
    if (!last || last->relation != relation || last->op != change->op)
        last = router->last = entry_find(router, change);
    return last;
}

/* ---- resolving ------------------------------------------------------------------------------ */

static leat_status no_route(const leat_change *change, leat_error *error)
{
    error->status = LEAT_EREJECT;
    (void)snprintf(error->text, sizeof error->text,
                   "no entry of `routes` matches this %s%s, and there is no `route` for what "
                   "matches none: add one",
                   encode_op_name(change->op),
                   change->relation ? " (its table is in the record)" : "");
    return LEAT_EREJECT;
}

leat_status router_resolve(struct router *router, const leat_change *change, unsigned char *dst,
                           size_t room, leat_bytes *out, leat_error *error)
{
    *out = (leat_bytes){NULL, 0};
    if (router->rule_count == 0)
        return LEAT_OK; /* a sink without routes, or with none configured */
    const struct entry *entry = entry_get(router, change);
    for (uint32_t i = 0; i < entry->count; i++) {
        const struct candidate *candidate = &entry->candidates[i];
        if (candidate->rule->changed.count != 0 && !any_changed(candidate->rule, change))
            continue;
        *out = candidate->route;
        if (out->ptr)
            return LEAT_OK;
        leat_status status =
            route_template_expand(candidate->rule->route, change, dst, room, &out->len, error);
        if (status == LEAT_OK)
            out->ptr = (const char *)dst;
        return status;
    }
    return no_route(change, error);
}
