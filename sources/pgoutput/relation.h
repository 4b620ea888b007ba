/* SPDX-License-Identifier: Apache-2.0
 *
 * relation.h -- tables, as the server describes them, and their versions.  [worker]
 *
 * A version is made of a Relation message.  What the message does not say (how its types convert,
 * the primary key under REPLICA IDENTITY FULL) is looked up when the first row needs it; from then
 * on it never changes.  A version that was replaced lives on until every batch that may refer to it
 * has come back.
 */
#ifndef LEAT_PGOUTPUT_RELATION_H
#define LEAT_PGOUTPUT_RELATION_H

#include "cursor.h"
#include "type.h"

struct relation {
    leat_relation public;
    uint64_t last_serial; /* of the last batch that refers to it; 0: none does */
    struct relation *next_retired;
    const struct type **types; /* counted; of each column */
    uint8_t *convert;          /* enum convert of each column */
    leat_column *columns;
    uint16_t *key;
    char *message; /* the names point into it; owned */
    size_t message_size;
    uint32_t oid;
    char identity; /* d, n, f or i: REPLICA IDENTITY */
    bool resolved;
    bool old_row_untrue; /* of the old row only the key is to be believed */
    bool grows;          /* some column's values may grow while they are rewritten */
};

struct relations;

struct relations *relations_create(struct types *types, const struct decoder_catalog *catalog,
                                   int64_t relations_max); /* [main] NULL: no memory */
void relations_destroy(struct relations *relations);       /* [main] NULL is allowed */

/* A Relation message.  NULL, or what is wrong with it (static), and the cursor where. */
const char *relations_announce(struct relations *relations, struct cursor *cursor);

/* The version to use for a row of now, its types looked up.  *out is NULL where the server has not
 * described the table.  ERETRY and EFATAL come from the catalogue. */
leat_status relations_find(struct relations *relations, uint32_t oid, struct relation **out,
                           leat_error *error);

/* A new stream: everything will be described anew. */
void relations_forget(struct relations *relations);

/* Every batch up to the serial has come back. */
void relations_returned(struct relations *relations, uint64_t serial);

#endif
