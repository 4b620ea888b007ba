/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.c -- see stream.h.
 *
 * A batch is built twice: into scratch memory, to learn how much it needs, and then into a piece of
 * just that size, with the values at its very end.
 */
#include "stream.h"

#include "encode.h"
#include "route.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 4, SCRATCH = 8 * 1024 * 1024, IN_TRANSACTION = 3 };

struct builder {
    unsigned char *head, *tail; /* structs and small texts; values */
    size_t head_used, tail_used;
    uint32_t extra;
};

static leat_relation *relation;

static void *take(struct builder *to, size_t size)
{
    void *p = to->head + to->head_used;
    to->head_used += (size + 7) & ~(size_t)7;
    return p;
}

static leat_bytes text(struct builder *to, const void *from, size_t len)
{
    return (leat_bytes){len ? memcpy(take(to, len), from, len) : NULL, len};
}

leat_identity stream_identity(uint64_t number)
{
    return (leat_identity){page->origin + (number / IN_TRANSACTION + 1) * 64,
                           (int64_t)(number % IN_TRANSACTION)};
}

uint64_t stream_whole(uint64_t number)
{
    return (number + IN_TRANSACTION - 1) / IN_TRANSACTION * IN_TRANSACTION;
}

static void make_relation(void)
{
    static const char *const names[COLUMNS] = {"id", "note", "photo", "at"};
    static const uint32_t kinds[COLUMNS] = {LEAT_VALUE_INTEGER, LEAT_VALUE_TEXT, LEAT_VALUE_BYTES,
                                            LEAT_VALUE_TIMESTAMPTZ};
    struct piece *piece = lend_make(4096, "a relation");
    struct builder to = {.head = piece->data};
    relation = take(&to, sizeof *relation);
    leat_column *columns = take(&to, COLUMNS * sizeof *columns);
    for (size_t i = 0; i < COLUMNS; i++)
        columns[i] = (leat_column){.name = text(&to, names[i], strlen(names[i])),
                                   .flags = i == 0 ? LEAT_COLUMN_KEY : 0,
                                   .kind = kinds[i]};
    *relation = (leat_relation){.size = sizeof *relation,
                                .column_count = COLUMNS,
                                .column_stride = sizeof *columns,
                                .key_count = 1,
                                .id = 1,
                                .schema = text(&to, "public", 6),
                                .table = text(&to, "checked", 7),
                                .columns = columns,
                                .key = memset(take(&to, sizeof(uint16_t)), 0, sizeof(uint16_t))};
    lend_set(piece, LEND_LENT);
}

static leat_value value(struct builder *to, uint8_t kind, const void *bytes, size_t len)
{
    return (leat_value){.ptr = text(to, bytes, len).ptr, .len = (uint32_t)len, .kind = kind};
}

static const leat_value *row(struct builder *to, uint64_t number, uint64_t id)
{
    static char note[70000];
    leat_value *values = take(to, COLUMNS * sizeof *values);
    char digits[32];
    int len = snprintf(note, sizeof note, STREAM_MARK " %llu \"quoted\" \\ \t \xc3\xa4\xe2\x82\xac",
                       (unsigned long long)number);
    if (number % 97 == 13) { /* a long one */
        memset(note + len, 'x', 60000);
        len += 60000;
    }
    values[0] = value(to, LEAT_VALUE_INTEGER, digits,
                      (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)id));
    values[1] = number % 11 == 5 ? value(to, LEAT_VALUE_TEXT, "", 0)
                                 : value(to, LEAT_VALUE_TEXT, note, (size_t)len);
    values[2] = number % 5 == 0 ? (leat_value){.kind = LEAT_VALUE_NULL}
                                : value(to, LEAT_VALUE_BYTES, "\0\xff\n", 3);
    values[3] = value(to, LEAT_VALUE_TIMESTAMPTZ, "2026-11-22T10:00:00.123456+00:00", 32);
    return values;
}

