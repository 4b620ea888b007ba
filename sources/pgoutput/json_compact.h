/* SPDX-License-Identifier: Apache-2.0
 *
 * json_compact.h -- checks JSON and drops the white space between its tokens.  [worker]
 *
 * All else is kept byte for byte: digits, order, duplicate names, escapes.  It takes the text in
 * pieces and needs no memory but a bit for each open bracket.  Strings are not checked to be UTF-8.
 */
#ifndef LEAT_PGOUTPUT_JSON_COMPACT_H
#define LEAT_PGOUTPUT_JSON_COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PostgreSQL's own parser ends far below, at max_stack_depth. */
#define JSON_DEPTH_MAX (1u << 20)

/* One text on its way.  Invariant: bit d of `objects` says whether bracket d < depth is a brace. */
struct json_compact {
    uint64_t *objects; /* JSON_DEPTH_MAX bits, owned */
    const char *literal;
    uint32_t depth;
    uint8_t state, digits;
    bool name;
};

bool json_compact_init(struct json_compact *json); /* [main] false: no memory */
void json_compact_fini(struct json_compact *json); /* [main] */

void json_compact_begin(struct json_compact *json);

#define JSON_INVALID ((size_t)-1)

/* The next n bytes.  Writes what is kept to dst, which may be src itself, or NULL to only count;
 * never more than n.  Returns how many, or JSON_INVALID. */
size_t json_compact_feed(struct json_compact *json, const char *src, size_t n, char *dst);

/* True when what was fed is one whole JSON value. */
bool json_compact_end(struct json_compact *json);

#endif
