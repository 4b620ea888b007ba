/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder_refuse.c -- the words for what cannot be taken.  Never a row's data: of a row's message
 * only its header is shown.
 */
#include "decoder_state.h"

#include <stdio.h>

#define HEAD 32

static size_t head_size(const struct feed *feed)
{
    size_t limit = HEAD;
    if (feed->size && memchr("IUD", feed->message[0], 3))
        limit = 8; /* type, relation, kind, number of columns */
    else if (feed->size && feed->message[0] == 'M')
        limit = 10; /* type, flags, LSN */
    return feed->size < limit ? feed->size : limit;
}

leat_status feed_refuse(const struct feed *feed, const char *wrong, size_t at)
{
    const struct decoder *decoder = feed->decoder;
    uint64_t lsn = decoder->in_transaction ? decoder->begin.final_lsn : decoder->restart;
    char head[2 * HEAD + 1] = "", type[8] = "none";
    unsigned char first = feed->size ? (unsigned char)feed->message[0] : 0;
    size_t n = head_size(feed);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(head + 2 * i, 3, "%02x", (unsigned char)feed->message[i]);
    if (feed->size && first > 0x20 && first < 0x7f)
        (void)snprintf(type, sizeof(type), "'%c'", first);
    else if (feed->size)
        (void)snprintf(type, sizeof(type), "0x%02x", first);
    feed->error->status = LEAT_EFATAL;
    (void)snprintf(feed->error->text, sizeof(feed->error->text),
                   "pgoutput message of type %s %s %X/%X: %s, at byte %zu of %zu; it begins %s",
                   type, decoder->in_transaction ? "in the transaction that commits at" : "behind",
                   (unsigned)(lsn >> 32), (unsigned)lsn, wrong, at, feed->size, head);
    return LEAT_EFATAL;
}

/* A name for a line of text: printable ASCII, all else as \xNN; cut where it is too long. */
static void print_name(char *dst, size_t size, leat_bytes name)
{
    size_t n = 0;
    for (size_t i = 0; i < name.len && n + 5 < size; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c > 0x20 && c < 0x7f && c != '\\' && c != '"')
            dst[n++] = (char)c;
        else
            n += (size_t)snprintf(dst + n, 5, "\\x%02x", c);
    }
    dst[n] = '\0';
}

leat_status feed_too_big(const struct feed *feed, const leat_relation *relation, uint64_t lsn,
                         size_t room)
{
    char what[160] = "a logical message", schema[72], table[72], reason[160];
    leat_error *error = feed->error;
    if (relation) {
        print_name(schema, sizeof(schema), relation->schema);
        print_name(table, sizeof(table), relation->table);
        (void)snprintf(what, sizeof(what), "a row of %s.%s", schema, table);
    }
    (void)snprintf(reason, sizeof(reason), "%.150s", error->text);
    error->status = LEAT_EREJECT;
    (void)snprintf(error->text, sizeof(error->text),
                   "%s at %X/%X (%zu bytes as sent, %zu in memory) can never fit: %s", what,
                   (unsigned)(lsn >> 32), (unsigned)lsn, feed->size, room, reason);
    return LEAT_EREJECT;
}