static leat_change *make_change(struct builder *to, uint64_t number)
{
    leat_transaction *transaction = take(to, sizeof *transaction);
    leat_change *change = take(to, sizeof *change + to->extra);
    *transaction = (leat_transaction){.size = sizeof *transaction,
                                      .xid = (uint32_t)(number / IN_TRANSACTION) + 700,
                                      .position = stream_identity(number).position,
                                      .commit_us = INT64_C(1795338000000000) + (int64_t)number};
    memset(change, 0, sizeof *change);
    change->identity = stream_identity(number);
    change->transaction = transaction;
    change->relation = relation;
    change->bytes = 64;
    change->flags =
        (uint16_t)((change->identity.seq == 0 ? LEAT_CHANGE_TX_FIRST : 0) |
                   (change->identity.seq == IN_TRANSACTION - 1 ? LEAT_CHANGE_TX_LAST : 0));
    switch (number % 31 == 30 ? 99 : (int)(number % 7)) {
    case 99:
        change->op = LEAT_MESSAGE;
        change->relation = NULL;
        change->flags |= LEAT_CHANGE_TRANSACTIONAL;
        change->u.message.prefix = text(to, "check", 5);
        change->u.message.content = text(to, STREAM_MARK, strlen(STREAM_MARK));
        break;
    case 4:
        change->op = LEAT_UPDATE;
        change->u.row.after = row(to, number, number);
        change->u.row.key = change->u.row.after;
        if (number % 14 == 4) {
            change->flags |= LEAT_CHANGE_KEY_CHANGED;
            change->u.row.key = row(to, number, number - 1);
        }
        break;
    case 5:
        change->op = LEAT_DELETE;
        change->u.row.key = row(to, number, number - 1);
        break;
    default:
        change->op = LEAT_INSERT;
        change->u.row.after = row(to, number, number);
        change->u.row.key = change->u.row.after;
    }
    return change;
}

static leat_bytes encoded_key(struct builder *to, const leat_change *change, enum encode_key which)
{
    static unsigned char room[1024 * 1024];
    bool has;
    size_t len = encoder_key(subject.encoder, change, which, room, sizeof room, &has);
    return has ? text(to, room, len) : (leat_bytes){NULL, 0};
}

static void make_record(struct builder *to, leat_record *record, leat_change *change)
{
    static unsigned char room[1024 * 1024];
    uint32_t caps = subject.sink->caps;
    leat_error error = {.size = sizeof error};
    *record = (leat_record){
        .identity = change->identity, .op = change->op, .flags = change->flags, .change = change};
    if (subject.router) {
        leat_bytes route;
        if (router_resolve(subject.router, change, room, sizeof room, &route, &error) == LEAT_OK)
            record->route = text(to, route.ptr, route.len);
    }
    if ((caps & LEAT_SINK_WANTS_KEY) && change->relation) {
        record->key = encoded_key(to, change, ENCODE_KEY_OLD);
        if (change->flags & LEAT_CHANGE_KEY_CHANGED)
            record->after_key = encoded_key(to, change, ENCODE_KEY_NEW);
    }
    if (caps & LEAT_SINK_WANTS_ID) {
        char lsn[32], id[128];
        lsn[encode_lsn(change->identity.position, lsn)] = '\0';
        record->id = text(to, id,
                          (size_t)snprintf(id, sizeof id, "%s:%s:%lld", STREAM_NAME_SPACE, lsn,
                                           (long long)change->identity.seq));
    }
    if (caps & LEAT_SINK_RAW_ROWS)
        return;
    size_t len = encoder_value(subject.encoder, change, room, sizeof room - 1);
    if ((caps & LEAT_SINK_LINES) && subject.config.format == ENCODE_JSON)
        room[len] = '\n';
    size_t whole = len + ((caps & LEAT_SINK_LINES) && subject.config.format == ENCODE_JSON ? 1 : 0);
    record->value = (leat_bytes){(const char *)memcpy(to->tail + to->tail_used, room, whole), len};
    to->tail_used += whole;
}

/* Builds it all; both ends of `to` say how much they took. */
static void build(struct builder *to, uint64_t from, uint32_t count, uint32_t attempt,
                  uint64_t token)
{
    size_t stride = sizeof(leat_record) + to->extra;
    leat_batch *batch = take(to, sizeof *batch + to->extra);
    unsigned char *records = take(to, stride * count);
    leat_change *last = NULL;
    *batch = (leat_batch){.size = (uint32_t)(sizeof *batch + to->extra),
                          .record_count = count,
                          .record_stride = (uint32_t)stride,
                          .attempt = attempt,
                          .token = token,
                          .records = records};
    for (uint32_t i = 0; i < count; i++) {
        unsigned char *at = records + i * stride;
        leat_change *change = make_change(to, from + i);
        if (to->extra) /* what stands behind what the plugin knows is none of its business */
            memset(at + sizeof(leat_record), 0xa5, to->extra);
        make_record(to, (leat_record *)(void *)at, change);
        if (last)
            last->next = change;
        last = change;
    }
}

struct piece *stream_batch(uint64_t from, uint32_t count, uint32_t attempt, uint64_t token,
                           uint32_t extra)
{
    static _Alignas(8) unsigned char scratch[2 * SCRATCH];
    if (!relation)
        make_relation();
    struct builder to = {.head = scratch, .tail = scratch + SCRATCH, .extra = extra};
    build(&to, from, count, attempt, token);
    size_t size = (to.head_used + to.tail_used + 7) & ~(size_t)7;
    struct piece *piece = lend_make(size, "a batch");
    to = (struct builder){
        .head = piece->data, .tail = piece->data + size - to.tail_used, .extra = extra};
    build(&to, from, count, attempt, token);
    return piece;
}
