/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.h -- the records that a sink is offered: made from their number alone, so that a retry has
 * the same bytes, at other addresses.  [child, main]
 *
 * Transactions of three changes, of every operation, with keys that change, values that are null,
 * missing, empty, long, and full of quotes.  STREAM_MARK stands in every row's text: found in a log
 * line or an error, row data has got there.
 */
#ifndef CHECK_STREAM_H
#define CHECK_STREAM_H

#include "lend.h"
#include "subject.h"

#define STREAM_MARK "Zebra-row"
#define STREAM_NAME_SPACE "leat_plugin_check"

leat_identity stream_identity(uint64_t number);
uint64_t stream_whole(uint64_t number); /* the first one from there on that begins a transaction */

/* A piece with a leat_batch at its beginning, and all that it points at; still open.  extra: bytes
 * by which the structs are longer than this version knows them. */
struct piece *stream_batch(uint64_t from, uint32_t count, uint32_t attempt, uint64_t token,
                           uint32_t extra);

#endif
