/* SPDX-License-Identifier: Apache-2.0
 *
 * message.h -- pgoutput's messages other than rows, taken apart.  [any]  The manual: "Logical
 * Replication Message Formats", protocol 1.  Each parser takes the message with its type byte and
 * gives NULL, or what is wrong with it (static); what it fills points into the message.
 */
#ifndef LEAT_PGOUTPUT_MESSAGE_H
#define LEAT_PGOUTPUT_MESSAGE_H

#include "cursor.h"

#include <leat/plugin.h>

struct message_begin {
    uint64_t final_lsn;
    int64_t commit_us; /* since 1970 */
    uint32_t xid;
};

struct message_commit {
    uint64_t commit_lsn, end_lsn;
};

struct message_type {
    uint32_t oid;
};

struct message_truncate {
    uint32_t count;
    uint16_t flags;   /* LEAT_CHANGE_CASCADE, LEAT_CHANGE_RESTART_IDENTITY */
    const char *oids; /* count big-endian numbers */
};

struct message_logical {
    bool transactional;
    uint64_t lsn;
    leat_bytes prefix, content;
};

/* cursor->at is where it went wrong, or the end. */
const char *message_parse_begin(struct cursor *cursor, struct message_begin *out);
const char *message_parse_commit(struct cursor *cursor, struct message_commit *out);
const char *message_parse_origin(struct cursor *cursor);
const char *message_parse_type(struct cursor *cursor, struct message_type *out);
const char *message_parse_truncate(struct cursor *cursor, struct message_truncate *out);
const char *message_parse_logical(struct cursor *cursor, struct message_logical *out);

#endif
