/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_publish.c -- what librdkafka itself can do here: the least a program needs to carry a
 * replication stream into a topic as the sink does, and nothing else.
 *
 *     kafka_publish stream CONNINFO SLOT PUBLICATION END BROKERS TOPIC [PROPERTY=VALUE...]
 *     kafka_publish paced BROKERS TOPIC RATE COUNT [PROPERTY=VALUE...]
 *
 * stream: as least_stream.h says, idempotent, acks=all; ends when every record up to END is
 * acknowledged.
 * paced: COUNT small records, RATE a second, each with the time in it, flushed at once.
 * Prints one line: records, seconds, CPU seconds of this process.
 */
#include "least_stream.h"

#include <librdkafka/rdkafka.h>

static rd_kafka_t *producer;
static rd_kafka_topic_t *topic;
static unsigned long long sent, acknowledged;

/* ---- librdkafka ------------------------------------------------------------------------------ */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    if (message->err)
        die("a record was not taken", rd_kafka_err2str(message->err));
    acknowledged++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text))
        die(name, text);
}

static void open_producer(const char *brokers, const char *name, char **properties)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "enable.idempotence", "true");
    set(conf, "enable.gapless.guarantee", "true");
    set(conf, "message.timeout.ms", "0");
    set(conf, "compression.codec", "lz4");
    for (; *properties; properties++) {
        char *equals = strchr(*properties, '=');
        if (!equals)
            die(*properties, "no value");
        *equals = 0;
        set(conf, *properties, equals + 1);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    topic = producer ? rd_kafka_topic_new(producer, name, NULL) : NULL;
    if (!topic)
        die("no producer", text);
}

static void publish(const char *key, size_t key_len, const char *value, size_t len, const char *id,
                    size_t id_len)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "leat-id", 7, id, (ssize_t)id_len);
    rd_kafka_resp_err_t err;
    while ((err = rd_kafka_producev(producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(0),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                    RD_KAFKA_V_KEY((void *)(uintptr_t)key, key_len),
                                    RD_KAFKA_V_VALUE((void *)(uintptr_t)value, len),
                                    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END)) ==
           RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 100);
    if (err)
        die("a record cannot be sent", rd_kafka_err2str(err));
    sent++;
}

static void turn(void)
{
    rd_kafka_poll(producer, 0);
}

static void finish(void)
{
    while (acknowledged < sent)
        rd_kafka_flush(producer, 1000);
}

/* ---- paced ----------------------------------------------------------------------------------- */

static void run_paced(double rate, unsigned long long count)
{
    char value[512], filler[161];
    memset(filler, 'x', 160);
    filler[160] = 0;
    double start = now_s();
    for (unsigned long long n = 0; n < count; n++) {
        double wait = start + (double)n / rate - now_s();
        if (wait > 0)
            nanosleep(&(struct timespec){.tv_nsec = (long)(wait * 1e9)}, NULL);
        struct timespec ts;
        struct tm tm;
        char when[32];
        clock_gettime(CLOCK_REALTIME, &ts);
        gmtime_r(&ts.tv_sec, &tm);
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
        int len = snprintf(value, sizeof value, "{\"ts\":\"%s.%06ldZ\",\"note\":\"%s\"}", when,
                           ts.tv_nsec / 1000, filler);
        publish("{\"id\":1}", 8, value, (size_t)len, "limit:0/0:0", 11);
        rd_kafka_poll(producer, 0);
    }
    finish();
}

int main(int argc, char **argv)
{
    double began = now_s();
    if (argc >= 8 && strcmp(argv[1], "stream") == 0) {
        open_producer(argv[6], argv[7], argv + 8);
        read_stream(argv + 2);
        finish();
    } else if (argc >= 6 && strcmp(argv[1], "paced") == 0) {
        open_producer(argv[2], argv[3], argv + 6);
        run_paced(atof(argv[4]), strtoull(argv[5], NULL, 10));
    } else {
        fprintf(stderr, "usage: see the head of bench/kafka_publish.c\n");
        return 64;
    }
    printf("%llu %.3f %.3f\n", acknowledged, now_s() - began, own_cpu_s());
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
    return 0;
}
