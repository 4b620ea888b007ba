/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder_row.c -- Insert, Update and Delete.  The hot path: one copy of the message, values that
 * point into it, one change.
 */
#include "decoder_state.h"
#include "tuple.h"

#define ROW_HEADER 6 /* type, oid, what the first tuple is */

/* A row's message before it is copied. */
struct row {
    struct relation *relation;
    uint16_t op;
    char old;        /* 'K', 'O' or 0: what was sent of the old row */
    uint32_t tuples; /* 1 or 2 */
};

/* The copy in the batch, and what was made of it. */
struct placed {
    leat_value *old, *new; /* NULL where there is none */
    unsigned char *end;
    bool overflowed;
};

static size_t rounded(size_t size)
{
    return (size + 7u) & ~(size_t)7u;
}

/* Takes the header apart.  NULL, or what is wrong with it. */
static const char *read_row(const struct feed *feed, struct row *row)
{
    const char *p = feed->message;
    char first;
    if (feed->size < ROW_HEADER + 2)
        return "the message is too short";
    first = p[5];
    row->op = p[0] == 'I' ? LEAT_INSERT : p[0] == 'U' ? LEAT_UPDATE : LEAT_DELETE;
    row->old = first == 'K' || first == 'O' ? first : 0;
    row->tuples = row->op == LEAT_UPDATE && row->old ? 2 : 1;
    if (!row->old && first != 'N')
        return "unknown kind of a row";
    if ((row->op == LEAT_INSERT && row->old) || (row->op == LEAT_DELETE && !row->old))
        return "the wrong kind of a row";
    return NULL;
}

static size_t values_size(const struct row *row)
{
    return (size_t)row->tuples * row->relation->public.column_count * sizeof(leat_value);
}

/* The room that the row needs, exactly. */
static leat_status measure(const struct feed *feed, const struct row *row, size_t fixed,
                           size_t *room)
{
    const char *at = feed->message + ROW_HEADER, *end = feed->message + feed->size;
    size_t grown = 0;
    for (uint32_t i = 0; row->relation->grows && i < row->tuples; i++) {
        const char *wrong = tuple_measure(row->relation, &feed->decoder->json, &at, end, &grown);
        if (wrong)
            return feed_refuse(feed, wrong, (size_t)(at - feed->message));
        at += at < end; /* the byte before the new row */
    }
    *room = fixed + rounded(grown);
    return LEAT_OK;
}

static leat_status decode(const struct feed *feed, const struct row *row, struct tuple *tuple,
                          char *copy, struct placed *placed)
{
    placed->old = row->old ? tuple->values : NULL;
    placed->new = row->old ? NULL : tuple->values;
    if (!tuple_decode(tuple))
        return feed_refuse(feed, tuple->wrong, (size_t)(tuple->at - copy));
    if (row->tuples == 2) {
        if (tuple->at == tuple->end || *tuple->at != 'N')
            return feed_refuse(feed, "no new row behind the old one", (size_t)(tuple->at - copy));
        tuple->at++;
        tuple->missing = 0;
        tuple->values += row->relation->public.column_count;
        placed->new = tuple->values;
        if (!tuple_decode(tuple))
            return feed_refuse(feed, tuple->wrong, (size_t)(tuple->at - copy));
    }
    if (tuple->at != tuple->end)
        return feed_refuse(feed, "the message is too long", (size_t)(tuple->at - copy));
    return LEAT_OK;
}

/* Copies the message into the arena's room, without taking it, and decodes the copy.  `room` bytes
 * may be used, which are enough for all but values that grow. */
static leat_status place(const struct feed *feed, const struct row *row, size_t room,
                         struct placed *placed)
{
    struct decoder *decoder = feed->decoder;
    unsigned char *base = decoder->writer->arena.cur;
    char *copy = (char *)base;
    struct out out = {0};
    struct tuple tuple = {.relation = row->relation, .json = &decoder->json, .out = &out};
    size_t used = rounded(feed->size) + values_size(row);
    leat_status status;
    memcpy(copy, feed->message, feed->size);
    tuple.at = copy + ROW_HEADER;
    tuple.end = copy + feed->size;
    tuple.values = (leat_value *)(void *)(base + rounded(feed->size));
    out.base = (char *)base + used;
    out.room = room - used;
    status = decode(feed, row, &tuple, copy, placed);
    placed->overflowed = out_overflowed(&out);
    placed->end = base + used + (placed->overflowed ? 0 : rounded(out.len));
    if (status == LEAT_OK && !placed->overflowed && tuple.missing && placed->old && placed->new)
        tuple_fill(row->relation, placed->new, placed->old,
                   row->old == 'K' || row->relation->old_row_untrue);
    return status;
}

/* Places the row: first in the room that is there, and only where that is not enough in an exact
 * one, so that nothing is measured as a rule and everything fits that can. */
static leat_status place_somewhere(const struct feed *feed, const struct row *row, uint64_t lsn,
                                   struct placed *placed)
{
    struct decoder *decoder = feed->decoder;
    size_t overhead = feed_overhead(feed, 1, true);
    size_t fixed = rounded(feed->size) + values_size(row) + overhead, room;
    const leat_arena *arena = &decoder->writer->arena;
    leat_status status;
    room = (size_t)(arena->end - arena->cur);
    if (room >= fixed) {
        status = place(feed, row, (room & ~(size_t)7) - overhead, placed);
        if (status != LEAT_OK || !placed->overflowed)
            return status;
    }
    status = measure(feed, row, fixed, &room);
    if (status == LEAT_OK)
        status = feed_reserve(feed, &row->relation->public, lsn, room);
    if (status == LEAT_OK)
        status = place(feed, row, room - overhead, placed);
    if (status == LEAT_OK && placed->overflowed)
        return feed_refuse(feed, "a value has grown past its measure", 0);
    return status;
}

static void fill(leat_change *change, const struct row *row, const struct placed *placed)
{
    const struct relation *relation = row->relation;
    bool whole = row->old == 'O' && !relation->old_row_untrue;
    change->u.row.before = whole ? placed->old : NULL;
    change->u.row.after = placed->new;
    if (relation->public.key_count)
        change->u.row.key = placed->old ? placed->old : placed->new;
    if (placed->old && placed->new &&tuple_key_differs(relation, placed->old, placed->new))
        change->flags |= LEAT_CHANGE_KEY_CHANGED;
}

leat_status feed_row(const struct feed *feed)
{
    struct decoder *decoder = feed->decoder;
    leat_identity identity = {decoder->begin.final_lsn, decoder->seq};
    struct row row = {0};
    struct placed placed = {0};
    leat_change *change;
    leat_status status;
    const char *wrong =
        decoder->in_transaction ? read_row(feed, &row) : "a row outside a transaction";
    if (wrong)
        return feed_refuse(feed, wrong, 0);
    if (decoder_knows(decoder, identity)) {
        decoder->seq++;
        return LEAT_OK;
    }
    status =
        relations_find(decoder->relations, load_u32(feed->message + 1), &row.relation, feed->error);
    if (status == LEAT_OK && !row.relation)
        return feed_refuse(feed, "a row of a table that was not described", 1);
    if (status == LEAT_OK)
        status = feed_open(feed);
    if (status == LEAT_OK)
        status = place_somewhere(feed, &row, identity.position, &placed);
    if (status != LEAT_OK)
        return status;
    decoder->writer->arena.cur = placed.end;
    change = feed_append(feed, row.op, identity, row.relation);
    change->bytes = feed->size > UINT32_MAX ? UINT32_MAX : (uint32_t)feed->size;
    fill(change, &row, &placed);
    decoder->seq++;
    return LEAT_OK;
}
