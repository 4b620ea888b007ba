/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_admin.c -- what an administrator does to topics, for tests.  Waits until it is done.
 *
 *     kafka_admin BROKERS create TOPIC PARTITIONS REPLICAS [NAME=VALUE]...
 *     kafka_admin BROKERS grow TOPIC PARTITIONS
 *     kafka_admin BROKERS delete TOPIC
 *     kafka_admin BROKERS setting TOPIC NAME        prints the value
 *     kafka_admin BROKERS allow|deny TOPIC USER     an ACL for all operations, or its removal
 *     kafka_admin BROKERS settle TOPIC              see settle()
 */
#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 30000, SETTLE_MS = 10000, PARTITIONS_MAX = 64 };

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

static void ask_setting(rd_kafka_t *rk, rd_kafka_queue_t *queue, char **words)
{
    rd_kafka_ConfigResource_t *topic =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, words[0]);
    rd_kafka_DescribeConfigs(rk, &topic, 1, NULL, queue);
    rd_kafka_ConfigResource_destroy(topic);
}

static int print_setting(rd_kafka_event_t *event, const char *name)
{
    size_t count = 0;
    const rd_kafka_ConfigResource_t **all = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    if (count != 1)
        return fail(name, "no such topic");
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(all[0], &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return puts(rd_kafka_ConfigEntry_value(entries[i])) < 0;
    return fail(name, "no such setting");
}

static int ask_acl(rd_kafka_t *rk, rd_kafka_queue_t *queue, int allow, char **words)
{
    char text[256], user[128];
    snprintf(user, sizeof user, "User:%s", words[1]);
    if (allow) {
        rd_kafka_AclBinding_t *acl = rd_kafka_AclBinding_new(
            RD_KAFKA_RESOURCE_TOPIC, words[0], RD_KAFKA_RESOURCE_PATTERN_LITERAL, user, "*",
            RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, text, sizeof text);
        if (!acl)
            return fail("allow", text);
        rd_kafka_CreateAcls(rk, &acl, 1, NULL, queue);
        rd_kafka_AclBinding_destroy(acl);
        return 0;
    }
    rd_kafka_AclBindingFilter_t *filter = rd_kafka_AclBindingFilter_new(
        RD_KAFKA_RESOURCE_TOPIC, words[0], RD_KAFKA_RESOURCE_PATTERN_LITERAL, user, "*",
        RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, text, sizeof text);
    if (!filter)
        return fail("deny", text);
    rd_kafka_DeleteAcls(rk, &filter, 1, NULL, queue);
    rd_kafka_AclBinding_destroy(filter);
    return 0;
}

/* Of what has results topic by topic. */
static int topic_result(rd_kafka_event_t *event)
{
    const rd_kafka_topic_result_t **all = NULL;
    size_t count = 0;
    if (rd_kafka_event_CreateTopics_result(event))
        all =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    else if (rd_kafka_event_CreatePartitions_result(event))
        all = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event),
                                                      &count);
    else if (rd_kafka_event_DeleteTopics_result(event))
        all =
            rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    if (count != 1)
        return fail("answer", "of another kind");
    if (rd_kafka_topic_result_error(all[0]))
        return fail(rd_kafka_topic_result_name(all[0]), rd_kafka_topic_result_error_string(all[0]));
    return 0;
}

static int acl_result(rd_kafka_event_t *event)
{
    size_t count = 0;
    if (rd_kafka_event_CreateAcls_result(event)) {
        const rd_kafka_acl_result_t **all =
            rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &count);
        const rd_kafka_error_t *error = count ? rd_kafka_acl_result_error(all[0]) : NULL;
        return error ? fail("allow", rd_kafka_error_string(error)) : 0;
    }
    const rd_kafka_DeleteAcls_result_response_t **all =
        rd_kafka_DeleteAcls_result_responses(rd_kafka_event_DeleteAcls_result(event), &count);
    const rd_kafka_error_t *error =
        count ? rd_kafka_DeleteAcls_result_response_error(all[0]) : NULL;
    return error ? fail("deny", rd_kafka_error_string(error)) : 0;
}

static rd_kafka_t *reader(const char *brokers, const char *isolation)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) ||
        rd_kafka_conf_set(conf, "isolation.level", isolation, text, sizeof text))
        return NULL;
    return rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
}

static int partitions_of(rd_kafka_t *rk, const char *name)
{
    const struct rd_kafka_metadata *found;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    int count = 0;
    if (!rd_kafka_metadata(rk, 0, topic, &found, WAIT_MS)) {
        count = found->topic_cnt == 1 ? found->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(found);
    }
    rd_kafka_topic_destroy(topic);
    return count < PARTITIONS_MAX ? count : PARTITIONS_MAX;
}

static int64_t end_of(rd_kafka_t *rk, const char *topic, int partition)
{
    int64_t low, high;
    return rd_kafka_query_watermark_offsets(rk, topic, partition, &low, &high, WAIT_MS) ? -1 : high;
}

/* A commit is answered before its markers are in the partitions: who reads only what is committed sees
 * it a moment later.  So what the topic holds now is waited for; a transaction that nobody ends, not
 * for ever. */
static int settle(const char *brokers, const char *topic)
{
    rd_kafka_t *all = reader(brokers, "read_uncommitted");
    rd_kafka_t *committed = reader(brokers, "read_committed");
    if (!all || !committed)
        return fail("settle", "no client");
    int count = partitions_of(all, topic);
    int64_t ends[PARTITIONS_MAX];
    for (int i = 0; i < count; i++)
        ends[i] = end_of(all, topic, i);
    for (int i = 0, left = SETTLE_MS / 5; i < count && left > 0; left--) {
        if (end_of(committed, topic, i) >= ends[i])
            i++;
        else
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); /* between two looks */
    }
    rd_kafka_destroy(all);
    rd_kafka_destroy(committed);
    return 0;
}

static int answer(rd_kafka_queue_t *queue, const char *setting)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (!event || rd_kafka_event_error(event))
        return fail("answer", event ? rd_kafka_event_error_string(event) : NULL);
    int status;
    if (rd_kafka_event_DescribeConfigs_result(event))
        status = print_setting(event, setting);
    else if (rd_kafka_event_CreateAcls_result(event) || rd_kafka_event_DeleteAcls_result(event))
        status = acl_result(event);
    else
        status = topic_result(event);
    rd_kafka_event_destroy(event);
    return status;
}

int main(int argc, char **argv)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (argc < 4 || rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], text, sizeof text))
        return 64;
    if (strcmp(argv[2], "settle") == 0 && argc == 4) {
        rd_kafka_conf_destroy(conf);
        return settle(argv[1], argv[3]);
    }
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
    if (strcmp(argv[2], "setting") == 0 && argc == 5) {
        ask_setting(rk, queue, argv + 3);
        status = 0;
    }
    if ((strcmp(argv[2], "allow") == 0 || strcmp(argv[2], "deny") == 0) && argc == 5)
        status = ask_acl(rk, queue, argv[2][0] == 'a', argv + 3);
    if (!status)
        status = answer(queue, argv[argc - 1]);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return status;
}
