/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder.c -- the decoder's life, and which message goes where.
 */
#include "decoder_state.h"

#include <stdlib.h>

struct decoder *decoder_create(const leat_host *host, const struct decoder_options *options,
                               const struct decoder_catalog *catalog)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));
    if (!decoder)
        return NULL;
    decoder->host = host;
    decoder->catalog = *catalog;
    decoder->last = (leat_identity){0, INT64_MIN};
    decoder->types = types_create(options, &decoder->catalog);
    if (decoder->types)
        decoder->relations =
            relations_create(decoder->types, &decoder->catalog, options->relations_max);
    if (!decoder->relations || !json_compact_init(&decoder->json)) {
        decoder_destroy(decoder);
        return NULL;
    }
    decoder_begin_stream(decoder);
    return decoder;
}

void decoder_destroy(struct decoder *decoder)
{
    if (!decoder)
        return;
    relations_destroy(decoder->relations);
    types_destroy(decoder->types);
    json_compact_fini(&decoder->json);
    free(decoder);
}

void decoder_begin_stream(struct decoder *decoder)
{
    decoder->in_transaction = false;
    decoder->begun = (leat_identity){0, INT64_MIN};
    relations_forget(decoder->relations);
    types_forget_all(decoder->types);
}

static leat_status dispatch(const struct feed *feed)
{
    switch (feed->size ? feed->message[0] : 0) {
    case 'I':
    case 'U':
    case 'D':
        return feed_row(feed);
    case 'B':
        return feed_begin(feed);
    case 'C':
        return feed_commit(feed);
    case 'R':
        return feed_relation(feed);
    case 'Y':
        return feed_type(feed);
    case 'T':
        return feed_truncate(feed);
    case 'M':
        return feed_message(feed);
    case 'O':
        return feed_origin(feed);
    default:
        return feed_refuse(feed, "no message of protocol 1", 0);
    }
}

leat_status decoder_feed(struct decoder *decoder, const char *message, size_t size,
                         leat_error *error)
{
    struct feed feed = {decoder, message, size, error};
    return dispatch(&feed);
}

void decoder_flush(struct decoder *decoder)
{
    decoder_publish(decoder);
}

bool decoder_pending(const struct decoder *decoder, int64_t *since_ns)
{
    bool pending = decoder->writer && decoder->writer->change_count;
    if (pending && since_ns)
        *since_ns = decoder->since_ns;
    return pending;
}

bool decoder_in_transaction(const struct decoder *decoder)
{
    return decoder->in_transaction;
}

uint64_t decoder_restart_position(const struct decoder *decoder)
{
    return decoder->restart;
}

uint64_t decoder_published(const struct decoder *decoder)
{
    return decoder->published;
}

void decoder_returned(struct decoder *decoder, uint64_t serial)
{
    relations_returned(decoder->relations, serial);
}

uint64_t decoder_change_count(const struct decoder *decoder)
{
    return decoder->change_count;
}
