/* SPDX-License-Identifier: Apache-2.0
 *
 * publish.h -- turns records into messages: one each, several in one, or whole transactions in
 * atomic batches.  Used by the sink's worker.  Takes records from the window, passes over what the
 * stream holds, writes into the client's buffer, and never waits.
 */
#ifndef NATS_PUBLISH_H
#define NATS_PUBLISH_H

#include "client.h"
#include "skip.h"
#include "window.h"

struct publisher {
    const struct nats_options *options; /* borrowed, as all that follows */
    struct client *client;
    struct window *window;
    struct skip *skip;
    const char *name_space;
    bool lines; /* packed values are separated by newlines (json), or follow each other (msgpack) */

    uint64_t size_limit; /* of headers and payload: the server's, or the stream's, if smaller */
    uint64_t sequence; /* dedupe: sequence: the stream's last one when all that is sent is stored */
    uint64_t reply_mask; /* a message's number as far as its reply subject has it */
    bool throttled;      /* the window was full and is not half empty yet */
    bool cautious;       /* one message at a time, until one is stored */

    char *pack; /* owned: PACK room for values of the open message */
    size_t pack_len;
    uint32_t pack_count;
    struct place pack_first, pack_last;
    int64_t pack_since_ms;

    struct {                /* the atomic batch that is being written */
        uint32_t count, at; /* messages of it, and written ones; count 0: none is open */
        bool whole;         /* it ends where a transaction does */
        char id[48];
        size_t id_len;
        struct flight flight;
    } group;
    uint64_t group_number;
    int64_t patient_until_ms; /* with a transaction's end to come, and nothing out; 0: not so */
    uint64_t patient_bytes;   /* so much was there */
    uint32_t part;            /* of a transaction that needs several; 0: none is open */

    bool rejected;  /* the next record can never be sent; nothing more is sent until it is told */
    bool too_large; /* that is because of size_limit */
    char reject_text[200];
};

bool publisher_init(struct publisher *publisher); /* the buffer; false: no memory */
void publisher_fini(struct publisher *publisher); /* forgives a zeroed one */
/* A new connection, or a rewind: forgets what is open. */
void publisher_reset(struct publisher *publisher);

/* The number of the message that is answered on this reply subject with this sequence (0: with
 * none); maybe of none in flight.  Without a sequence it is a guess while more are on their way than
 * there are reply subjects. */
uint64_t publisher_number(const struct publisher *publisher, uint64_t reply, uint64_t sequence);

/* The payload at which an atomic batch is full. */
static inline uint64_t publisher_atomic_bytes(const struct nats_options *options)
{
    return (uint64_t)options->window_size / 4;
}

/* Sends what may be sent now.  `idle`: nothing more is coming soon, so do not wait for more. */
void publisher_run(struct publisher *publisher, bool idle);

/* When publisher_run should be called again for what it keeps back; INT64_MAX: no such time. */
int64_t publisher_due_ms(const struct publisher *publisher);

#endif
