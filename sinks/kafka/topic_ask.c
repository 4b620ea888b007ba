/* SPDX-License-Identifier: Apache-2.0
 *
 * topic_ask.c -- what brokers are asked about a topic: whether it is there, how many partitions it
 * has, that it be created.  [worker] Waits for an answer, no longer than it is told to.
 */
#include "topic.h"

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
