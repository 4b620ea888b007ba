/* SPDX-License-Identifier: Apache-2.0
 *
 * message.c -- the fields of pgoutput's messages, in the manual's order.
 */
#include "message.h"

#define EPOCH_US (INT64_C(946684800) * 1000000) /* PostgreSQL counts from 2000-01-01 */

static const char *whole(const struct cursor *cursor)
{
    if (cursor->bad)
        return "the message is too short";
    return cursor->at == cursor->end ? NULL : "the message is too long";
}

const char *message_parse_begin(struct cursor *cursor, struct message_begin *out)
{
    (void)cursor_u8(cursor);
    out->final_lsn = cursor_u64(cursor);
    out->commit_us = (int64_t)(cursor_u64(cursor) + (uint64_t)EPOCH_US);
    out->xid = cursor_u32(cursor);
    return whole(cursor);
}

const char *message_parse_commit(struct cursor *cursor, struct message_commit *out)
{
    uint8_t flags;
    (void)cursor_u8(cursor);
    flags = cursor_u8(cursor);
    if (flags)
        return "unknown flags";
    out->commit_lsn = cursor_u64(cursor);
    out->end_lsn = cursor_u64(cursor);
    (void)cursor_u64(cursor);
    return whole(cursor);
}

const char *message_parse_origin(struct cursor *cursor)
{
    size_t len;
    (void)cursor_u8(cursor);
    (void)cursor_u64(cursor);
    (void)cursor_string(cursor, &len);
    return whole(cursor);
}

const char *message_parse_type(struct cursor *cursor, struct message_type *out)
{
    size_t len;
    (void)cursor_u8(cursor);
    out->oid = cursor_u32(cursor);
    (void)cursor_string(cursor, &len);
    (void)cursor_string(cursor, &len);
    return whole(cursor);
}

const char *message_parse_truncate(struct cursor *cursor, struct message_truncate *out)
{
    uint8_t options;
    (void)cursor_u8(cursor);
    out->count = cursor_u32(cursor);
    options = cursor_u8(cursor);
    if (options & ~3u)
        return "unknown options";
    out->flags = (uint16_t)((options & 1 ? LEAT_CHANGE_CASCADE : 0) |
                            (options & 2 ? LEAT_CHANGE_RESTART_IDENTITY : 0));
    out->oids = cursor_take(cursor, (size_t)out->count * 4);
    return whole(cursor);
}

const char *message_parse_logical(struct cursor *cursor, struct message_logical *out)
{
    uint8_t flags;
    (void)cursor_u8(cursor);
    flags = cursor_u8(cursor);
    if (flags & ~1u)
        return "unknown flags";
    out->transactional = flags & 1;
    out->lsn = cursor_u64(cursor);
    out->prefix.ptr = cursor_string(cursor, &out->prefix.len);
    out->content.len = cursor_u32(cursor);
    out->content.ptr = cursor_take(cursor, out->content.len);
    return whole(cursor);
}
