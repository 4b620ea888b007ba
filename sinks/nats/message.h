/* SPDX-License-Identifier: Apache-2.0
 *
 * message.h -- one message of ours, and what publish.c and atomic.c share.  [worker]
 */
#ifndef NATS_MESSAGE_H
#define NATS_MESSAGE_H

#include "publish.h"

#include <stdarg.h>

enum {
    MESSAGE_ID_MAX = 256, /* of one identity, in bytes */
    MESSAGE_FIXED = 320,  /* all that is neither subject, inbox, identity nor payload, at most */
    MESSAGE_HEADERS_MAX = MESSAGE_FIXED + 3 * MESSAGE_ID_MAX
};

struct message { /* borrowed */
    leat_bytes subject, id, first_id, payload;
    char kind; /* of the answer; 0: none is wanted */
    uint64_t number;
    uint32_t count;          /* records in it */
    uint32_t batch_sequence; /* in its atomic batch, from 1; 0: it is in none */
    uint32_t part;           /* of a transaction that one batch cannot hold; 0: whole */
    leat_bytes batch_id;
    bool commit;
};

/* Writes the header block (at most MESSAGE_HEADERS_MAX bytes); its length. */
size_t message_headers(const struct publisher *publisher, const struct message *message, char *dst);
/* Bytes of the protocol's line, at most. */
size_t message_overhead(const struct publisher *publisher, const struct message *message);
/* Into the client's buffer; false: no room now. */
bool message_write(struct publisher *publisher, const struct message *message);

/* The window takes another message. */
bool publisher_has_room(struct publisher *publisher);
/* False, and the publisher is `rejected`, when the record can never be sent. */
bool publisher_may_send(struct publisher *publisher, const leat_record *record, size_t headers);
bool publisher_reject(struct publisher *publisher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Passes over the records that the stream holds. */
void publisher_skip(struct publisher *publisher);

/* One record as a message of its own.  False: no room, or `rejected`. */
bool publisher_send_single(struct publisher *publisher, struct place place);

void publisher_run_packed(struct publisher *publisher, bool idle);
void publisher_run_atomic(struct publisher *publisher, bool idle);

#endif
