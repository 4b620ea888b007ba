/* SPDX-License-Identifier: Apache-2.0
 *
 * json.h -- looks single values up in the JSON that a NATS server answers with.  [any]
 *
 * Works on views of the received bytes: copies nothing, allocates nothing, trusts nothing.  A
 * document may be cut off at its end: what stands before the cut is still found.
 */
#ifndef NATS_JSON_H
#define NATS_JSON_H

#include <leat/plugin.h>

/* The value at a dotted path of member names ("state.last_seq"), as raw JSON text. */
bool json_find(leat_bytes document, const char *path, leat_bytes *value);

/* Steps through an object's members or an array's items; *at starts as 0.  False at the end, or
 * when the text is not what it should be.  `name` is raw, without its quotes. */
bool json_next_member(leat_bytes object, size_t *at, leat_bytes *name, leat_bytes *value);
bool json_next_item(leat_bytes array, size_t *at, leat_bytes *value);

/* False when the value is of another kind or does not fit. */
bool json_uint(leat_bytes value, uint64_t *out);
bool json_int(leat_bytes value, int64_t *out);
bool json_bool(leat_bytes value); /* the word true */
/* Decodes a string into dst and terminates it.  False: not a string, or it does not fit. */
bool json_string(leat_bytes value, char *dst, size_t size);

/* json_find and the conversion in one; `missing` when it is not there or of another kind. */
uint64_t json_find_uint(leat_bytes document, const char *path, uint64_t missing);
int64_t json_find_int(leat_bytes document, const char *path, int64_t missing);
bool json_find_bool(leat_bytes document, const char *path);
bool json_find_string(leat_bytes document, const char *path, char *dst, size_t size);

/* Writes `text` at dst as a JSON string, quotes included; returns the length, or 0 when `room` is
 * too small. */
size_t json_quote(leat_bytes text, char *dst, size_t room);

#endif
