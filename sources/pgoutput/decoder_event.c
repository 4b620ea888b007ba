/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder_event.c -- every message but the rows.
 */
#include "decoder_state.h"

#include <string.h>

static struct cursor cursor_of(const struct feed *feed)
{
    return (struct cursor){feed->message, feed->message + feed->size, false};
}

static leat_status refuse_at(const struct feed *feed, const char *wrong,
                             const struct cursor *cursor)
{
    return feed_refuse(feed, wrong, (size_t)(cursor->at - feed->message));
}

leat_status feed_begin(const struct feed *feed)
{
    struct decoder *decoder = feed->decoder;
    const leat_transaction *old = decoder->transaction;
    struct cursor cursor = cursor_of(feed);
    struct message_begin begin;
    const char *wrong = message_parse_begin(&cursor, &begin);
    if (wrong)
        return refuse_at(feed, wrong, &cursor);
    if (decoder->in_transaction)
        return feed_refuse(feed, "a transaction inside another", 0);
    /* What is skipped after a reconnection rests on this order. */
    if (leat_identity_compare((leat_identity){begin.final_lsn, 0}, decoder->begun) <= 0)
        return feed_refuse(feed, "a transaction that commits before what came before it", 1);
    decoder->begun = (leat_identity){begin.final_lsn, INT64_MAX};
    decoder->begin = begin;
    decoder->in_transaction = true;
    decoder->seq = 0;
    /* It may be the one that an open batch holds the beginning of, come again. */
    if (old && (old->position != begin.final_lsn || old->xid != begin.xid))
        decoder->transaction = NULL;
    return LEAT_OK;
}

leat_status feed_commit(const struct feed *feed)
{
    struct decoder *decoder = feed->decoder;
    struct cursor cursor = cursor_of(feed);
    struct message_commit commit;
    const char *wrong = message_parse_commit(&cursor, &commit);
    if (wrong)
        return refuse_at(feed, wrong, &cursor);
    if (!decoder->in_transaction)
        return feed_refuse(feed, "a commit without a transaction", 0);
    if (commit.commit_lsn != decoder->begin.final_lsn)
        return feed_refuse(feed, "a commit at another place than its begin said", 2);
    if (commit.end_lsn <= commit.commit_lsn)
        return feed_refuse(feed, "a commit that ends before it begins", 10);
    decoder_end_transaction(decoder);
    decoder->in_transaction = false;
    decoder->transaction = NULL;
    if (commit.end_lsn <= decoder->restart)
        return LEAT_OK; /* come again */
    decoder->restart = commit.end_lsn;
    decoder_publish_full(decoder);
    /* All that came before it is published: nothing waits that could carry the position. */
    if (!decoder->writer || !decoder->writer->change_count)
        decoder->host->idle_position(decoder->host, commit.end_lsn);
    return LEAT_OK;
}

leat_status feed_origin(const struct feed *feed)
{
    struct cursor cursor = cursor_of(feed);
    const char *wrong = message_parse_origin(&cursor);
    if (wrong)
        return refuse_at(feed, wrong, &cursor);
    if (!feed->decoder->in_transaction)
        return feed_refuse(feed, "an origin outside a transaction", 0);
    return LEAT_OK;
}

leat_status feed_relation(const struct feed *feed)
{
    struct cursor cursor = cursor_of(feed);
    const char *wrong = relations_announce(feed->decoder->relations, &cursor);
    return wrong ? refuse_at(feed, wrong, &cursor) : LEAT_OK;
}

leat_status feed_type(const struct feed *feed)
{
    struct cursor cursor = cursor_of(feed);
    struct message_type type;
    const char *wrong = message_parse_type(&cursor, &type);
    if (wrong)
        return refuse_at(feed, wrong, &cursor);
    types_forget(feed->decoder->types, type.oid);
    return LEAT_OK;
}

/* Every table known and looked up, or nothing is taken. */
static leat_status find_truncated(const struct feed *feed, const struct message_truncate *truncate)
{
    for (uint32_t i = 0; i < truncate->count; i++) {
        struct relation *relation;
        leat_status status =
            relations_find(feed->decoder->relations, load_u32(truncate->oids + 4 * (size_t)i),
                           &relation, feed->error);
        if (status != LEAT_OK)
            return status;
        if (!relation)
            return feed_refuse(feed, "a table that was not described", 6 + 4 * (size_t)i);
    }
    return LEAT_OK;
}

