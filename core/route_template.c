/* SPDX-License-Identifier: Apache-2.0
 *
 * route_template.c -- parsing and checking a route's template.  [main]
 */
#include "route_template.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- parsing -------------------------------------------------------------------------------- */

struct parser {
    const char *text;
    size_t at; /* of the error, too */
    const leat_route_rules *rules;
    struct route_template *route;
    char *fill; /* the end of route->text */
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 3, 4))) static bool wrong(struct parser *parser, size_t at,
                                                        const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(parser->error, parser->error_size, format, list);
    va_end(list);
    parser->at = at;
    return false;
}

static struct route_part *last_part(struct route_template *route)
{
    return route->part_count != 0 ? &route->parts[route->part_count - 1] : NULL;
}

static bool may_hold(const char *bytes, char c)
{
    return c != 0 && bytes != NULL && strchr(bytes, c) != NULL;
}

static bool add_literal(struct parser *parser, char c, size_t at)
{
    struct route_template *route = parser->route;
    if (!may_hold(parser->rules->literal, c) && !may_hold(parser->rules->allowed, c)) {
        if (c > 0x20 && c < 0x7f)
            return wrong(parser, at, "'%c' cannot stand in a route of this sink", c);
        return wrong(parser, at, "the byte 0x%02x cannot stand in a route of this sink",
                     (unsigned)(unsigned char)c);
    }
    struct route_part *part = last_part(route);
    if (!part || part->kind != ROUTE_LITERAL) {
        part = &route->parts[route->part_count++];
        *part = (struct route_part){.kind = ROUTE_LITERAL, .text = {parser->fill, 0}};
    }
    *parser->fill++ = c;
    part->text.len++;
    return true;
}

static bool add_field(struct parser *parser, leat_bytes name, size_t at)
{
    static const struct {
        const char *name;
        enum route_part_kind kind;
    } fields[] = {{"schema", ROUTE_SCHEMA},
                  {"table", ROUTE_TABLE},
                  {"op", ROUTE_OP},
                  {"prefix", ROUTE_PREFIX}};
    struct route_template *route = parser->route;
    struct route_part *part = &route->parts[route->part_count];
    if (name.len > 4 && memcmp(name.ptr, "key.", 4) == 0) {
        memcpy(parser->fill, name.ptr + 4, name.len - 4);
        *part = (struct route_part){.kind = ROUTE_KEY, .text = {parser->fill, name.len - 4}};
        parser->fill += name.len - 4;
        route->by_row = true;
        route->part_count++;
        return true;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strlen(fields[i].name) != name.len || memcmp(fields[i].name, name.ptr, name.len) != 0)
            continue;
        *part = (struct route_part){.kind = fields[i].kind};
        route->by_row = route->by_row || part->kind == ROUTE_PREFIX;
        route->part_count++;
        return true;
    }
    return wrong(parser, at,
                 "{%.*s} is unknown; there are {schema}, {table}, {op}, {prefix} and {key.COLUMN}",
                 (int)(name.len < 64 ? name.len : 64), name.ptr);
}

static bool parse_field(struct parser *parser)
{
    size_t open = parser->at++;
    const char *name = parser->text + parser->at;
    size_t len = strcspn(name, "{}");
    if (name[len] != '}')
        return wrong(parser, open, "'{' without its '}'; a brace itself is written {{");
    parser->at += len + 1;
    return add_field(parser, (leat_bytes){name, len}, open);
}

static bool parse(struct parser *parser)
{
    while (parser->text[parser->at] != 0) {
        char c = parser->text[parser->at];
        bool brace = c == '{' || c == '}';
        bool twice = brace && parser->text[parser->at + 1] == c;
        if (brace && !twice) {
            if (c == '}')
                return wrong(parser, parser->at,
                             "'}' without its '{'; a brace itself is written }}");
            if (!parse_field(parser))
                return false;
            continue;
        }
        if (!add_literal(parser, c, parser->at))
            return false;
        parser->at += twice ? 2 : 1;
    }
    return true;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* One stretch between separators.  A field in it makes it non-empty, whatever its value. */
struct piece {
    bool field;
    size_t len; /* of the literal bytes, the first two of which are kept */
    char dots[2];
};

static bool check_piece(struct parser *parser, const struct piece *piece, char separator)
{
    if (piece->field)
        return true;
    if (piece->len == 0)
        return wrong(parser, parser->at, "nothing stands between two '%c', or at an end",
                     separator);
    if (separator == '/' && route_is_dots(piece->dots, piece->len))
        return wrong(parser, parser->at, "a folder cannot be \".\" or \"..\"");
    return true;
}

static bool check_pieces(struct parser *parser, char separator)
{
    const struct route_template *route = parser->route;
    struct piece piece = {0};
    for (size_t i = 0; i < route->part_count; i++) {
        const struct route_part *part = &route->parts[i];
        piece.field = piece.field || part->kind != ROUTE_LITERAL;
        for (size_t j = 0; part->kind == ROUTE_LITERAL && j < part->text.len; j++) {
            char c = part->text.ptr[j];
            if (c == separator) {
                if (!check_piece(parser, &piece, separator))
                    return false;
                piece = (struct piece){0};
                continue;
            }
            if (piece.len < sizeof piece.dots)
                piece.dots[piece.len] = c;
            piece.len++;
        }
    }
    return check_piece(parser, &piece, separator);
}

static bool separates(const leat_route_rules *rules, char c)
{
    return may_hold(rules->literal, c) && !may_hold(rules->allowed, c);
}

static bool check(struct parser *parser)
{
    const leat_route_rules *rules = parser->rules;
    struct route_template *route = parser->route;
    size_t shortest = 0;
    for (size_t i = 0; i < route->part_count; i++)
        shortest += route->parts[i].kind == ROUTE_LITERAL ? route->parts[i].text.len : 1;
    if (shortest > rules->max_length)
        return wrong(parser, 0, "longer than a route of this sink can be (%u bytes)",
                     (unsigned)rules->max_length);
    if (route->has_paths && !check_pieces(parser, '/'))
        return false;
    return !separates(rules, '.') || route->has_paths || check_pieces(parser, '.');
}

struct route_template *route_template_create(const char *text, const leat_route_rules *rules,
                                             char *error, size_t error_size, size_t *at)
{
    size_t len = strlen(text);
    struct route_template *route = calloc(1, sizeof *route);
    struct parser parser = {
        .text = text, .rules = rules, .route = route, .error = error, .error_size = error_size};
    *at = 0;
    if (route) {
        route->rules = rules;
        route->parts = calloc(len + 1, sizeof *route->parts);
        route->text = malloc(len + 1);
    }
    if (!route || !route->parts || !route->text) {
        (void)wrong(&parser, 0, "no memory");
        route_template_destroy(route);
        return NULL;
    }
    for (const char *c = rules->allowed; *c != 0; c++)
        route->allowed[(unsigned char)*c] = *c != rules->escape;
    route->has_paths = may_hold(rules->literal, '/') || may_hold(rules->allowed, '/');
    parser.fill = route->text;
    if (parse(&parser) && check(&parser))
        return route;
    *at = parser.at;
    route_template_destroy(route);
    return NULL;
}

void route_template_destroy(struct route_template *route)
{
    if (!route)
        return;
    free(route->parts);
    free(route->text);
    free(route);
}
