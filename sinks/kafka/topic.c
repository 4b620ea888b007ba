/* SPDX-License-Identifier: Apache-2.0
 *
 * topic.c -- the table of topics, the way of one to READY, and where a record goes in it.
 */
#include "topic.h"

#include <stdlib.h>

/* ---- the table ------------------------------------------------------------------------------- */

static size_t bucket_of(leat_bytes name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.ptr[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32) & (TOPIC_BUCKETS - 1);
}

static bool is_named(const struct topic *topic, leat_bytes name)
{
    return topic->name_len == name.len && memcmp(topic->name, name.ptr, name.len) == 0;
}

struct topic *topics_find(struct topics *topics, leat_bytes name)
{
    if (topics->latest && is_named(topics->latest, name))
        return topics->latest;
    struct topic **bucket = &topics->buckets[bucket_of(name)];
    struct topic *topic = *bucket;
    while (topic && !is_named(topic, name))
        topic = topic->next;
    if (!topic) {
        if (name.len == 0 || name.len > TOPIC_NAME_MAX || topics->count >= TOPICS_MAX)
            return NULL;
        topic = calloc(1, sizeof *topic);
        if (!topic)
            return NULL;
        memcpy(topic->name, name.ptr, name.len);
        topic->name_len = name.len;
        topic->next = *bucket;
        *bucket = topic;
        topics->count++;
    }
    topics->latest = topic;
    return topic;
}

void topics_clear(struct topics *topics)
{
    tail_close(&topics->tail);
    for (size_t i = 0; i < TOPIC_BUCKETS; i++) {
        while (topics->buckets[i]) {
            struct topic *topic = topics->buckets[i];
            topics->buckets[i] = topic->next;
            held_clear(&topic->held);
            if (topic->handle)
                rd_kafka_topic_destroy(topic->handle);
            free(topic->proven);
            free(topic->ends);
            free(topic);
        }
    }
    topics->latest = NULL;
    topics->count = 0;
    if (topics->admin)
        rd_kafka_queue_destroy(topics->admin);
    topics->admin = NULL;
}

/* ---- to READY -------------------------------------------------------------------------------- */

static int32_t weakest(const rd_kafka_metadata_topic_t *topic)
{
    int32_t in_sync = 0;
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *partition = &topic->partitions[i];
        if (partition->isr_cnt < partition->replica_cnt &&
            (in_sync == 0 || partition->isr_cnt < in_sync))
            in_sync = partition->isr_cnt;
    }
    return in_sync;
}

leat_status topic_look(struct topics *topics, const char *name, int32_t wait_ms,
                       struct topic_facts *facts, leat_error *error)
{
    *facts = (struct topic_facts){0};
    leat_status status = tail_reader(&topics->tail, topics->options, error);
    if (status != LEAT_OK)
        return status;
    /* Asked by the reader: a producer's question would make the broker create the topic. */
    rd_kafka_topic_t *handle = rd_kafka_topic_new(topics->tail.reader, name, NULL);
    if (!handle)
        return client_fail(error, LEAT_ERETRY, "topic %s: %s", name,
                           rd_kafka_err2str(rd_kafka_last_error()));
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(topics->tail.reader, 0, handle, &metadata, wait_ms);
    rd_kafka_topic_destroy(handle);
    if (err)
        return client_fail(error, LEAT_AGAIN, "topic %s: no broker answers: %s", name,
                           rd_kafka_err2str(err));
    const rd_kafka_metadata_topic_t *found = metadata->topic_cnt == 1 ? metadata->topics : NULL;
    err = found ? found->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    facts->partitions = found ? found->partition_cnt : 0;
    status = LEAT_OK;
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        facts->missing = true;
        status = client_fail(error, LEAT_ERETRY,
                             "topic %s does not exist; create it or set create_topics: true", name);
    } else if (err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || (!err && facts->partitions <= 0)) {
        status = client_fail(error, LEAT_AGAIN, "topic %s has no leader", name);
    } else if (err) {
        status = client_fail(error, LEAT_ERETRY, "topic %s: %s", name, rd_kafka_err2str(err));
    }
    for (int i = 0; status == LEAT_OK && i < found->partition_cnt; i++)
        if (found->partitions[i].leader < 0)
            status = client_fail(error, LEAT_AGAIN, "topic %s partition %d has no leader", name,
                                 (int)found->partitions[i].id);
    if (status == LEAT_OK)
        facts->in_sync = weakest(found);
    rd_kafka_metadata_destroy(metadata);
    return status;
}

