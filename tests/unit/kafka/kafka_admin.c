/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_admin.c -- what an administrator does to topics, for tests.  Waits until it is done.
 *
 *     kafka_admin BROKERS create TOPIC PARTITIONS REPLICAS [NAME=VALUE]...
 *     kafka_admin BROKERS grow TOPIC PARTITIONS
 *     kafka_admin BROKERS delete TOPIC
 */
#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 30000 };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why ? why : "no answer");
    return 1;
}

static int create(rd_kafka_t *rk, rd_kafka_queue_t *queue, int count, char **words)
{
    char text[256];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(words[0], atoi(words[1]), atoi(words[2]), text, sizeof text);
    if (!topic)
        return fail("create", text);
    for (int i = 3; i < count; i++) {
        char *equals = strchr(words[i], '=');
        if (!equals)
            return fail(words[i], "NAME=VALUE is wanted");
        *equals = 0;
        rd_kafka_NewTopic_set_config(topic, words[i], equals + 1);
    }
    rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
    rd_kafka_NewTopic_destroy(topic);
    return 0;
}

static int grow(rd_kafka_t *rk, rd_kafka_queue_t *queue, char **words)
{
    char text[256];
    rd_kafka_NewPartitions_t *more =
        rd_kafka_NewPartitions_new(words[0], (size_t)atoi(words[1]), text, sizeof text);
    if (!more)
        return fail("grow", text);
    rd_kafka_CreatePartitions(rk, &more, 1, NULL, queue);
    rd_kafka_NewPartitions_destroy(more);
    return 0;
}

static int answer(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    const rd_kafka_topic_result_t **all = NULL;
    size_t count = 0;
    if (!event || rd_kafka_event_error(event))
        return fail("answer", event ? rd_kafka_event_error_string(event) : NULL);
    if (rd_kafka_event_CreateTopics_result(event))
        all =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    else if (rd_kafka_event_CreatePartitions_result(event))
        all = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event),
                                                      &count);
    else if (rd_kafka_event_DeleteTopics_result(event))
        all =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    int status = count == 1 ? 0 : fail("answer", "of another kind");
    if (!status && rd_kafka_topic_result_error(all[0]))
        status =
            fail(rd_kafka_topic_result_name(all[0]), rd_kafka_topic_result_error_string(all[0]));
    rd_kafka_event_destroy(event);
    return status;
}

int main(int argc, char **argv)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (argc < 4 || rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], text, sizeof text))
        return 64;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk)
        return fail("client", text);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    int status = 64;
    if (strcmp(argv[2], "create") == 0 && argc >= 6) {
        status = create(rk, queue, argc - 3, argv + 3);
    } else if (strcmp(argv[2], "grow") == 0 && argc == 5) {
        status = grow(rk, queue, argv + 3);
    } else if (strcmp(argv[2], "delete") == 0 && argc == 4) {
        rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(argv[3]);
        rd_kafka_DeleteTopics(rk, &topic, 1, NULL, queue);
        rd_kafka_DeleteTopic_destroy(topic);
        status = 0;
    }
    if (!status)
        status = answer(queue);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return status;
}
