/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- `leat check`: tries everything that the configuration names and changes nothing.
 * [main]
 */
#include "advice.h"
#include "sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EXIT_UNREACHABLE = 69, EXIT_CONFIG = 78, REPLICAS = 3 };

struct checking {
    const struct kafka_options *options;
    leat_check *check;
    rd_kafka_t *client; /* owned */
    int64_t until_ms;
    char trouble[256], fix[700];
    bool authentication;
    int broker_count;
};

#define MEND(checking, ...)                                                                        \
    ((void)snprintf((checking)->fix, sizeof(checking)->fix, __VA_ARGS__), (checking)->fix)

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int left_ms(const struct checking *checking)
{
    int64_t left = checking->until_ms - now_ms();
    return left < 1 ? 1 : left > 3000 ? 3000 : (int)left;
}

static void report(struct checking *checking, int32_t severity, int32_t exit_code, const char *fix,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static void report(struct checking *checking, int32_t severity, int32_t exit_code, const char *fix,
                   const char *format, ...)
{
    char text[LEAT_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    checking->check->report(checking->check, severity, exit_code, text, fix);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct checking *checking = opaque;
    (void)rk;
    /* That all brokers are down says nothing; why each is, was said before. */
    bool says_why = code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !checking->trouble[0];
    if (!checking->authentication && says_why)
        snprintf(checking->trouble, sizeof checking->trouble, "%s", reason);
    checking->authentication = checking->authentication ||
                               code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                               code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

/* The logs would say the same as the errors, to nobody. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

static bool open_client(struct checking *checking)
{
    leat_error error;
    client_error_init(&error);
    rd_kafka_conf_t *conf = client_conf(checking->options, NULL, CLIENT_PRODUCER, &error);
    if (conf)
        rd_kafka_conf_destroy(conf);
    conf = conf ? client_conf(checking->options, NULL, CLIENT_CHECKER, &error) : NULL;
    if (conf) {
        rd_kafka_conf_set_opaque(conf, checking);
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_log_cb(conf, on_log);
        checking->client = client_create(conf, CLIENT_CHECKER, &error);
    }
    if (!checking->client) {
        int32_t exit_code = advice_on_options(error.text, checking->fix, sizeof checking->fix);
        report(checking, LEAT_FINDING_ERROR, exit_code, checking->fix, "%s", error.text);
    }
    return checking->client != NULL;
}

static const struct rd_kafka_metadata *reach(struct checking *checking)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    while (now_ms() < checking->until_ms - 1000 && !checking->authentication) {
        /* All topics: asking for one by its name could create it. */
        err = rd_kafka_metadata(checking->client, 1, NULL, &metadata, 500);
        (void)rd_kafka_poll(checking->client, 0);
        if (!err)
            return metadata;
    }
    const struct kafka_options *options = checking->options;
    const char *trouble = checking->trouble[0] ? checking->trouble : rd_kafka_err2str(err);
    if (checking->authentication) {
        int32_t exit_code = advice_on_login(options, checking->fix, sizeof checking->fix);
        report(checking, LEAT_FINDING_ERROR, exit_code, checking->fix,
               "the brokers do not let us in: %.300s%s", trouble, client_login_advice(options));
    } else {
        int32_t exit_code = advice_on_reach(options, trouble, checking->fix, sizeof checking->fix);
        report(checking, LEAT_FINDING_ERROR, exit_code, checking->fix,
               "no broker of %s answers: %.300s", advice_broker(options), trouble);
    }
    return NULL;
}

/* ---- settings of a topic or a broker --------------------------------------------------------- */

struct settings {
    long long min_insync, max_message, replicas;
    bool unclean, compact, known;
};

static void take_setting(struct settings *settings, const char *name, const char *value)
{
    if (!value)
        return;
    if (strcmp(name, "min.insync.replicas") == 0)
        settings->min_insync = strtoll(value, NULL, 10);
    else if (strcmp(name, "max.message.bytes") == 0 || strcmp(name, "message.max.bytes") == 0)
        settings->max_message = strtoll(value, NULL, 10);
    else if (strcmp(name, "default.replication.factor") == 0)
        settings->replicas = strtoll(value, NULL, 10);
    else if (strcmp(name, "unclean.leader.election.enable") == 0)
        settings->unclean = strcmp(value, "true") == 0;
    else if (strcmp(name, "cleanup.policy") == 0)
        settings->compact = strcmp(value, "compact") == 0;
}

static struct settings describe(struct checking *checking, rd_kafka_ResourceType_t type,
                                const char *name)
{
    struct settings settings = {.min_insync = -1, .max_message = -1, .replicas = -1};
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(checking->client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(checking->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    char text[128];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, left_ms(checking), text, sizeof text);
    rd_kafka_DescribeConfigs(checking->client, &resource, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, left_ms(checking));
    const rd_kafka_DescribeConfigs_result_t *result =
        event && !rd_kafka_event_error(event) ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    size_t count = 0;
    const rd_kafka_ConfigResource_t **all =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;
    if (count && !rd_kafka_ConfigResource_error(all[0])) {
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(all[0], &count);
        settings.known = true;
        for (size_t i = 0; i < count; i++)
            take_setting(&settings, rd_kafka_ConfigEntry_name(entries[i]),
                         rd_kafka_ConfigEntry_value(entries[i]));
    }
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(resource);
    return settings;
}

/* `entity` is what kafka-configs.sh is given: the topic, or all brokers. */
static const char *configure(struct checking *checking, const char *entity, const char *setting)
{
    return MEND(checking, "kafka-configs.sh --bootstrap-server %.200s --alter %s --add-config %s",
                advice_broker(checking->options), entity, setting);
}

static const char *may_describe(struct checking *checking, const char *topic)
{
    const struct kafka_options *options = checking->options;
    return MEND(checking,
                "kafka-acls.sh --bootstrap-server %.200s --add --allow-principal User:%.100s "
                "--operation DescribeConfigs %s %.250s",
                advice_broker(options), options->sasl_username ? options->sasl_username : "USER",
                topic ? "--topic" : "--cluster", topic ? topic : "");
}

/* topic: NULL where it is the brokers' own settings. */
static void judge_settings(struct checking *checking, const char *topic, int replicas,
                           const struct settings *settings)
{
    const struct kafka_options *options = checking->options;
    const char *larger = topic ? "max.message.bytes" : "message.max.bytes";
    char what[300] = "brokers", entity[300] = "--entity-type brokers --entity-default", set[64];
    if (topic) {
        (void)snprintf(what, sizeof what, "topic %s", topic);
        (void)snprintf(entity, sizeof entity, "--entity-type topics --entity-name %s", topic);
    }
    if (!settings->known) {
        report(checking, LEAT_FINDING_NOTE, 0, may_describe(checking, topic),
               "%s: its settings may not be read, so they were not checked", what);
        return;
    }
    if (settings->min_insync >= 0 && settings->min_insync < 2)
        report(checking, LEAT_FINDING_WARNING, 0,
               replicas < 2 ? MEND(checking,
                                   "have %d replicas and then min.insync.replicas=2: with fewer "
                                   "replicas it would take nothing",
                                   REPLICAS)
                            : configure(checking, entity, "min.insync.replicas=2"),
               "%s: min.insync.replicas is %lld: what one broker alone has acknowledged is lost "
               "with it",
               what, settings->min_insync);
    if (settings->unclean)
        report(checking, LEAT_FINDING_WARNING, 0,
               configure(checking, entity, "unclean.leader.election.enable=false"),
               "%s: unclean leader election is on: acknowledged records can be lost", what);
    if (settings->max_message >= 0 && settings->max_message < options->max_message) {
        (void)snprintf(set, sizeof set, "%s=%lld", larger, (long long)options->max_message);
        (void)configure(checking, entity, set);
        size_t len = strlen(checking->fix);
        (void)snprintf(checking->fix + len, sizeof checking->fix - len, "\nor max_message: %lld",
                       settings->max_message);
        report(checking, LEAT_FINDING_WARNING, 0, checking->fix,
               "%s: %s is %lld, max_message is %lld: larger records will be refused", what, larger,
               settings->max_message, (long long)options->max_message);
    }
}

/* ---- topics ---------------------------------------------------------------------------------- */

static const rd_kafka_metadata_topic_t *find(const struct rd_kafka_metadata *metadata,
                                             const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, name) == 0)
            return &metadata->topics[i];
    return NULL;
}

