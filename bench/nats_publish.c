/* SPDX-License-Identifier: Apache-2.0
 *
 * nats_publish.c -- how fast the NATS sink alone delivers, beside nats.c doing the same: one
 * publisher, every acknowledgement awaited, a stream of its own on a server that is started for it.
 *
 *     nats_publish SERVER MODE [RECORDS] [BYTES]
 *
 * MODE: msg_id, sequence, pack (50 records a message), atomic, atomic_sequence; library_plain,
 * library_msg_id, library_sequence: nats.c 3.4.1 with an inbox of our own and the same window.
 * Prints one line: mode, records a second, CPU microseconds a record of this process, and of the
 * server.
 */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 500, LENT = 8 };

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static double own_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static double server_cpu_s(const struct bus *bus)
{
    char path[64];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)bus->pid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                       &system) != 2)
        user = 0;
    if (file)
        fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the sink -------------------------------------------------------------------------------- */

struct ring { /* a host that only counts: batches are reused, so nothing but the sink is measured */
    leat_host host;
    uint64_t done;
};

static void batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    struct ring *ring = (struct ring *)(uintptr_t)host;
    (void)token;
    if (result->status != LEAT_OK) {
        fprintf(stderr, "%.*s\n", (int)result->text.len, result->text.ptr);
        exit(1);
    }
    ring->done++;
}

static void ignore_log(const leat_host *host, int32_t level, const char *message,
                       const leat_field *fields, size_t count)
{
    (void)host, (void)level, (void)message, (void)fields, (void)count;
}

static int64_t host_now(const leat_host *host)
{
    (void)host;
    return (int64_t)(now_s() * 1e9);
}

struct batch_room {
    leat_batch batch;
    leat_record records[BATCH];
    char ids[BATCH][48];
};

static void fill(struct batch_room *room, uint64_t from, char *value, size_t bytes)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t n = from + i, position = 1 + n / 100;
        int len = snprintf(room->ids[i], sizeof room->ids[i], "leat_shop:%X/%X:%d",
                           (unsigned)(position >> 32), (unsigned)position, (int)(n % 100));
        room->records[i] = (leat_record){.identity = {position, (int64_t)(n % 100)},
                                         .op = LEAT_INSERT,
                                         .flags = n % 100 == 99 ? LEAT_CHANGE_TX_LAST : 0,
                                         .route = {"S.public.orders", 15},
                                         .value = {value, bytes},
                                         .id = {room->ids[i], (size_t)len}};
    }
    room->batch = (leat_batch){.size = sizeof room->batch,
                               .record_count = BATCH,
                               .record_stride = sizeof(leat_record),
                               .token = from + 1,
                               .records = room->records};
}

static void run_sink(struct bus *bus, const char *mode, uint64_t records, char *value, size_t bytes)
{
    struct rig rig;
    struct ring ring = {.host = {.size = sizeof(leat_host),
                                 .pipeline = "bench",
                                 .instance = "nats",
                                 .wake_fd = -1,
                                 .log = ignore_log,
                                 .now_ns = host_now,
                                 .batch_done = batch_done}};
    struct batch_room *rooms = calloc(LENT, sizeof *rooms);
    leat_sink_start start = {.size = sizeof start, .name_space = "leat_shop", .format = "json"};
    leat_error error = {.size = sizeof error};
    rig_init(&rig, bus);
    rig.options.dedupe = strstr(mode, "sequence") ? DEDUPE_SEQUENCE : DEDUPE_MSG_ID;
    rig.options.publish = strncmp(mode, "atomic", 6) == 0 ? PUBLISH_ATOMIC : PUBLISH_SINGLE;
    rig.options.pack_records = strcmp(mode, "pack") == 0 ? 50 : 1;
    if (getenv("WINDOW"))
        rig.options.window = atoi(getenv("WINDOW"));
    leat_status status = rig.ops->create(&ring.host, &rig.options, &rig.sink, &error);
    while (!status && (status = rig.ops->start(rig.sink, &start, &error)) == LEAT_AGAIN)
        ;
    uint64_t offered = 0;
    while (!status && ring.done * BATCH < records) {
        while (offered * BATCH < records && offered - ring.done < LENT) {
            fill(&rooms[offered % LENT], offered * BATCH, value, bytes);
            if (rig.ops->submit(rig.sink, &rooms[offered % LENT].batch))
                break;
            offered++;
        }
        status = rig.ops->poll(rig.sink, 1000, &error);
    }
    if (status) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    rig.ops->stop(rig.sink, 0);
    rig.ops->destroy(rig.sink);
    free(rooms);
}

