/* SPDX-License-Identifier: Apache-2.0
 *
 * insync.c -- how many replicas a topic has to have in sync to take anything: its
 * min.insync.replicas, asked for only where a partition has lost some.  [worker]
 *
 * While a partition has fewer, its leader may hold records that no reader is shown.  To send now
 * what seems not to be there would store it twice as soon as the replicas are back.
 */
#include "topic.h"

#include <stdlib.h>

void topic_ask_insync(struct topics *topics, const char *name)
{
    char text[128];
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(topics->producer, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    (void)rd_kafka_AdminOptions_set_request_timeout(
        options, (int)topics->options->connect_timeout_ms, text, sizeof text);
    if (topics->admin)
        rd_kafka_queue_destroy(topics->admin);
    topics->admin = rd_kafka_queue_new(topics->producer);
    rd_kafka_DescribeConfigs(topics->producer, &resource, 1, options, topics->admin);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
}

static int32_t number_in(const rd_kafka_ConfigResource_t *resource)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "min.insync.replicas") == 0 && value)
            return (int32_t)strtol(value, NULL, 10);
    }
    return 0;
}

bool topic_insync_answered(struct topics *topics, int32_t wait_ms, int32_t *least)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(topics->admin, wait_ms);
    if (!event)
        return false;
    const rd_kafka_DescribeConfigs_result_t *result =
        rd_kafka_event_error(event) ? NULL : rd_kafka_event_DescribeConfigs_result(event);
    size_t count = 0;
    const rd_kafka_ConfigResource_t **all =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;
    *least = count && !rd_kafka_ConfigResource_error(all[0]) ? number_in(all[0]) : 0;
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(topics->admin);
    topics->admin = NULL;
    return true;
}
