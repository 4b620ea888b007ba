/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder_state.h -- the decoder's inside, for decoder*.c alone.  [worker]
 */
#ifndef LEAT_PGOUTPUT_DECODER_STATE_H
#define LEAT_PGOUTPUT_DECODER_STATE_H

#include "decoder.h"
#include "json_compact.h"
#include "message.h"
#include "relation.h"

/* Invariants: while writer is NULL, so is transaction.  last never falls; begun never falls within
 * a stream.  Nothing in here moves before a message is taken whole. */
struct decoder {
    uint64_t published; /* serial of the last batch that was */
    const leat_host *host;
    struct decoder_catalog catalog;
    struct types *types;
    struct relations *relations;
    struct json_compact json;

    leat_writer *writer;                 /* the open batch, lent; NULL: none */
    const leat_transaction *transaction; /* the one below, in the open batch; NULL: not yet there */
    int64_t since_ns;                    /* when the open batch's first change was taken */

    bool in_transaction;
    struct message_begin begin; /* of the transaction */
    int64_t seq;                /* of the next change in it */
    leat_identity begun;        /* the end of what this stream may not go behind */

    leat_identity last; /* of the last change that was handed over */
    uint64_t restart;   /* the end of the last whole transaction */
    uint64_t change_count;
};

/* A message on its way, and where its reason for being refused goes. */
struct feed {
    struct decoder *decoder;
    const char *message;
    size_t size;
    leat_error *error;
};

/* EFATAL: what is wrong, where in the message, in which transaction, and its first bytes. */
leat_status feed_refuse(const struct feed *feed, const char *wrong, size_t at);

/* EREJECT with the host's reason: table, LSN, size, what to do. */
leat_status feed_too_big(const struct feed *feed, const leat_relation *relation, uint64_t lsn,
                         size_t room);

/* Opens a batch if none is open.  AGAIN: no memory. */
leat_status feed_open(const struct feed *feed);

/* Room for `room` bytes in the open batch.  AGAIN: what was open has
 * been published.  relation: for the text of an EREJECT, or NULL. */
leat_status feed_reserve(const struct feed *feed, const leat_relation *relation, uint64_t lsn,
                         size_t room);

/* What `changes` of them take in the open batch besides their own bytes. */
size_t feed_overhead(const struct feed *feed, size_t changes, bool transactional);

/* The next change, in the room that was reserved. */
leat_change *feed_append(const struct feed *feed, uint16_t op, leat_identity identity,
                         struct relation *relation);

/* Publishes the open batch if it holds anything; and if it only became full. */
void decoder_publish(struct decoder *decoder);
void decoder_publish_full(struct decoder *decoder);

/* The last change of the transaction is marked as such. */
void decoder_end_transaction(struct decoder *decoder);

/* True when the change was handed over before the stream began again. */
static inline bool decoder_knows(const struct decoder *decoder, leat_identity identity)
{
    return leat_identity_compare(identity, decoder->last) <= 0;
}

/* decoder_event.c and decoder_row.c: one function a message, as decoder_feed. */
leat_status feed_begin(const struct feed *feed);
leat_status feed_commit(const struct feed *feed);
leat_status feed_origin(const struct feed *feed);
leat_status feed_relation(const struct feed *feed);
leat_status feed_type(const struct feed *feed);
leat_status feed_truncate(const struct feed *feed);
leat_status feed_message(const struct feed *feed);
leat_status feed_row(const struct feed *feed);

#endif