leat_status feed_truncate(const struct feed *feed)
{
    struct decoder *decoder = feed->decoder;
    struct cursor cursor = cursor_of(feed);
    struct message_truncate truncate;
    const char *wrong = message_parse_truncate(&cursor, &truncate);
    leat_identity identity = {decoder->begin.final_lsn, decoder->seq};
    leat_status status;
    if (wrong)
        return refuse_at(feed, wrong, &cursor);
    if (!decoder->in_transaction)
        return feed_refuse(feed, "a truncate outside a transaction", 0);
    status = find_truncated(feed, &truncate);
    if (status == LEAT_OK && truncate.count)
        status = feed_open(feed);
    if (status == LEAT_OK && truncate.count)
        status =
            feed_reserve(feed, NULL, identity.position, feed_overhead(feed, truncate.count, true));
    if (status != LEAT_OK)
        return status;
    for (uint32_t i = 0; i < truncate.count; i++, identity.seq++) {
        struct relation *relation;
        leat_change *change;
        if (decoder_knows(decoder, identity))
            continue;
        (void)relations_find(decoder->relations, load_u32(truncate.oids + 4 * (size_t)i), &relation,
                             feed->error);
        change = feed_append(feed, LEAT_TRUNCATE, identity, relation);
        change->flags |= truncate.flags;
        change->bytes = (uint32_t)(feed->size / truncate.count);
    }
    decoder->seq = identity.seq;
    return LEAT_OK;
}

/* Where a message stands in the stream; NULL, or why it may not stand there. */
static const char *identify(struct decoder *decoder, const struct message_logical *logical,
                            leat_identity *identity)
{
    *identity = (leat_identity){decoder->begin.final_lsn, decoder->seq};
    if (logical->transactional)
        return decoder->in_transaction ? NULL : "a transactional message outside a transaction";
    *identity = (leat_identity){logical->lsn, -1};
    if (decoder->in_transaction)
        return "a message of no transaction inside of one";
    return leat_identity_compare(*identity, decoder->begun) > 0
               ? NULL
               : "a message that lies before what came before it";
}

static void taken(struct decoder *decoder, const struct message_logical *logical,
                  leat_identity identity)
{
    if (logical->transactional)
        decoder->seq++;
    else
        decoder->begun = identity;
}

static leat_bytes copied(const struct feed *feed, leat_bytes bytes, const char *copy)
{
    return (leat_bytes){copy + (bytes.ptr - feed->message), bytes.len};
}

static bool is(leat_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.ptr, text, bytes.len) == 0;
}

static bool is_heartbeat(const struct message_logical *logical)
{
    return logical->transactional && is(logical->prefix, HEARTBEAT_PREFIX) &&
           is(logical->content, HEARTBEAT_CONTENT);
}

leat_status feed_message(const struct feed *feed)
{
    struct decoder *decoder = feed->decoder;
    struct cursor cursor = cursor_of(feed);
    struct message_logical logical;
    const char *wrong = message_parse_logical(&cursor, &logical);
    leat_identity identity;
    leat_change *change;
    leat_status status;
    char *copy;
    if (wrong)
        return refuse_at(feed, wrong, &cursor);
    wrong = identify(decoder, &logical, &identity);
    if (wrong)
        return feed_refuse(feed, wrong, 0);
    if (decoder_knows(decoder, identity) || is_heartbeat(&logical)) {
        taken(decoder, &logical, identity);
        return LEAT_OK;
    }
    status = feed_open(feed);
    if (status == LEAT_OK)
        status = feed_reserve(feed, NULL, identity.position,
                              ((feed->size + 7) & ~(size_t)7) +
                                  feed_overhead(feed, 1, logical.transactional));
    if (status != LEAT_OK)
        return status;
    copy = leat_arena_take(&decoder->writer->arena, feed->size);
    memcpy(copy, feed->message, feed->size);
    change = feed_append(feed, LEAT_MESSAGE, identity, NULL);
    change->flags |= logical.transactional ? LEAT_CHANGE_TRANSACTIONAL : 0;
    change->bytes = feed->size > UINT32_MAX ? UINT32_MAX : (uint32_t)feed->size;
    change->u.message.prefix = copied(feed, logical.prefix, copy);
    change->u.message.content = copied(feed, logical.content, copy);
    taken(decoder, &logical, identity);
    return LEAT_OK;
}
