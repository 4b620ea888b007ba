/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_publish.c -- what librdkafka itself can do here: the least a program needs to carry a
 * replication stream into a topic as the sink does, and nothing else.
 *
 *     kafka_publish stream CONNINFO SLOT PUBLICATION END BROKERS TOPIC [PROPERTY=VALUE...]
 *     kafka_publish paced BROKERS TOPIC RATE COUNT [PROPERTY=VALUE...]
 *
 * stream: one thread reads pgoutput and writes the records of leat's JSON (the columns are copied
 * between constant text: no types, no escapes), each with its key and its leat-id, idempotent,
 * acks=all; ends when every record up to END is acknowledged.  It decodes only what the benchmark's
 * table holds, trusts the server, confirms nothing and keeps no state: a limit to be held against,
 * not a way to do it.
 * paced: COUNT small records, RATE a second, each with the time in it, flushed at once.
 * Prints one line: records, seconds, CPU seconds of this process.
 */
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { HOLD = 10000, VALUE_MOST = 4096, NAP_NS = 100000, DRAINED = 12 * 1024 };

static rd_kafka_t *producer;
static rd_kafka_topic_t *topic;
static unsigned long long sent, acknowledged;

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "kafka_publish: %s: %s\n", what, why);
    exit(1);
}

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

/* ---- the stream ------------------------------------------------------------------------------ */

static const char *const names[] = {"id", "customer", "code", "note", "price", "at"};
static const char quoted[] = {0, 0, 1, 1, 0, 1};

static uint32_t get32(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3];
}

static uint64_t get64(const char *at)
{
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static struct {
    char prefix[256], id[128];
    int prefix_len, id_len;
    unsigned seq;
} transaction;

static void begin(const char *message, const char *slot)
{
    uint64_t lsn = get64(message + 1);
    int64_t us = (int64_t)get64(message + 9) + INT64_C(946684800000000);
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    char when[32];
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    transaction.prefix_len = snprintf(
        transaction.prefix, sizeof transaction.prefix,
        "{\"op\":\"insert\",\"schema\":\"public\",\"table\":\"t\",\"lsn\":\"%X/%X\","
        "\"xid\":%u,\"ts\":\"%s.%06dZ\",\"seq\":",
        (unsigned)(lsn >> 32), (unsigned)lsn, get32(message + 17), when, (int)(us % 1000000));
    transaction.id_len = snprintf(transaction.id, sizeof transaction.id, "%s:%X/%X:", slot,
                                  (unsigned)(lsn >> 32), (unsigned)lsn);
    transaction.seq = 0;
}

static char *put_number(char *at, unsigned number)
{
    char digits[10], *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    return put(at, first, (size_t)(digits + sizeof digits - first));
}

/* 'I', relation, 'N', count of columns, then each as 't', length, text. */
static void insert(const char *message)
{
    char value[VALUE_MOST], key[64], id[160], *at = value, *key_end = key;
    const char *column = message + 8;
    at = put_number(put(at, transaction.prefix, (size_t)transaction.prefix_len), transaction.seq);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = get32(column + 1);
        if (column[0] != 't' || len > VALUE_MOST / 8)
            die("stream", "not the benchmark's table");
        if (i == 0) {
            key_end = put(put(put(key, "{\"id\":", 6), column + 5, len), "}", 1);
            at = put(at, ",\"key\":", 7);
            at = put(at, key, (size_t)(key_end - key));
            at = put(at, ",\"after\":{\"", 11);
        } else {
            at = put(at, ",\"", 2);
        }
        at = put(put(at, names[i], strlen(names[i])), "\":\"", quoted[i] ? 3 : 2);
        at = put(at, column + 5, len);
        if (quoted[i])
            *at++ = '"';
        column += 5 + len;
    }
    at = put(at, "}}", 2);
    char *id_end = put_number(put(id, transaction.id, (size_t)transaction.id_len), transaction.seq);
    transaction.seq++;
    publish(key, (size_t)(key_end - key), value, (size_t)(at - value), id, (size_t)(id_end - id));
}

static PGconn *begin_stream(const char *conninfo, const char *slot, const char *publication)
{
    char text[512];
    PGconn *conn = PQconnectdb(conninfo);
    snprintf(text, sizeof text,
             "START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '%s')",
             slot, publication);
    PGresult *result = PQstatus(conn) == CONNECTION_OK ? PQexec(conn, text) : NULL;
    if (PQresultStatus(result) != PGRES_COPY_BOTH)
        die("no stream", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

static void run_stream(char **words)
{
    unsigned high, low;
    if (sscanf(words[3], "%X/%X", &high, &low) != 2)
        die(words[3], "no position");
    uint64_t end = (uint64_t)high << 32 | low, seen = 0;
    PGconn *conn = begin_stream(words[0], words[1], words[2]);
    while (seen < end) {
        char *data;
        int len;
        size_t drained = 0;
        while ((len = PQgetCopyData(conn, &data, 1)) > 0) {
            drained += (size_t)len;
            if (data[0] == 'k')
                seen = get64(data + 1);
            else if (data[25] == 'B')
                begin(data + 25, words[1]);
            else if (data[25] == 'I')
                insert(data + 25);
            else if (data[25] == 'C')
                seen = get64(data + 35);
            PQfreemem(data);
        }
        rd_kafka_poll(producer, 0);
        struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
        if (drained == 0)
            poll(&fd, 1, -1);
        else if (drained < DRAINED)
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        if (len < -1 || !PQconsumeInput(conn))
            die("stream", PQerrorMessage(conn));
    }
    while (acknowledged < sent)
        rd_kafka_flush(producer, 1000);
    PQfinish(conn);
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
    while (acknowledged < sent)
        rd_kafka_flush(producer, 1000);
}

int main(int argc, char **argv)
{
    double began = now_s();
    struct rusage used;
    if (argc >= 8 && strcmp(argv[1], "stream") == 0) {
        open_producer(argv[6], argv[7], argv + 8);
        run_stream(argv + 2);
    } else if (argc >= 6 && strcmp(argv[1], "paced") == 0) {
        open_producer(argv[2], argv[3], argv + 6);
        run_paced(atof(argv[4]), strtoull(argv[5], NULL, 10));
    } else {
        fprintf(stderr, "usage: see the head of bench/kafka_publish.c\n");
        return 64;
    }
    getrusage(RUSAGE_SELF, &used);
    printf("%llu %.3f %.3f\n", acknowledged, now_s() - began,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
    return 0;
}
