/* SPDX-License-Identifier: Apache-2.0
 *
 * route.c -- a template and names from outside: what is taken resolves to a route that the sink's
 * rules allow.  Input: a byte that chooses the rules and one for the
 * operation, then template, schema, table and key, each
 * ended by a zero byte.
 */
#include "route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static const leat_route_rules all_rules[] = {
    {.allowed = LETTERS "-", .literal = ".", .escape = '%', .max_length = 200},
    {.allowed = LETTERS, .literal = ".-", .escape = '-', .max_length = 60},
    {.allowed = LETTERS "-.", .literal = "/{}", .escape = '%', .max_length = 120}};

static leat_bytes take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *start = *at;
    const uint8_t *zero = start;
    while (zero < end && *zero != 0)
        zero++;
    *at = zero < end ? zero + 1 : end;
    return (leat_bytes){(const char *)start, (size_t)(zero - start)};
}

static void check_route(leat_bytes route, const leat_route_rules *rules)
{
    if (route.len > rules->max_length)
        abort();
    for (size_t i = 0; i < route.len; i++) {
        char c = route.ptr[i];
        bool known = c != 0 && (strchr(rules->allowed, c) || strchr(rules->literal, c));
        bool separator = c == '/' || (c == '.' && rules != &all_rules[2]);
        if (!known && c != rules->escape)
            abort();
        if (separator && (i == 0 || i + 1 == route.len || route.ptr[i - 1] == c))
            abort();
    }
}

static void resolve(const char *text, const leat_route_rules *rules, const leat_change *change)
{
    char error[128];
    struct config_sink sink = {.route = text};
    struct router *router = router_create(&sink, rules, error, sizeof error);
    if (!router)
        return;
    for (size_t room = 0; room <= rules->max_length; room += 1 + room) {
        unsigned char *dst = malloc(room != 0 ? room : 1);
        leat_error why = {.size = sizeof why};
        leat_bytes route;
        if (router_resolve(router, change, dst, room, &route, &why) == LEAT_OK)
            check_route(route, rules);
        free(dst);
    }
    router_destroy(router);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const leat_route_rules *rules = &all_rules[data[0] % 3];
    const uint8_t *at = data + 2, *end = data + size;
    leat_bytes template_bytes = take(&at, end);
    char *text = strndup(template_bytes.ptr, template_bytes.len);
    leat_bytes schema = take(&at, end), table = take(&at, end), key = take(&at, end);
    leat_column column = {.name = {"id", 2}};
    uint16_t key_column = 0;
    leat_relation relation = {.size = sizeof relation,
                              .column_count = 1,
                              .column_stride = sizeof column,
                              .key_count = 1,
                              .id = 1,
                              .schema = schema,
                              .table = table,
                              .columns = &column,
                              .key = &key_column};
    leat_value value = {.ptr = key.ptr, .len = (uint32_t)key.len, .kind = LEAT_VALUE_TEXT};
    leat_change change = {.relation = &relation, .op = data[1] % 8};
    if (change.op == LEAT_MESSAGE) {
        change.relation = NULL;
        change.u.message.prefix = key;
    } else if (change.op != LEAT_TRUNCATE) {
        change.u.row.key = change.u.row.after = &value;
    }
    resolve(text, rules, &change);
    free(text);
    return 0;
}
