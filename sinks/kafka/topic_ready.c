/* SPDX-License-Identifier: Apache-2.0
 *
 * topic_ready.c -- the way of one topic to READY (see topic.h), and from AGAIN back there.  [worker]
 * Waits for an answer, no longer than it is told to.
 */
#include "topic.h"

#include "partition.h"

#include <stdlib.h>

/* ---- what its tail says ---------------------------------------------------------------------- */

struct judging {
    const struct kafka_options *options;
    const char *name_space;
    struct topic *topic;
};

static enum tail_verdict judge(void *context, const rd_kafka_message_t *message)
{
    struct judging *judging = context;
    struct topic *topic = judging->topic;
    struct message_id id;
    leat_bytes header;
    if (!message_header(message, KAFKA_ID_HEADER, &header) ||
        !message_id_parse(header.ptr, header.len, judging->name_space, &id))
        return TAIL_OTHER;
    leat_bytes key = {message->key, message->key_len};
    if (key.len && topic_partition(judging->options->partitioner, key, topic->partitions) !=
                       message->partition)
        topic->moved = true;
    if (leat_identity_compare(id.identity, topic->floor) < 0)
        return TAIL_ENOUGH;
    return held_add(&topic->held, id) && latest_add(&topic->latest, key, id) ? TAIL_NEWER
                                                                             : TAIL_NO_MEMORY;
}

static leat_status become_ready(struct topics *topics, struct topic *topic, leat_error *error)
{
    free(topic->proven);
    topic->proven = calloc((size_t)topic->partitions, 1);
    if (!topic->proven)
        return client_fail(error, LEAT_ERETRY, "no memory for topic %s", topic->name);
    topic->handle = rd_kafka_topic_new(topics->producer, topic->name, NULL);
    if (!topic->handle)
        return client_fail(error, LEAT_ERETRY, "topic %s: %s", topic->name,
                           rd_kafka_err2str(rd_kafka_last_error()));
    /* So that the producer knows every partition before the first record. */
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(topics->producer, 0, topic->handle, &metadata, 1000) == 0)
        rd_kafka_metadata_destroy(metadata);
    topic->state = TOPIC_READY;
    if (topic->moved) {
        leat_field fields[] = {LEAT_F_STR("topic", topic->name),
                               LEAT_F_INT("partitions", topic->partitions)};
        topics->host->log(
            topics->host, LEAT_LOG_WARN,
            "keys go to other partitions than before: from here on the order of a key "
            "begins anew, so consumers should finish what lies there first",
            fields, 2);
    }
    if (topic->held.count) {
        leat_field fields[] = {LEAT_F_STR("topic", topic->name),
                               LEAT_F_UINT("held", topic->held.count),
                               LEAT_F_LSN("newest", topic->held.newest.position)};
        topics->host->log(topics->host, LEAT_LOG_INFO, "topic holds records that come again",
                          fields, 3);
    }
    return LEAT_OK;
}

static leat_status begin_reading(struct topics *topics, struct topic *topic, leat_error *error)
{
    if (!topics->read_tails)
        return become_ready(topics, topic, error);
    int64_t settle = topics->unclean ? topics->options->settle_ms * 1000000 : 0;
    leat_status status = tail_open(&topics->tail, topic->name, 0, topic->partitions, judge, NULL,
                                   topics->options->scan_records, settle, error);
    topic->state = TOPIC_READING;
    return status == LEAT_OK ? LEAT_AGAIN : status;
}

static bool remember_ends(const struct topics *topics, struct topic *topic)
{
    free(topic->ends);
    topic->ends = calloc((size_t)topic->partitions, sizeof *topic->ends);
    for (int32_t i = 0; topic->ends && i < topic->partitions; i++)
        topic->ends[i] = topics->tail.partitions[i].after;
    return topic->ends != NULL;
}

static leat_status read_tail(struct topics *topics, struct topic *topic, int32_t wait_ms,
                             leat_error *error)
{
    struct judging judging = {topics->options, topics->name_space, topic};
    topics->tail.context = &judging;
    int64_t now_ns = topics->host->now_ns(topics->host);
    leat_status status = tail_step(&topics->tail, wait_ms, now_ns, error);
    if (status == LEAT_AGAIN && !topics->tail.asked && error->text[0] &&
        now_ns - topic->since_ns > topics->options->connect_timeout_ms * 1000000)
        return error->status = LEAT_ERETRY;
    if (status != LEAT_OK)
        return status;
    if (topic->held.count && topics->tail.settle_ns == 0 && topics->options->settle_ms) {
        /* What came before us did not end well: see that nothing of it is still under way. */
        topics->unclean = true;
        topics->tail.settle_ns = topics->options->settle_ms * 1000000;
        return LEAT_AGAIN;
    }
    if (topics->tail.cut) {
        leat_field fields[] = {LEAT_F_STR("topic", topic->name)};
        topics->host->log(topics->host, LEAT_LOG_WARN,
                          "topic was not read back far enough: records may come twice; raise "
                          "scan.records",
                          fields, 1);
    }
    /* What is in a transaction of our own nobody is shown before its end, so there is no second look. */
    bool remembered = topics->options->transactional_id || remember_ends(topics, topic);
    tail_close(&topics->tail);
    if (!remembered)
        return client_fail(error, LEAT_ERETRY, "no memory for topic %s", topic->name);
    return become_ready(topics, topic, error);
}

/* Before it was acknowledged, its leader may have had records of ours that no reader was shown,
 * because a replica stood still or was missing.  An acknowledgement means that all before it can be
 * seen.  (It may also have been a stranger who wrote in between.) */
