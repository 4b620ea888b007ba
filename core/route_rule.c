/* SPDX-License-Identifier: Apache-2.0
 *
 * route_rule.c -- see route_rule.h.
 */
#include "route_rule.h"

#include "encode.h"
#include "glob.h"
#include "route_template.h"

#include <stdio.h>

/* ---- compiling ------------------------------------------------------------------------------ */

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

bool route_rule_init(struct route_rule *rule, const struct config_route *from,
                     const leat_route_rules *rules, char *error, size_t error_size)
{
    char why[256];
    size_t at;
    rule->schema = from->schema;
    rule->table = from->table;
    rule->changed = from->changed;
    if (!compile_ops(&from->op, &rule->ops, error, error_size))
        return false;
    rule->route = route_template_create(from->route, rules, why, sizeof why, &at);
    if (!rule->route)
        (void)snprintf(error, error_size, "route \"%s\": %s (at byte %zu)", from->route, why,
                       at + 1);
    return rule->route != NULL;
}

void route_rule_fini(struct route_rule *rule)
{
    route_template_destroy(rule->route);
    rule->route = NULL;
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

bool route_rule_matches(const struct route_rule *rule, const leat_change *change)
{
    if (rule->ops != 0 && (change->op >= ROUTE_OPS || !(rule->ops & 1u << change->op)))
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

bool route_rule_changed(const struct route_rule *rule, const leat_change *change)
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