leat_status topic_create(struct topics *topics, const char *name, int32_t partitions,
                         const leat_pair *config, size_t config_count, leat_error *error)
{
    char text[LEAT_ERROR_TEXT] = "";
    int replicas = (int)topics->options->replication_factor;
    rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(name, partitions, replicas, text, 400);
    if (!new_topic)
        return client_fail(error, LEAT_ERETRY, "topic %s cannot be created: %.200s", name, text);
    for (size_t i = 0; i < config_count; i++)
        (void)rd_kafka_NewTopic_set_config(new_topic, config[i].name, config[i].value);
    if (topics->admin)
        rd_kafka_queue_destroy(topics->admin);
    topics->admin = rd_kafka_queue_new(topics->producer);
    rd_kafka_CreateTopics(topics->producer, &new_topic, 1, NULL, topics->admin);
    rd_kafka_NewTopic_destroy(new_topic);
    return LEAT_OK;
}

leat_status topic_created(struct topics *topics, int32_t wait_ms, leat_error *error)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(topics->admin, wait_ms);
    if (!event)
        return LEAT_AGAIN;
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    const char *name = "", *text = rd_kafka_event_error_string(event);
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **all =
        result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    if (!err && count) {
        err = rd_kafka_topic_result_error(all[0]);
        text = rd_kafka_topic_result_error_string(all[0]);
        name = rd_kafka_topic_result_name(all[0]);
    }
    leat_status status = LEAT_OK;
    if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        status = client_fail(error, LEAT_ERETRY, "topic %s cannot be created: %.300s", name,
                             text ? text : rd_kafka_err2str(err));
    rd_kafka_event_destroy(event);
    return status;
}

bool message_header(const rd_kafka_message_t *message, const char *name, leat_bytes *out)
{
    rd_kafka_headers_t *headers;
    const void *value = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    if (rd_kafka_header_get_last(headers, name, &value, &out->len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    out->ptr = value;
    return value != NULL;
}

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
    return held_add(&topic->held, id) ? TAIL_NEWER : TAIL_NO_MEMORY;
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
        return LEAT_ERETRY;
    return facts.missing ? LEAT_AGAIN : status;
}

static leat_status read_tail(struct topics *topics, struct topic *topic, int32_t wait_ms,
                             leat_error *error)
{
    struct judging judging = {topics->options, topics->name_space, topic};
    topics->tail.context = &judging;
    int64_t now_ns = topics->host->now_ns(topics->host);
    leat_status status = tail_step(&topics->tail, wait_ms, now_ns, error);
    if (status == LEAT_AGAIN && topics->tail.asked < topics->tail.count && error->text[0] &&
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
    free(topic->ends);
    topic->ends = calloc((size_t)topic->partitions, sizeof *topic->ends);
    for (int32_t i = 0; topic->ends && i < topic->partitions; i++)
        topic->ends[i] = topics->tail.partitions[i].after;
    tail_close(&topics->tail);
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

void topic_give_up(struct topics *topics, struct topic *topic)
{
    tail_close(&topics->tail);
    held_clear(&topic->held);
    topic->moved = false;
    if (topic->handle)
        rd_kafka_topic_destroy(topic->handle);
    topic->handle = NULL;
    topic->state = TOPIC_NEW;
}

/* ---- where a record goes --------------------------------------------------------------------- */

int32_t topic_partition(int64_t partitioner, leat_bytes key, int32_t partitions)
{
    if (partitions == 1)
        return 0;
    switch (partitioner) {
    case KAFKA_PARTITIONER_CRC32:
        return rd_kafka_msg_partitioner_consistent(NULL, key.ptr, key.len, partitions, NULL, NULL);
    case KAFKA_PARTITIONER_FNV1A:
        return rd_kafka_msg_partitioner_fnv1a(NULL, key.ptr, key.len, partitions, NULL, NULL);
    default:
        return rd_kafka_msg_partitioner_murmur2(NULL, key.ptr, key.len, partitions, NULL, NULL);
    }
}

static uint32_t fnv(uint32_t h, leat_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.ptr[i]) * 16777619u;
    return h * 16777619u; /* a zero byte behind it */
}

int32_t topic_partition_keyless(const leat_change *change, int32_t partitions)
{
    uint32_t h = 2166136261u;
    if (change && change->relation)
        h = fnv(fnv(h, change->relation->schema), change->relation->table);
    else if (change && change->op == LEAT_MESSAGE)
        h = fnv(h, change->u.message.prefix);
    else
        return 0;
    return (int32_t)(h % (uint32_t)partitions);
}