static void missing_topic(struct checking *checking, const char *name, const char *config)
{
    const struct kafka_options *options = checking->options;
    int replicas = checking->broker_count < REPLICAS ? checking->broker_count : REPLICAS;
    if (options->create_topics)
        report(checking, LEAT_FINDING_NOTE, 0, NULL, "topic %s does not exist: it will be created",
               name);
    else
        report(checking, LEAT_FINDING_ERROR, EXIT_CONFIG,
               MEND(checking,
                    "kafka-topics.sh --bootstrap-server %.200s --create --topic %.250s "
                    "--partitions %lld --replication-factor %d%s",
                    advice_broker(options), name, (long long)options->partitions,
                    replicas > 0 ? replicas : 1, config),
               "topic %s does not exist, and create_topics is off", name);
}

static void check_leaders(struct checking *checking, const rd_kafka_metadata_topic_t *topic)
{
    int without = 0;
    for (int i = 0; i < topic->partition_cnt; i++)
        without += topic->partitions[i].leader < 0;
    if (without)
        report(checking, LEAT_FINDING_ERROR, EXIT_UNREACHABLE,
               MEND(checking,
                    "start the brokers that hold it: kafka-topics.sh --bootstrap-server %.200s "
                    "--describe --unavailable-partitions --topic %.250s",
                    advice_broker(checking->options), topic->topic),
               "topic %s: %d of its partitions without a leader", topic->topic, without);
}

