/* SPDX-License-Identifier: Apache-2.0
 *
 * route.h -- where a record goes within its sink: a NATS subject, a Kafka topic, a file's folder.
 *
 * A template is text with {schema} {table} {op} {prefix} and {key.COLUMN}; {{ and }} stand for
 * braces.  What a name contributes is escaped by the sink's leat_route_rules, so that two different
 * names never give one route and none makes a separator.  (Two fields side by side, or with only
 * bytes between them that names may hold, can still give one route for two pairs of names.)  A rule
 * list is tried in order; what a rule matches stands in route_rule.h.
 *
 * What a change does not have is an empty name: schema and table of a message, the prefix of a row,
 * a key column of a truncate or a message.  A row whose key lacks the column, or has a null there,
 * is rejected.
 */
#ifndef LEAT_ROUTE_H
#define LEAT_ROUTE_H

#include "config.h"

struct router; /* one sink's; compiled on [main], used by its worker */

/* [main] Checks a template alone: NULL, or what is wrong with it (static or in `error`), with
 * *at the offset in bytes. */
const char *route_check(const char *template_text, const leat_route_rules *rules, char *error,
                        size_t error_size, size_t *at);

/* [main] rules: of the sink.  NULL with `error` filled when a template is wrong. */
struct router *router_create(const struct config_sink *sink, const leat_route_rules *rules,
                             char *error, size_t error_size);
void router_destroy(struct router *router); /* NULL is allowed */

/* [worker] Resolves the change's route.  OK: *out is set: into the router's cache (valid until the
 * next call) or written at dst.  AGAIN: `room` is too small: give it leat_route_rules.max_length.
 * EREJECT: longer than max_length, or a key column that the row lacks; error->text says which. */
leat_status router_resolve(struct router *router, const leat_change *change, unsigned char *dst,
                           size_t room, leat_bytes *out, leat_error *error);

#endif