bool topic_arrived(const struct topics *topics, struct topic *topic, int32_t partition,
                   int64_t offset)
{
    if (!topics->read_tails || !topic->ends || topic->state != TOPIC_READY ||
        offset <= topic->ends[partition])
        return false;
    topic->again = partition;
    topic->state = TOPIC_AGAIN;
    return true;
}

static leat_status look_again(struct topics *topics, struct topic *topic, int32_t wait_ms,
                              leat_error *error)
{
    struct judging judging = {topics->options, topics->name_space, topic};
    leat_status status;
    if (!topics->tail.topic) {
        status = tail_open(&topics->tail, topic->name, topic->again, 1, judge, NULL,
                           topics->options->scan_records, 0, error);
        topics->tail.bound = topic->ends[topic->again];
        return status == LEAT_OK ? LEAT_AGAIN : status;
    }
    topics->tail.context = &judging;
    status = tail_step(&topics->tail, wait_ms, topics->host->now_ns(topics->host), error);
    if (status != LEAT_OK)
        return status;
    int64_t ours = topics->tail.ours;
    tail_close(&topics->tail);
    topic->state = TOPIC_READY;
    if (ours > 1) { /* the one that flew is among them */
        leat_field fields[] = {LEAT_F_STR("topic", topic->name),
                               LEAT_F_INT("partition", topic->again),
                               LEAT_F_INT("records", ours - 1)};
        topics->host->log(topics->host, LEAT_LOG_WARN,
                          "records of an earlier run came to light: those that follow are not sent "
                          "again, the first one may be there twice",
                          fields, 3);
    }
    return LEAT_OK;
}

/* ---- whether it is there, and stands well ---------------------------------------------------- */

/* It is there.  Where replicas are missing, are there enough of them? */
static leat_status found(struct topics *topics, struct topic *topic,
                         const struct topic_facts *facts, leat_error *error)
{
    topic->partitions = facts->partitions;
    topic->in_sync = facts->in_sync;
    if (!topics->read_tails || facts->in_sync == 0)
        return begin_reading(topics, topic, error);
    topic_ask_insync(topics, topic->name);
    topic->state = TOPIC_ASKING;
    return LEAT_AGAIN;
}

static leat_status judge_insync(struct topics *topics, struct topic *topic, int32_t wait_ms,
                                leat_error *error)
{
    int32_t least;
    if (!topic_insync_answered(topics, wait_ms, &least))
        return LEAT_AGAIN;
    if (topic->in_sync < least)
        return client_fail(error, LEAT_ERETRY,
                           "topic %s: a partition has %d replicas in sync and takes nothing with "
                           "fewer than %d (min.insync.replicas)",
                           topic->name, (int)topic->in_sync, (int)least);
    /* Those that are back may still be catching up with what is shown to nobody before. */
    topics->unclean = true;
    return begin_reading(topics, topic, error);
}

static leat_status look(struct topics *topics, struct topic *topic, int32_t wait_ms,
                        leat_error *error)
{
    const struct kafka_options *options = topics->options;
    struct topic_facts facts;
    leat_status status = topic_look(topics, topic->name, wait_ms, &facts, error);
    int64_t waited_ns = topics->host->now_ns(topics->host) - topic->since_ns;
    if (status == LEAT_OK)
        return found(topics, topic, &facts, error);
    if (status == LEAT_AGAIN && waited_ns > options->connect_timeout_ms * 1000000)
        return error->status = LEAT_ERETRY;
    if (!facts.missing || !options->create_topics)
        return status;
    status = topic_create(topics, topic->name, (int32_t)options->partitions,
                          options->topic_config.items, options->topic_config.count, error);
    topic->state = TOPIC_CREATING;
    return status == LEAT_OK ? LEAT_AGAIN : status;
}

/* After its creation the brokers learn of the topic one by one. */
static leat_status await_created(struct topics *topics, struct topic *topic, int32_t wait_ms,
                                 leat_error *error)
{
    struct topic_facts facts;
    if (topics->admin) {
        leat_status status = topic_created(topics, wait_ms, error);
        if (status != LEAT_OK)
            return status;
        rd_kafka_queue_destroy(topics->admin);
        topics->admin = NULL;
    }
    leat_status status = topic_look(topics, topic->name, wait_ms, &facts, error);
    int64_t waited_ns = topics->host->now_ns(topics->host) - topic->since_ns;
    if (status == LEAT_OK) {
        topic->partitions = facts.partitions;
        return begin_reading(topics, topic, error);
    }
    if (waited_ns > topics->options->connect_timeout_ms * 1000000)
        return error->status = LEAT_ERETRY;
    return facts.missing ? LEAT_AGAIN : status;
}

leat_status topic_prepare(struct topics *topics, struct topic *topic, int32_t wait_ms,
                          leat_error *error)
{
    switch (topic->state) {
    case TOPIC_NEW:
        topic->since_ns = topics->host->now_ns(topics->host);
        topic->state = TOPIC_LOOKING;
        return look(topics, topic, wait_ms, error);
    case TOPIC_LOOKING:
        return look(topics, topic, wait_ms, error);
    case TOPIC_CREATING:
        return await_created(topics, topic, wait_ms, error);
    case TOPIC_ASKING:
        return judge_insync(topics, topic, wait_ms, error);
    case TOPIC_READING:
        return read_tail(topics, topic, wait_ms, error);
    case TOPIC_AGAIN:
        return look_again(topics, topic, wait_ms, error);
    default:
        return LEAT_OK;
    }
}