static bool check_topic(struct checking *checking, const struct rd_kafka_metadata *metadata,
                        const char *name, const char *config, struct settings *settings)
{
    const rd_kafka_metadata_topic_t *topic = find(metadata, name);
    if (!topic || topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        missing_topic(checking, name, config);
        return false;
    }
    int replicas = topic->partition_cnt > 0 ? topic->partitions[0].replica_cnt : 0;
    report(checking, LEAT_FINDING_OK, 0, NULL, "topic %s: %d partition%s, %d replica%s", name,
           topic->partition_cnt, topic->partition_cnt == 1 ? "" : "s", replicas,
           replicas == 1 ? "" : "s");
    check_leaders(checking, topic);
    if (replicas == 1)
        report(checking, LEAT_FINDING_WARNING, 0,
               MEND(checking,
                    "%skafka-reassign-partitions.sh --bootstrap-server %.200s --execute "
                    "--reassignment-json-file FILE, which gives each partition %d replicas",
                    checking->broker_count < REPLICAS ? "add brokers, then " : "",
                    advice_broker(checking->options), REPLICAS),
               "topic %s has one replica: it is lost with its broker", name);
    *settings = describe(checking, RD_KAFKA_RESOURCE_TOPIC, name);
    judge_settings(checking, name, replicas, settings);
    return true;
}

/* A route without a placeholder is a topic's name. */
static void check_routes(struct checking *checking, const struct rd_kafka_metadata *metadata)
{
    const leat_check *check = checking->check;
    struct settings settings;
    if (!LEAT_HAS(check, leat_check, routes))
        return;
    for (size_t i = 0; i < check->routes.count; i++)
        if (!strpbrk(check->routes.items[i], "{}"))
            (void)check_topic(checking, metadata, check->routes.items[i], "", &settings);
}

static void check_position_topic(struct checking *checking,
                                 const struct rd_kafka_metadata *metadata)
{
    const char *name = checking->options->position_topic;
    struct settings settings;
    if (!checking->options->transactional_id)
        return;
    if (check_topic(checking, metadata, name, " --config cleanup.policy=compact", &settings) &&
        settings.known && !settings.compact)
        report(checking, LEAT_FINDING_ERROR, EXIT_CONFIG,
               MEND(checking,
                    "kafka-configs.sh --bootstrap-server %.200s --alter --entity-type topics "
                    "--entity-name %.250s --add-config cleanup.policy=compact",
                    advice_broker(checking->options), name),
               "position_topic %s is not compacted: the position would be forgotten", name);
}

static void check_brokers(struct checking *checking, const struct rd_kafka_metadata *metadata)
{
    char id[32];
    checking->broker_count = metadata->broker_cnt;
    report(checking, LEAT_FINDING_OK, 0, NULL, "%d broker%s, %d topic%s", metadata->broker_cnt,
           metadata->broker_cnt == 1 ? "" : "s", metadata->topic_cnt,
           metadata->topic_cnt == 1 ? "" : "s");
    if (checking->options->create_topics &&
        metadata->broker_cnt < checking->options->replication_factor)
        report(checking, LEAT_FINDING_ERROR, EXIT_CONFIG,
               MEND(checking, "replication_factor: %d, or add brokers", metadata->broker_cnt),
               "topics cannot be created: replication_factor is %lld, and there %s %d broker%s",
               (long long)checking->options->replication_factor,
               metadata->broker_cnt == 1 ? "is" : "are", metadata->broker_cnt,
               metadata->broker_cnt == 1 ? "" : "s");
    if (metadata->broker_cnt == 0)
        return;
    snprintf(id, sizeof id, "%d", (int)metadata->brokers[0].id);
    struct settings settings = describe(checking, RD_KAFKA_RESOURCE_BROKER, id);
    judge_settings(checking, NULL, metadata->broker_cnt, &settings);
}

void kafka_check(const void *config, leat_check *check)
{
    struct checking checking = {.options = config, .check = check};
    checking.until_ms = now_ms() + (check->deadline_ms > 0 ? check->deadline_ms : 5000);
    if (!open_client(&checking))
        return;
    const struct rd_kafka_metadata *metadata = reach(&checking);
    if (metadata) {
        check_brokers(&checking, metadata);
        check_routes(&checking, metadata);
        check_position_topic(&checking, metadata);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(checking.client);
}
