/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_sink.c -- how fast the file sink takes 250-byte records out of batches of 256 KiB, all of
 * it synced.  bench_file_sink [DIRECTORY [MILLIONS]]
 */
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SIZE = 250, PER_BATCH = 256 * 1024 / SIZE, BATCHES = 4 };

static leat_record records[BATCHES][PER_BATCH];
static char bytes[BATCHES][PER_BATCH * (SIZE + 1)];
static size_t returned;

static void batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    (void)host;
    (void)token;
    if (result->status != LEAT_OK) {
        fprintf(stderr, "failed: %.*s\n", (int)result->text.len, result->text.ptr);
        exit(1);
    }
    returned++;
}

static void no_log(const leat_host *host, int32_t level, const char *message,
                   const leat_field *fields, size_t field_count)
{
    (void)host;
    (void)level;
    (void)message;
    (void)fields;
    (void)field_count;
}

static int64_t now_ns(const leat_host *host)
{
    struct timespec ts;
    (void)host;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Text as leat writes it, with numbers and words that differ. */
static void fill(int b)
{
    char *p = bytes[b];
    for (int i = 0; i < PER_BATCH; i++) {
        int id = b * PER_BATCH + i;
        char line[512];
        unsigned noise = (unsigned)id * 2654435761u;
        snprintf(
            line, sizeof line,
            "{\"op\":\"insert\",\"schema\":\"public\",\"table\":\"orders\",\"lsn\":\"0/15D5C98\","
            "\"xid\":741,\"ts\":\"2026-11-22T10:00:00.123456Z\",\"seq\":%d,\"key\":{\"id\":%d},"
            "\"after\":{\"id\":%d,\"customer\":%u,\"amount\":%u.%02u,\"note\":\"%08x%08x\","
            "\"at\":\"2026-11-22T10:00:%02u.%06u\"}}",
            i, id, id, noise % 100000, noise % 9973, noise % 97, noise, noise * 31, noise % 60,
            noise % 1000000);
        size_t len = strlen(line);
        memset(p, ' ', SIZE);
        memcpy(p, line, len < SIZE ? len : SIZE);
        p[SIZE] = '\n';
        records[b][i] = (leat_record){.op = LEAT_INSERT, .value = {p, SIZE}};
        p += SIZE + 1;
    }
}

static void run(const char *directory, int level, long millions)
{
    const leat_host host = {.size = sizeof host,
                            .wake_fd = -1,
                            .log = no_log,
                            .now_ns = now_ns,
                            .batch_done = batch_done};
    struct file_config config = {.directory = directory,
                                 .rotate_size = 256 << 20,
                                 .compression = level ? COMPRESSION_ZSTD : COMPRESSION_NONE,
                                 .compression_level = level,
                                 .open_files = 64,
                                 .max_routes = 100,
                                 .max_unsynced = 8 << 20,
                                 .retain_count = 1,
                                 .file_mode = "0640"};
    const leat_sink_ops *ops = leat_plugin_v1.ops;
    leat_sink *sink = NULL;
    leat_sink_start start = {.size = sizeof start, .name_space = "bench"};
    leat_error error = {.size = sizeof error};
    if (ops->create(&host, &config, &sink, &error) != LEAT_OK ||
        ops->start(sink, &start, &error) != LEAT_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    uint64_t position = start.last.position;
    long batches = millions * 1000000 / PER_BATCH;
    double began = seconds(), cpu = cpu_seconds();
    for (long n = 0; n < batches; n++) {
        leat_record *of = records[n % BATCHES];
        position++;
        for (int i = 0; i < PER_BATCH; i++)
            of[i].identity = (leat_identity){position, i};
        leat_batch batch = {.size = sizeof batch,
                            .record_count = PER_BATCH,
                            .record_stride = sizeof *of,
                            .token = (uint64_t)n + 1,
                            .records = of};
        while (ops->submit(sink, &batch) == LEAT_AGAIN)
            (void)ops->poll(sink, 0, &error);
        if (n % BATCHES == BATCHES - 1) /* a worker that has found four waiting */
            (void)ops->poll(sink, 0, &error);
    }
    (void)ops->poll(sink, 0, &error);
    double wall = seconds() - began, used = cpu_seconds() - cpu;
    double rows = (double)batches * PER_BATCH;
    printf("%-8s %10.0f rows/s  %6.3f CPU s a million rows  %7.1f MB/s\n",
           level == 0   ? "none"
           : level == 1 ? "zstd 1"
                        : "zstd 3",
           rows / wall, used / rows * 1e6, rows * (SIZE + 1) / wall / 1e6);
    (void)ops->stop(sink, 1000);
    ops->destroy(sink);
}

int main(int argc, char **argv)
{
    const char *base = argc > 1 ? argv[1] : "/tmp";
    long millions = argc > 2 ? strtol(argv[2], NULL, 10) : 4;
    static const int levels[] = {0, 1, 3};
    for (int b = 0; b < BATCHES; b++)
        fill(b);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        char directory[512];
        snprintf(directory, sizeof directory, "%s/leat-bench-%d", base, levels[i]);
        run(directory, levels[i], millions);
    }
    return 0;
}
