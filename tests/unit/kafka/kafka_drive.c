/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_drive.c -- the Kafka sink with a small host of its own, as a program: for tests that kill
 * it and for measuring.  One thread, the worker.  Never used by the daemon.
 *
 *     kafka_drive brokers=HOST:PORT topic=T first=1 count=1000000 [size=200] [batch=1000]
 *                 [transactional=ID] [create=PARTITIONS] [compression=lz4] [linger=1] [rate=N]
 *                 [name=SLOT] [property=NAME:VALUE]
 *
 * Record n has position n, key {"id": n % 1000} and a value of `size` bytes.  Prints "start", then
 * "durable N" as the line moves, "restart REASON", and at the end "done" with figures.
 */
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { POOL = 48, TEXT = 64 };

struct drive_batch {
    leat_batch batch;
    uint64_t first;
    uint32_t count;
    leat_record *records;
    char (*keys)[TEXT], (*ids)[TEXT];
    bool out;
};

static struct {
    struct kafka_options options;
    const char *broker, *topic, *name;
    uint64_t first, count, size, per_batch, rate;
    struct drive_batch pool[POOL];
    uint64_t next, durable, token; /* next to lend; all below `durable` are */
    bool stopped;
    char *value;
    char reason[512];
    uint64_t latency_us[200000];
    size_t latencies;
} drive;

static int64_t now_ns(const leat_host *host)
{
    struct timespec ts;
    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void on_log(const leat_host *host, int32_t level, const char *message,
                   const leat_field *fields, size_t count)
{
    (void)host;
    if (level > LEAT_LOG_INFO)
        return;
    fprintf(stderr, "%s", message);
    for (size_t i = 0; i < count; i++)
        if (fields[i].kind == LEAT_FIELD_STRING)
            fprintf(stderr, " %s=%s", fields[i].name, fields[i].string);
        else
            fprintf(stderr, " %s=%lld", fields[i].name, (long long)fields[i].number);
    fputc('\n', stderr);
}

static int64_t lent_ns[POOL];

static void on_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    struct drive_batch *batch = &drive.pool[token % POOL];
    if (!batch->out || batch->batch.token != token) {
        fprintf(stderr, "given back without being lent\n");
        exit(70);
    }
    batch->out = false;
    uint32_t durable = result->status == LEAT_OK ? batch->count : result->durable_count;
    if (durable && batch->first == drive.durable)
        drive.durable = batch->first + durable;
    else if (durable && !drive.stopped) {
        fprintf(stderr, "out of order\n");
        exit(70);
    }
    if (result->status == LEAT_OK) {
        if (drive.latencies < sizeof drive.latency_us / sizeof drive.latency_us[0])
            drive.latency_us[drive.latencies++] =
                (uint64_t)(now_ns(host) - lent_ns[token % POOL]) / 1000;
        return;
    }
    drive.stopped = true;
    snprintf(drive.reason, sizeof drive.reason, "%.*s", (int)result->text.len, result->text.ptr);
}

static leat_host host = {.size = sizeof host,
                         .abi_major = LEAT_ABI_MAJOR,
                         .pipeline = "drive",
                         .instance = "kafka",
                         .wake_fd = -1,
                         .log = on_log,
                         .now_ns = now_ns,
                         .batch_done = on_done};

static void make_pool(void)
{
    drive.value = malloc(drive.size + 1);
    memset(drive.value, 'v', drive.size);
    for (size_t i = 0; i < drive.size; i++) /* so that it compresses as rows do */
        drive.value[i] = "{\"op\":\"insert\",\"schema\":\"public\",\"a7f\":"[(i * 7 + i / 9) % 40];
    for (size_t i = 0; i < POOL; i++) {
        struct drive_batch *batch = &drive.pool[i];
        batch->records = calloc(drive.per_batch, sizeof *batch->records);
        batch->keys = calloc(drive.per_batch, sizeof *batch->keys);
        batch->ids = calloc(drive.per_batch, sizeof *batch->ids);
    }
}