/* ---- nats.c ---------------------------------------------------------------------------------- */

static _Atomic uint64_t acked;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;

static void on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)nc, (void)sub, (void)closure;
    natsMsg_Destroy(msg);
    if (atomic_fetch_add(&acked, 1) % 256 == 255) {
        pthread_mutex_lock(&mutex);
        pthread_cond_signal(&moved);
        pthread_mutex_unlock(&mutex);
    }
}

static void run_library(struct bus *bus, const char *mode, uint64_t records, char *value,
                        size_t bytes)
{
    natsConnection *nc = NULL;
    natsSubscription *sub = NULL;
    char reply[64], id[64];
    uint64_t window = 2048;
    natsConnection_ConnectTo(&nc, bus->url);
    natsConnection_Subscribe(&sub, nc, "_INBOX.bench.*", on_ack, NULL);
    natsSubscription_SetPendingLimits(sub, -1, -1);
    for (uint64_t n = 0; n < records; n++) {
        pthread_mutex_lock(&mutex);
        while (n - atomic_load(&acked) >= window)
            pthread_cond_wait(&moved, &mutex);
        pthread_mutex_unlock(&mutex);
        snprintf(reply, sizeof reply, "_INBOX.bench.%llu", (unsigned long long)n);
        if (strcmp(mode, "library_plain") == 0) {
            natsConnection_PublishRequest(nc, "S.public.orders", reply, value, (int)bytes);
            continue;
        }
        natsMsg *msg = NULL;
        natsMsg_Create(&msg, "S.public.orders", reply, value, (int)bytes);
        if (strcmp(mode, "library_sequence") == 0) {
            snprintf(id, sizeof id, "%llu", (unsigned long long)n);
            natsMsgHeader_Set(msg, "Nats-Expected-Last-Sequence", id);
        } else {
            snprintf(id, sizeof id, "leat_shop:%X/%X:%d", 0, (unsigned)(1 + n / 100),
                     (int)(n % 100));
            natsMsgHeader_Set(msg, "Nats-Msg-Id", id);
        }
        natsConnection_PublishMsg(nc, msg);
        natsMsg_Destroy(msg);
    }
    while (atomic_load(&acked) < records)
        natsConnection_FlushTimeout(nc, 1000);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(nc);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: nats_publish SERVER MODE [RECORDS] [BYTES]\n");
        return 64;
    }
    uint64_t records = argc > 3 ? strtoull(argv[3], NULL, 10) : 500000;
    size_t bytes = argc > 4 ? strtoull(argv[4], NULL, 10) : 256;
    char *value = malloc(bytes + 1);
    struct bus bus;
    records -= records % BATCH;
    memset(value, 'x', bytes);
    nats_Open(-1);
    bus_start(&bus, argv[1], NULL);
    bus_stream(&bus, "S", strncmp(argv[2], "atomic", 6) == 0 ? "\"allow_atomic\":true" : NULL);
    double wall = now_s(), own = own_cpu_s(), server = server_cpu_s(&bus);
    if (strncmp(argv[2], "library", 7) == 0)
        run_library(&bus, argv[2], records, value, bytes);
    else
        run_sink(&bus, argv[2], records, value, bytes);
    wall = now_s() - wall;
    own = own_cpu_s() - own;
    server = server_cpu_s(&bus) - server;
    printf("%-17s %9.0f records/s  client %5.2f us  server %5.2f us\n", argv[2],
           (double)records / wall, own * 1e6 / (double)records, server * 1e6 / (double)records);
    bus_stop(&bus);
    free(value);
    nats_CloseAndWait(1000);
    return 0;
}
