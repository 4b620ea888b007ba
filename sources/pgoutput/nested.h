/* SPDX-License-Identifier: Apache-2.0
 *
 * nested.h -- the text of an array, a composite or a vector as the JSON that to_json() makes of it.
 * [worker]  Takes no memory; counts instead of writing where `out` has no base.
 */
#ifndef LEAT_PGOUTPUT_NESTED_H
#define LEAT_PGOUTPUT_NESTED_H

#include "json_compact.h"
#include "layer.h"
#include "out.h"
#include "type.h"

/* Writes a value of the type, whose text is p.  False: the text is not what PostgreSQL prints. */
bool nested_write(struct out *out, struct json_compact *json, const struct type *type,
                  const char *p, size_t len);

/* What array.c, composite.c and nested.c share for one value. */
struct nest {
    struct out *out;
    struct json_compact *json;
    bool bad;
};

/* The rest of the layer as a value of the type. */
void nest_value(struct nest *nest, const struct type *type, struct layer *layer);
/* The same for a text that needs no unquoting and lies in memory. */
void nest_span(struct nest *nest, const struct type *type, const char *p, size_t len);
void nest_text(struct nest *nest, struct layer *layer);
void nest_array(struct nest *nest, const struct type *type, struct layer *layer);
void nest_composite(struct nest *nest, const struct type *type, struct layer *layer);

#endif
