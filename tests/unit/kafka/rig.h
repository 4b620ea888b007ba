/* SPDX-License-Identifier: Apache-2.0
 *
 * rig.h -- a Kafka sink, a fake host and a mock cluster in one process, for tests.
 *
 * The test's thread is the worker.  rig_deliver plays the core's part: it lends batches in order,
 * stops and starts the sink when poll says so, and offers again what came back with ERETRY, from
 * its durable_count on.
 */
#ifndef KAFKA_RIG_H
#define KAFKA_RIG_H

#include "fake_sink_host.h"
#include "sink.h"

#include <librdkafka/rdkafka_mock.h>

struct rig {
    rd_kafka_t *mock_handle;
    rd_kafka_mock_cluster_t *mock; /* NULL with rig_init_at */
    char brokers[256];
    const char *broker_items[1];
    struct kafka_options options; /* change before rig_start */
    struct fake_host *fake;
    leat_sink *sink;
    leat_sink_start start;
    leat_error error;
    int restarts;                  /* of the sink, by rig_deliver */
    char reason[512];              /* why the latest */
    void (*between)(struct rig *); /* called now and then while waiting; may be NULL */
};

struct seen { /* one message as a consumer sees it */
    int32_t partition;
    int64_t offset;
    char key[128], id[128], value[256];
    bool null_value;
};

struct topic_view {
    struct seen *seen;
    size_t count, room;
};

void rig_init(struct rig *rig, int brokers);
void rig_init_at(struct rig *rig, const char *brokers); /* real ones */
void rig_fini(struct rig *rig);

/* A new instance; start is called until it is not AGAIN. */
leat_status rig_start(struct rig *rig);
void rig_stop(struct rig *rig, uint32_t deadline_ms);
/* As after a kill: nothing is finished, the instance goes, another one may start. */
void rig_crash(struct rig *rig);

/* Until all are durable, or a batch came back with EREJECT or worse, or timeout_ms passed.  The
 * status of the last that came back. */
leat_status rig_deliver(struct rig *rig, struct fake_batch **batches, size_t count, int timeout_ms);

/* Lends and polls until the batch came back or poll says something else than OK. */
leat_status rig_offer(struct rig *rig, struct fake_batch *batch, int timeout_ms);

/* A batch of `count` records with keys {"id":first..}, one a transaction from position `first` on.
 */
struct fake_batch *rig_batch(struct rig *rig, const char *topic, uint64_t first, uint32_t count);
void rig_add(struct fake_batch *batch, const char *topic, uint64_t position, int64_t seq,
             uint16_t op, const char *key, const char *after_key, const char *value);

/* Everything that a consumer sees of a topic now; isolation: "read_committed" or ... */
struct topic_view rig_view(struct rig *rig, const char *topic, const char *isolation);
void view_free(struct topic_view *view);
/* How many messages have this id. */
size_t view_count(const struct topic_view *view, const char *id);
/* Asserts: every id of positions [first, first + count) once, each partition in order. */
void view_assert_exactly(const struct topic_view *view, uint64_t first, uint32_t count);

int64_t rig_now_ms(void);

/* The same for tests, which fail where these do. */
void rig_must_start(struct rig *rig);
void rig_must_deliver(struct rig *rig, struct fake_batch **batches, size_t count);
/* The topic holds the positions [first, first + count), and nothing else. */
void rig_must_hold_exactly(struct rig *rig, const char *topic, uint64_t first, uint32_t count);

/* Three brokers and a topic of four partitions (NULL: none); returns the rig, not started. */
struct rig *rig_begin(struct rig *rig, const char *topic);
/* Where an error is injected: the mock does not check sequence numbers, so a batch of messages that
 * follows a failed one on the wire would be taken, which a real broker does only where it knows
 * nothing of the producer yet.  With a long linger there is one batch a partition. */
struct rig *rig_begin_unpipelined(struct rig *rig, const char *topic);
/* The next Produce requests are answered with this error. */
void rig_produce_error(struct rig *rig, size_t times, rd_kafka_resp_err_t err);

#endif
