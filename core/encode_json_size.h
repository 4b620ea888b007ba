/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_json_size.h -- how long a change becomes as JSON: exact, or a little more.  [worker]
 * encode_json.c asks where the room is not plainly enough.  A key's is in encoder.h.
 */
#ifndef LEAT_ENCODE_JSON_SIZE_H
#define LEAT_ENCODE_JSON_SIZE_H

#include "encoder.h"

/* More than any constant piece (quotes, field names, null, seq) and every writer's overshoot. */
#define ENCODE_JSON_SLACK 96u

size_t encode_json_value_size(const struct encoder *encoder, const leat_value *value);

/* Of a message's content between its quotes; text: it is UTF-8, else it goes out as base64. */
size_t encode_json_content_size(leat_bytes content, bool text);

/* Of the whole record; SIZE_MAX: no memory for the relation's names. */
size_t encode_json_bound(struct encoder *encoder, const leat_change *change);

#endif
