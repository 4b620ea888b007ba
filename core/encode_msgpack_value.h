/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_msgpack_value.h -- a column's value as MessagePack.  [worker]
 *
 * Integers and floats are native, NaN and the infinities too; decimals are strings, bytea is bin,
 * JSON values become maps and arrays (json_pack.h).  With `timestamp: extension` timestamps are
 * extension -1, but for what it cannot hold (infinity, years BC), which stays text.
 */
#ifndef LEAT_ENCODE_MSGPACK_VALUE_H
#define LEAT_ENCODE_MSGPACK_VALUE_H

#include "encoder.h"
#include "pack.h"

#define PACK_ROOM_UNBOUNDED SIZE_MAX /* of a pack that only counts */

/* nil where it is null or missing. */
void encode_msgpack_value(const struct encoder *encoder, const leat_value *value,
                          struct pack *pack);

#endif
