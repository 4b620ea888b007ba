/* SPDX-License-Identifier: Apache-2.0
 *
 * tuple.h -- one TupleData of a message, turned into values.  [worker]  The hot path: no memory is
 * taken, the values point into the message's copy, which is rewritten in place where a value's
 * neutral form is not longer than PostgreSQL's.
 */
#ifndef LEAT_PGOUTPUT_TUPLE_H
#define LEAT_PGOUTPUT_TUPLE_H

#include "json_compact.h"
#include "out.h"
#include "relation.h"

struct tuple {
    const struct relation *relation;
    struct json_compact *json;
    struct out *out; /* where values go that may have grown */
    char *at, *end;  /* the copy: at is the tuple's begin, then behind it, or where it went wrong */
    leat_value *values;
    uint32_t missing;  /* values that were not sent */
    const char *wrong; /* static */
};

/* Fills values[column_count].  False: wrong says why.  An out that overflowed makes values of no
 * use; the caller looks. */
bool tuple_decode(struct tuple *tuple);

/* Adds up the room that values take which may grow, reading an unchanged message.  *at moves behind
 * the tuple.  NULL, or what is wrong. */
const char *tuple_measure(const struct relation *relation, struct json_compact *json,
                          const char **at, const char *end, size_t *room);

/* The new row's values that were not sent are taken from the old one where it has them; of `old`
 * only the key's columns are believed where key_only. */
void tuple_fill(const struct relation *relation, leat_value *row, const leat_value *old,
                bool key_only);

bool tuple_key_differs(const struct relation *relation, const leat_value *a, const leat_value *b);

#endif
