/* SPDX-License-Identifier: Apache-2.0
 *
 * relation_version.h -- what relation_table.c needs of relation.c.  [worker]
 */
#ifndef LEAT_PGOUTPUT_RELATION_VERSION_H
#define LEAT_PGOUTPUT_RELATION_VERSION_H

#include "relation.h"

/* A version from a Relation message, owned by the caller; or what is wrong with it (static). */
const char *relation_parse(struct cursor *cursor, struct relation **out);
void relation_free(struct relation *relation); /* NULL is allowed */

/* Looks up what the message does not say.  May be called again after an error. */
leat_status relation_resolve(struct relation *relation, struct types *types,
                             const struct decoder_catalog *catalog, leat_error *error);

bool relation_same_message(const struct relation *relation, const struct cursor *cursor);

/* Equal in everything that a row's decoding or its reader depends on. */
bool relation_same(const struct relation *a, const struct relation *b);

/* True when something about it lies in the catalogue, and so may change under the same message. */
bool relation_needs_catalog(const struct relation *relation);

#endif
