/* SPDX-License-Identifier: Apache-2.0
 *
 * encode.h -- turns a change of the neutral value model into the bytes that a sink delivers.
 *
 * An encoding is a table of functions, chosen by name (`format:`).  An encoder is one sink's: used
 * by that sink's worker alone [worker], created and destroyed on [main].  It keeps what can be
 * prepared once a relation (escaped names) in a bounded cache of its own, keyed by leat_relation.id,
 * and never touches a relation after the call that brought it.
 */
#ifndef LEAT_ENCODE_H
#define LEAT_ENCODE_H

#include <leat/plugin.h>

enum encode_format { ENCODE_JSON = 0, ENCODE_MSGPACK };
enum { ENCODE_NUMBER = 0, ENCODE_STRING };
enum { ENCODE_HEX = 0, ENCODE_BASE64 };
enum { ENCODE_TEXT = 0, ENCODE_EXTENSION };

struct encode_options {
    int64_t format, numeric, int8, bytea, timestamp;
};

struct encoder;

struct encoder *encoder_create(const struct encode_options *options); /* [main] NULL: no memory */
void encoder_destroy(struct encoder *encoder);                        /* [main] NULL is allowed */

/* [worker] Writes the record at dst and returns its length; 0 when `room` bytes may not be enough
 * (nothing of dst past room is ever touched).  The JSON form has no newline behind it. */
size_t encoder_value(struct encoder *encoder, const leat_change *change, unsigned char *dst,
                     size_t room);

/* [worker] A room with which encoder_value (and encoder_key) of this change cannot fail.  Slow.
 * SIZE_MAX: no memory for the names of a relation that is larger than the cache. */
size_t encoder_bound(struct encoder *encoder, const leat_change *change);

enum encode_key { ENCODE_KEY_OLD, ENCODE_KEY_NEW }; /* u.row.key; the new row's own key columns */

/* [worker] The key as a JSON object, whatever the format.  *has is false where the change has no
 * key (nothing is written, 0 is returned); true and 0: the room may not be enough. */
size_t encoder_key(struct encoder *encoder, const leat_change *change, enum encode_key which,
                   unsigned char *dst, size_t room, bool *has);

/* [any] The name of an operation: "insert", ...; static. */
const char *encode_op_name(uint32_t op);

/* [any] A position as PostgreSQL writes an LSN, "16/B374D848".  Returns the length; at most 17. */
size_t encode_lsn(uint64_t position, char *dst);

#endif
