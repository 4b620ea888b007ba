/* SPDX-License-Identifier: Apache-2.0
 *
 * route.c -- a sink's rules and its template, and a cache of what they say of each relation.
 *
 * [worker], but for create and destroy.  After create nothing is allocated: the cache is one piece
 * of memory, forgotten whole when it is full.
 */
#include "route.h"

#include "encode.h"
#include "route_rule.h"
#include "route_template.h"

#include <stdio.h>
#include <stdlib.h>

#define CACHE_SLOTS 4096u /* a power of two */
#define CACHE_BYTES (256u << 10)

/* A rule that matches a relation and an operation, but for `changed`. */
struct candidate {
    const struct route_rule *rule;
    leat_bytes route; /* ptr NULL: it depends on the row, or is an error */
};

struct entry {
    uint64_t relation; /* 0: none */
    uint32_t op, count;
    struct candidate candidates[]; /* in order; only the last may be without `changed` */
};

/* Invariants: last is NULL or in slots; used <= size; an entry always fits an empty cache. */
struct router {
    struct route_rule *rules; /* the last one is `route`, where there is one */
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

static bool compile(struct router *router, const struct config_sink *sink, const char *fallback,
                    const leat_route_rules *rules, char *error, size_t error_size)
{
    const struct config_route rest = {.route = fallback};
    for (size_t i = 0; i < sink->route_count; i++)
        if (!route_rule_init(&router->rules[router->rule_count++], &sink->routes[i], rules, error,
                             error_size))
            return false;
    return !fallback ||
           route_rule_init(&router->rules[router->rule_count++], &rest, rules, error, error_size);
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
        route_rule_fini(&router->rules[i]);
    free(router->rules);
    free(router->cache);
    free(router);
}

/* ---- the cache ------------------------------------------------------------------------------ */

static uint32_t slot_of(uint64_t relation, uint32_t op)
{
    return (uint32_t)(((relation * ROUTE_OPS + op) * UINT64_C(0x9e3779b97f4a7c15)) >> 40) &
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
        const struct route_rule *rule = &router->rules[i];
        if (!route_rule_matches(rule, change))
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
        if (candidate->rule->changed.count != 0 && !route_rule_changed(candidate->rule, change))
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
