/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder_batch.c -- the open batch: opened for the first change, published when it is full, when
 * there is no room, or when the stream asks.
 */
#include "decoder_state.h"

static size_t rounded(size_t size)
{
    return (size + 7u) & ~(size_t)7u;
}

void decoder_publish(struct decoder *decoder)
{
    leat_writer *writer = decoder->writer;
    if (!writer || !writer->change_count)
        return; /* an empty one waits for its first change */
    if (decoder->restart > writer->safe_position)
        writer->safe_position = decoder->restart;
    decoder->writer = NULL;
    decoder->transaction = NULL;
    decoder->published = writer->serial;
    decoder->host->batch_publish(decoder->host, writer);
}

/* A full batch goes when the next change comes or its transaction ends, never before: so the last
 * change of a transaction is still here when its commit arrives, to be marked as the last. */
void decoder_publish_full(struct decoder *decoder)
{
    if (decoder->writer && decoder->writer->full)
        decoder_publish(decoder);
}

void decoder_end_transaction(struct decoder *decoder)
{
    leat_change *last = decoder->writer ? decoder->writer->last : NULL;
    if (last && last->identity.seq >= 0 && last->identity.position == decoder->begin.final_lsn)
        last->flags |= LEAT_CHANGE_TX_LAST;
}

leat_status feed_open(const struct feed *feed)
{
    struct decoder *decoder = feed->decoder;
    leat_writer *writer = NULL;
    leat_status status = LEAT_OK;
    decoder_publish_full(decoder);
    if (!decoder->writer) {
        status = decoder->host->batch_open(decoder->host, &writer);
        if (status == LEAT_OK)
            decoder->writer = writer;
    }
    return status;
}

leat_status feed_reserve(const struct feed *feed, const leat_relation *relation, uint64_t lsn,
                         size_t room)
{
    struct decoder *decoder = feed->decoder;
    leat_status status = leat_writer_reserve(decoder->host, decoder->writer, room, feed->error);
    if (status == LEAT_AGAIN)
        decoder_publish(decoder);
    if (status == LEAT_EREJECT)
        return feed_too_big(feed, relation, lsn, room);
    return status;
}

size_t feed_overhead(const struct feed *feed, size_t changes, bool transactional)
{
    const struct decoder *decoder = feed->decoder;
    size_t each = leat_writer_change_size(decoder->writer), once = 0;
    if (transactional && !decoder->transaction)
        once = rounded(sizeof(leat_transaction));
    return once + changes * rounded(each);
}

static const leat_transaction *transaction(struct decoder *decoder)
{
    leat_transaction *transaction;
    if (decoder->transaction)
        return decoder->transaction;
    transaction = leat_arena_take(&decoder->writer->arena, sizeof(*transaction));
    memset(transaction, 0, sizeof(*transaction));
    transaction->size = sizeof(*transaction);
    transaction->xid = decoder->begin.xid;
    transaction->position = decoder->begin.final_lsn;
    transaction->commit_us = decoder->begin.commit_us;
    decoder->transaction = transaction;
    return transaction;
}

leat_change *feed_append(const struct feed *feed, uint16_t op, leat_identity identity,
                         struct relation *relation)
{
    struct decoder *decoder = feed->decoder;
    const leat_transaction *own = identity.seq >= 0 ? transaction(decoder) : NULL;
    leat_change *change = leat_writer_append(decoder->writer);
    change->identity = identity;
    change->transaction = own;
    change->op = op;
    change->flags = identity.seq == 0 ? LEAT_CHANGE_TX_FIRST : 0;
    if (relation) {
        change->relation = &relation->public;
        relation->last_serial = decoder->writer->serial;
    }
    if (decoder->writer->change_count == 1)
        decoder->since_ns = decoder->host->now_ns(decoder->host);
    decoder->last = identity;
    decoder->change_count++;
    return change;
}
