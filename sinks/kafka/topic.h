/* SPDX-License-Identifier: Apache-2.0
 *
 * topic.h -- the topics in use and what is known of each.  [worker]
 *
 * A topic becomes known when the first record for it comes, and is forgotten when the sink stops.
 * Until it is READY nothing is sent to it:
 *
 *     LOOKING  asks the brokers whether it exists and how many partitions it has
 *     CREATING it did not, and create_topics says that we may
 *     ASKING   replicas are missing: how many must there be?
 *     READING  its tail is read: `held` fills        (not where the position of a transactional id
 *              says all)
 *     READY    handle and partitions are valid until the sink stops
 *     AGAIN    the first record that was sent to a partition did not come to where that had ended:
 *              what came to light in between is read
 *
 * A topic that does not exist never reaches the producer, which would wait for it in silence.
 */
#ifndef KAFKA_TOPIC_H
#define KAFKA_TOPIC_H

#include "held.h"
#include "latest.h"
#include "tail.h"

enum topic_state {
    TOPIC_NEW = 0,
    TOPIC_LOOKING,
    TOPIC_CREATING,
    TOPIC_ASKING,
    TOPIC_READING,
    TOPIC_READY,
    TOPIC_AGAIN
};
enum { TOPIC_NAME_MAX = 249, TOPIC_BUCKETS = 1024, TOPICS_MAX = 20000 };

struct topic {
    struct topic *next;       /* in its bucket */
    rd_kafka_topic_t *handle; /* owned; of the producer; set when READY */
    int32_t partitions;
    int32_t in_sync; /* replicas, of the weakest partition of those that miss some; 0: none does */
    enum topic_state state;
    int64_t since_ns;    /* when looking began */
    leat_identity floor; /* of the first record for it: nothing older will come again */
    struct held held;
    struct latest latest;  /* of the keys of what is held */
    bool moved;            /* records of ours lie where their keys do not go any more */
    unsigned char *proven; /* owned; by partition: a message of this producer is acknowledged, or on
                            * its way alone */
    int64_t
        *ends; /* owned; by partition: behind the last record that READING saw; NULL: not read */
    int32_t again; /* the partition to look at again */
    size_t name_len;
    char name[TOPIC_NAME_MAX + 1];
};

struct topics {
    const struct kafka_options *options;
    const leat_host *host;
    const char *name_space;
    rd_kafka_t *producer; /* borrowed */
    struct tail tail;
    rd_kafka_queue_t *admin;              /* owned; answers to creating */
    struct topic *buckets[TOPIC_BUCKETS]; /* owned */
    struct topic *latest;                 /* most records go where the one before went */
    size_t count;
    bool unclean; /* this start follows a failure */
    bool read_tails;
};

/* topic.c.  The topic of that name, NEW if it was not known.  NULL: no memory, or too many. */
struct topic *topics_find(struct topics *topics, leat_bytes name);
/* Back to NEW, after ERETRY. */
void topic_give_up(struct topics *topics, struct topic *topic);
void topics_clear(struct topics *topics); /* forgets all; before the producer is destroyed */

/* topic_ready.c.  One step towards READY, of at most wait_ms.  OK: it is; AGAIN; ERETRY. */
leat_status topic_prepare(struct topics *topics, struct topic *topic, int32_t wait_ms,
                          leat_error *error);
/* A record that flew alone to a partition was acknowledged at this offset.  True: the topic has to
 * be prepared again before anything else is sent. */
bool topic_arrived(const struct topics *topics, struct topic *topic, int32_t partition,
                   int64_t offset);

/* insync.c.  The answer: false: not yet; *least 0: not known. */
void topic_ask_insync(struct topics *topics, const char *name);
bool topic_insync_answered(struct topics *topics, int32_t wait_ms, int32_t *least);

struct topic_facts {
    int32_t partitions;
    int32_t in_sync; /* as in struct topic */
    bool missing;
};

/* topic_ask.c.  What the brokers say of a topic.  OK; AGAIN: nobody answers, or it has no leaders yet; ERETRY: it
 * is missing or may not be seen. */
leat_status topic_look(struct topics *topics, const char *name, int32_t wait_ms,
                       struct topic_facts *facts, leat_error *error);
/* Asks for its creation; the answer comes to topic_created. */
leat_status topic_create(struct topics *topics, const char *name, int32_t partitions,
                         const leat_pair *config, size_t config_count, leat_error *error);
leat_status topic_created(struct topics *topics, int32_t wait_ms, leat_error *error);

#endif
