/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.h -- reads the end of a topic backwards, until it has seen enough.  [worker]
 *
 * All partitions at once, in chunks that grow: first the last records, then what stands before
 * them, until the judge knows a record that is old enough, the partition's beginning is reached, or
 * the limit.  Only what is committed is seen, and everything that was there when the look began:
 * where another producer's open transaction hides the end, it is waited for.  Never writes, never
 * commits an offset, belongs to no consumer group.
 */
#ifndef KAFKA_TAIL_H
#define KAFKA_TAIL_H

#include "client.h"

enum tail_verdict {
    TAIL_OTHER = 0, /* says nothing */
    TAIL_NEWER,     /* ours, and there may be others before it */
    TAIL_ENOUGH,    /* what stands before this one (in its partition) does not matter */
    TAIL_NO_MEMORY
};

/* [any] The value of a header, lent with the message; false: it has none such.  For judges. */
bool message_header(const rd_kafka_message_t *message, const char *name, leat_bytes *out);

typedef enum tail_verdict tail_judge(void *context, const rd_kafka_message_t *message);

struct tail_partition {
    int32_t number;
    int64_t low, high;  /* when the look began */
    int64_t begin, end; /* of the chunk that is being read; end INT64_MAX: to the very end */
    int64_t after;      /* the offset behind the last record that was seen */
    int64_t chunk;
    bool enough, started, idle;
};

struct tail {
    struct client_owner *owner;
    rd_kafka_t *reader; /* owned; kept for the next topic */
    /* Borrowed.  Asked where partitions end: the reader would name the end of what is committed. */
    rd_kafka_t *asker;
    rd_kafka_queue_t *queue; /* owned */
    rd_kafka_topic_t *topic; /* owned; NULL: no look is under way */
    struct tail_partition *partitions;
    int32_t count, busy;
    int32_t ask_ms; /* how long the brokers' answers are waited for; grows */
    tail_judge *judge;
    void *context;
    int64_t limit, seen, ours; /* limit: records a partition */
    int64_t bound;             /* what stands before this offset is not looked at */
    int64_t settle_ns, quiet_since_ns;
    int64_t heard_ns;   /* when something last came, or the reader asked who leads; 0: not yet */
    bool asked;         /* where the partitions begin and end */
    bool settling, cut; /* cut: the limit ended the look somewhere */
};

/* Makes the reader when there is none. */
leat_status tail_reader(struct tail *tail, const struct kafka_options *options, leat_error *error);

/* Begins a look at partitions [first, first + count) of the topic.  settle_ns > 0: it ends only
 * after that long without a new record of ours. */
leat_status tail_open(struct tail *tail, const char *topic, int32_t first, int32_t count,
                      tail_judge *judge, void *context, int64_t limit, int64_t settle_ns,
                      leat_error *error);
/* One step of at most wait_ms.  OK: done; AGAIN; ERETRY. */
leat_status tail_step(struct tail *tail, int32_t wait_ms, int64_t now_ns, leat_error *error);
void tail_close(struct tail *tail); /* ends a look, if one is under way */
void tail_fini(struct tail *tail);  /* and the reader */

#endif
