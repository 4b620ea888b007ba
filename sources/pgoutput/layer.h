/* SPDX-License-Identifier: Apache-2.0
 *
 * layer.h -- the text of a value inside the text of another: an element of an array, an attribute
 * of a composite, to any depth, without its quoting.  [any]
 *
 * Each layer gives the characters of one element and takes them from the layer around it, so no
 * level needs memory for its text.  The formats are those of PostgreSQL's array_out and record_out,
 * no looser: they put no white space between things.  `bad` is shared by all layers of one value
 * and sticks.
 */
#ifndef LEAT_PGOUTPUT_LAYER_H
#define LEAT_PGOUTPUT_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYERS_MAX 32 /* one for each nesting of a type, and some */

enum layer_mode { LAYER_RAW, LAYER_ARRAY_QUOTED, LAYER_ARRAY_BARE, LAYER_ATTRIBUTE };

struct layer {
    struct layer *outer;  /* NULL: RAW */
    const char *at, *end; /* RAW */
    bool *bad;
    int held; /* a character that was looked at; LAYER_NOTHING_HELD */
    uint8_t mode;
    bool ended, quoted;
    char delimiter;
    char replay[5]; /* read ahead while looking for NULL */
    uint8_t replay_at, replay_count;
};

#define LAYER_END (-1)
#define LAYER_NOTHING_HELD (-2)

/* The whole text of a value. */
struct layer layer_raw(const char *p, size_t len, bool *bad);
/* Inside of `outer`: behind an opening quote; up to a delimiter or brace; up to a comma or paren.
 */
struct layer layer_array_quoted(struct layer *outer);
struct layer layer_array_bare(struct layer *outer, char delimiter);
struct layer layer_attribute(struct layer *outer);

/* The next character as 0 to 255, or LAYER_END: the element is over, and what ended it has been
 * taken from the outer layer if it was a quote of its own, else not. */
int layer_get(struct layer *layer);
int layer_peek(struct layer *layer);

/* The next character has to be this one. */
bool layer_expect(struct layer *layer, char c);

/* The characters that can be had at once, as they lie in memory; takes them.  0: use layer_get. */
size_t layer_run(struct layer *layer, const char **run);

/* An element of an array that lies in memory as it is, whole: an outer layer that is RAW stands in
 * front of it, and behind it afterwards.  NULL where it is not so; nothing has been taken then. */
const char *layer_span(struct layer *outer, char delimiter, size_t *len, bool *quoted);

/* True, and nothing is left, when a bare element is the word NULL; else nothing has been taken. */
bool layer_is_null(struct layer *layer);

/* Reads to the end. */
void layer_drain(struct layer *layer);

/* All layers from this one outwards, to read a piece twice. */
struct layer_mark {
    struct layer layers[LAYERS_MAX];
};
void layer_save(const struct layer *layer, struct layer_mark *mark);
void layer_restore(struct layer *layer, const struct layer_mark *mark);

#endif
