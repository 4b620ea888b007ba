/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_latency.c -- a consumer outside: how old each record is when it comes.
 *
 *     kafka_latency BROKERS TOPIC
 *
 * Prints "ready" when it stands at the topic's end, then for each message its age in microseconds
 * (wall clock less the "ts" of the record, both of this machine) and when it came (microseconds
 * since 1970).  Lives until its standard input ends.
 */
#include <librdkafka/rdkafka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long wall_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Of "ts":"2026-11-22T10:00:00.123456Z"; -1: the record has none. */
static long long committed_us(const char *value, size_t len)
{
    static const char field[] = "\"ts\":\"";
    const char *at = memmem(value, len, field, sizeof field - 1);
    struct tm tm = {0};
    char text[32] = "";
    if (!at || (size_t)(value + len - at) < sizeof field - 1 + 27)
        return -1;
    memcpy(text, at + sizeof field - 1, 27);
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || *rest != '.')
        return -1;
    return (long long)timegm(&tm) * 1000000 + atoi(rest + 1);
}

static rd_kafka_t *make_consumer(const char *brokers)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text) ||
        rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text))
        return NULL;
    return rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
}

int main(int argc, char **argv)
{
    rd_kafka_t *consumer = argc == 3 ? make_consumer(argv[1]) : NULL;
    if (!consumer)
        return 64;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, argv[2], NULL);
    if (!topic || rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_END) != 0)
        return 69;
    fcntl(0, F_SETFL, O_NONBLOCK);
    char byte;
    int ready = 0;
    while (read(0, &byte, 1) != 0) {
        rd_kafka_message_t *message = rd_kafka_consume(topic, 0, 100);
        if (!message) {
            fflush(stdout);
            continue;
        }
        long long now = wall_us();
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && !ready++) {
            puts("ready");
            fflush(stdout);
        } else if (!message->err) {
            long long then = committed_us(message->payload, message->len);
            printf("%lld %lld\n", then < 0 ? -1 : now - then, now);
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
    return 0;
}