static void fill(struct drive_batch *batch, uint64_t first, uint32_t count)
{
    batch->first = first;
    batch->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t n = first + i;
        leat_record *record = &batch->records[i];
        int key = snprintf(batch->keys[i], TEXT, "{\"id\":%u}", (unsigned)(n % 1000));
        int id = snprintf(batch->ids[i], TEXT, "%s:%X/%X:0", drive.name, (unsigned)(n >> 32),
                          (unsigned)n);
        *record = (leat_record){.identity = {n, 0}, .op = LEAT_INSERT};
        record->route = (leat_bytes){drive.topic, strlen(drive.topic)};
        record->value = (leat_bytes){drive.value, drive.size};
        record->key = (leat_bytes){batch->keys[i], (size_t)key};
        record->id = (leat_bytes){batch->ids[i], (size_t)id};
    }
    batch->batch = (leat_batch){.size = sizeof batch->batch,
                                .record_count = count,
                                .record_stride = sizeof(leat_record),
                                .records = batch->records};
}

static void start(leat_sink *sink)
{
    leat_sink_start begun;
    leat_error error;
    leat_status status;
    for (;;) {
        client_error_init(&error);
        begun = (leat_sink_start){.size = sizeof begun, .name_space = drive.name};
        while ((status = kafka_sink_ops.start(sink, &begun, &error)) == LEAT_AGAIN)
            (void)kafka_sink_ops.poll(sink, 0, &error);
        if (status != LEAT_ERETRY)
            break;
        printf("retry %s\n", error.text);
        fflush(stdout);
        (void)kafka_sink_ops.stop(sink, 0);
        (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* the core's back-off */
    }
    if (status != LEAT_OK) {
        printf("end %s\n", error.text);
        exit(error.exit_code ? error.exit_code : 1);
    }
    for (size_t i = 0; i < POOL; i++)
        drive.pool[i].out = false;
    drive.stopped = false;
    if (begun.holds == LEAT_HOLDS_LAST && begun.last.position >= drive.durable)
        drive.durable = begun.last.position + 1;
    drive.next = drive.durable;
    printf("start holds=%u last=%llu\n", begun.holds, (unsigned long long)begun.last.position);
    fflush(stdout);
}

static bool offer(leat_sink *sink, int64_t began_ns)
{
    uint64_t end = drive.first + drive.count;
    if (drive.rate) { /* no more than what is due by now */
        uint64_t due = (uint64_t)((now_ns(NULL) - began_ns) / 1000) * drive.rate / 1000000;
        if (drive.first + due < end)
            end = drive.first + due;
    }
    if (drive.stopped || drive.next >= end)
        return false;
    struct drive_batch *batch = &drive.pool[(drive.token + 1) % POOL];
    if (batch->out)
        return false;
    uint64_t left = end - drive.next;
    fill(batch, drive.next, (uint32_t)(left < drive.per_batch ? left : drive.per_batch));
    batch->batch.token = drive.token + 1;
    batch->out = true;
    lent_ns[(drive.token + 1) % POOL] = now_ns(NULL);
    if (kafka_sink_ops.submit(sink, &batch->batch) != LEAT_OK) {
        batch->out = false;
        return false;
    }
    drive.token++;
    drive.next += batch->count;
    return true;
}

static bool any_out(void)
{
    for (size_t i = 0; i < POOL; i++)
        if (drive.pool[i].out)
            return true;
    return false;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void run(leat_sink *sink)
{
    leat_error error;
    client_error_init(&error);
    int64_t began_ns = now_ns(NULL), told_ns = began_ns;
    while (drive.durable < drive.first + drive.count) {
        bool lent = false;
        while (offer(sink, began_ns))
            lent = true;
        int32_t wait = drive.stopped || lent ? 0 : drive.rate ? 1 : 20;
        leat_status status = kafka_sink_ops.poll(sink, wait, &error);
        if (status != LEAT_OK || (drive.stopped && !any_out())) {
            printf("restart %s\n", drive.reason[0] ? drive.reason : error.text);
            drive.reason[0] = 0;
            if (status != LEAT_OK && status != LEAT_ERETRY)
                exit(1);
            if (status != LEAT_OK)
                (void)kafka_sink_ops.stop(sink, 0);
            if (status != LEAT_OK)
                start(sink);
            drive.stopped = false;
            drive.next = drive.durable;
        }
        if (now_ns(NULL) - told_ns > 20000000) {
            told_ns = now_ns(NULL);
            printf("durable %llu\n", (unsigned long long)drive.durable - 1);
            fflush(stdout);
        }
    }
    double seconds = (double)(now_ns(NULL) - began_ns) / 1e9;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    qsort(drive.latency_us, drive.latencies, sizeof drive.latency_us[0], by_number);
    uint64_t p50 = drive.latencies ? drive.latency_us[drive.latencies / 2] : 0;
    uint64_t p99 = drive.latencies ? drive.latency_us[drive.latencies * 99 / 100] : 0;
    printf("durable %llu\n", (unsigned long long)drive.durable - 1);
    printf("done records=%llu seconds=%.3f rate=%.0f cpu_per_million=%.3f rss_kb=%ld p50_us=%llu "
           "p99_us=%llu\n",
           (unsigned long long)drive.count, seconds, (double)drive.count / seconds,
           cpu / (double)drive.count * 1e6, usage.ru_maxrss, (unsigned long long)p50,
           (unsigned long long)p99);
}

static const char *argument(int argc, char **argv, const char *name, const char *fallback)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
            return argv[i] + len + 1;
    return fallback;
}

static uint64_t number(int argc, char **argv, const char *name, const char *fallback)
{
    return strtoull(argument(argc, argv, name, fallback), NULL, 10);
}

static void set_options(int argc, char **argv)
{
    static leat_pair property;
    static char property_name[128];
    struct kafka_options *options = &drive.options;
    *options = (struct kafka_options){.brokers = {&drive.broker, 1},
                                      .connect_timeout_ms = 10000,
                                      .stall_check_ms = 5000,
                                      .max_message = 1000000,
                                      .replication_factor = 1,
                                      .scan_records = 1000000,
                                      .settle_ms = 300,
                                      .position_topic = "leat-positions",
                                      .transaction_timeout_ms = 60000};
    options->linger_ms = (int64_t)number(argc, argv, "linger", "0");
    options->window_records = (int64_t)number(argc, argv, "window", "4096");
    options->window_size = (int64_t)number(argc, argv, "window_size", "4194304");
    options->transaction_records = (int64_t)number(argc, argv, "transaction", "20000");
    options->transactional_id = argument(argc, argv, "transactional", NULL);
    options->partitions = (int64_t)number(argc, argv, "create", "0");
    options->create_topics = options->partitions > 0;
    const char *compression = argument(argc, argv, "compression", "lz4");
    while (kafka_compressions[options->compression] &&
           strcmp(kafka_compressions[options->compression], compression) != 0)
        options->compression++;
    const char *text = argument(argc, argv, "property", NULL),
               *colon = text ? strchr(text, ':') : NULL;
    if (colon) {
        snprintf(property_name, sizeof property_name, "%.*s", (int)(colon - text), text);
        property = (leat_pair){property_name, colon + 1};
        options->properties = (leat_pairs){&property, 1};
    }
    const char *user = argument(argc, argv, "user", NULL);
    if (user) {
        options->sasl_mechanism = (int64_t)number(argc, argv, "mechanism", "1");
        options->sasl_username = user;
        options->sasl_password = argument(argc, argv, "password", "");
    }
    options->tls_ca = argument(argc, argv, "ca", NULL);
    options->tls_certificate = argument(argc, argv, "certificate", NULL);
    options->tls_key = argument(argc, argv, "key", NULL);
    options->tls = options->tls_ca != NULL;
}

int main(int argc, char **argv)
{
    drive.broker = argument(argc, argv, "brokers", "127.0.0.1:9092");
    drive.topic = argument(argc, argv, "topic", "t");
    drive.name = argument(argc, argv, "name", "slot");
    drive.first = drive.durable = number(argc, argv, "first", "1");
    drive.count = number(argc, argv, "count", "1000");
    drive.size = number(argc, argv, "size", "200");
    drive.per_batch = number(argc, argv, "batch", "1000");
    drive.rate = number(argc, argv, "rate", "0");
    set_options(argc, argv);
    make_pool();
    leat_error error;
    client_error_init(&error);
    leat_sink *sink = NULL;
    if (kafka_sink_ops.create(&host, &drive.options, &sink, &error) != LEAT_OK) {
        printf("end %s\n", error.text);
        return 78;
    }
    start(sink);
    run(sink);
    (void)kafka_sink_ops.stop(sink, 5000);
    kafka_sink_ops.destroy(sink);
    for (size_t i = 0; i < POOL; i++) {
        free(drive.pool[i].records);
        free(drive.pool[i].keys);
        free(drive.pool[i].ids);
    }
    free(drive.value);
    return 0;
}
