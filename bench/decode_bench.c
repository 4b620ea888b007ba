/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_bench.c -- nanoseconds a message in the pgoutput decoder alone.
 *
 *   ninja -C build/release decode_bench && build/release/bench/decode_bench [MILLIONS [WORD]]
 *
 * CPU time, the best of ROUNDS, so that a busy machine does not show.  The host is the least that
 * can be: two slabs in turns, so the memory is as warm as a pool that keeps up.  Each line is one
 * kind of message; transactions of 1,000 rows.
 */
#include "decoder.h"
#include "wire.h"

#include <stdio.h>
#include <time.h>

#define SLAB (1u << 20)
#define ROUNDS 5

struct bench_host {
    leat_host host;
    leat_writer writer;
    unsigned char *slabs[2];
    uint64_t serial;
    struct decoder *decoder;
};

static leat_status batch_open(const leat_host *host, leat_writer **out)
{
    struct bench_host *bench = (struct bench_host *)(uintptr_t)host;
    unsigned char *slab = bench->slabs[bench->serial & 1];
    uint64_t safe = bench->writer.safe_position;
    bench->writer = (leat_writer){.size = sizeof(leat_writer),
                                  .change_size = sizeof(leat_change),
                                  .serial = ++bench->serial,
                                  .arena = {slab, slab + SLAB},
                                  .safe_position = safe};
    *out = &bench->writer;
    return LEAT_OK;
}

static leat_status batch_reserve(const leat_host *host, leat_writer *writer, size_t size,
                                 leat_error *error)
{
    (void)host;
    (void)writer;
    (void)size;
    (void)error;
    return LEAT_AGAIN;
}

static void batch_publish(const leat_host *host, leat_writer *writer)
{
    (void)host;
    (void)writer;
}

static int64_t now_ns(const leat_host *host)
{
    struct timespec t;
    (void)host;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void idle_position(const leat_host *host, uint64_t position)
{
    (void)host;
    (void)position;
}

static leat_status no_type(void *context, uint32_t oid, struct type_info *out, leat_error *error)
{
    (void)context;
    (void)oid;
    (void)error;
    *out = (struct type_info){TYPE_GONE, 0, ',', NULL, 0};
    return LEAT_OK;
}

static leat_status no_relation(void *context, uint32_t oid, struct relation_info *out,
                               leat_error *error)
{
    static const char names[1][64] = {"id"};
    (void)context;
    (void)oid;
    (void)error;
    *out = (struct relation_info){names, 1, false};
    return LEAT_OK;
}

static void feed(struct bench_host *bench, const struct wire *wire)
{
    static leat_error error = {.size = sizeof(error)};
    leat_status status = decoder_feed(bench->decoder, wire->bytes, wire->len, &error);
    if (status == LEAT_AGAIN)
        status = decoder_feed(bench->decoder, wire->bytes, wire->len, &error);
    if (status != LEAT_OK) {
        fprintf(stderr, "status %d: %s\n", status, error.text);
        exit(1);
    }
}

struct shape {
    const char *name, *columns;
    char identity, type, old;
    uint32_t count;
    const char *values[64];
};

static const struct shape shapes[] = {
    {"insert, 6 columns",
     "+id:20 customer:23 note:25 total:1700 at:1184 paid:16",
     'd',
     'I',
     0,
     6,
     {"1234567", "4711",
      "some text of a usual length that says what was ordered, by whom and where it should go to, "
      "so that "
      "the whole message comes near to two hundred and fifty bytes, which is what a row is like on "
      "the wire",
      "1234.50", "2026-11-22 10:00:00.123456+00", "t"}},
    {"update, FULL, 6 columns",
     "+id:20 +customer:23 +note:25 +total:1700 +at:1184 +paid:16",
     'f',
     'U',
     'O',
     6,
     {"1234567", "4711",
      "some text of a usual length that says what was ordered, by whom and where it should go to, "
      "so that "
      "the whole message comes near to two hundred and fifty bytes, which is what a row is like on "
      "the wire",
      "1234.50", "2026-11-22 10:00:00.123456+00", "t"}},
    {"insert, uuid, dates, bytea",
     "+id:2950 a:1082 b:1114 c:1184 d:17",
     'd',
     'I',
     0,
     5,
     {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "2026-11-22", "2026-11-22 10:00:00.123456",
      "2026-11-22 10:00:00.123456+00",
      "\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}},
    {"insert, jsonb of 200 bytes",
     "+id:23 j:3802",
     'd',
     'I',
     0,
     2,
     {"1", "{\"id\": 12345, \"name\": \"a name of some length\", \"tags\": [\"one\", \"two\", "
           "\"three\"], \"price\": 12.50, "
           "\"nested\": {\"a\": true, \"b\": null, \"text\": \"and here some more text to read\"}, "
           "\"last\": \"value of it\"}"}},
    {"insert, text[] and int[]",
     "+id:23 t:1009 i:1007",
     'd',
     'I',
     0,
     3,
     {"1", "{one,two,three,\"four and more\",five,six,seven}", "{1,2,3,4,5,6,7,8,9,10}"}},
};

static double run(struct bench_host *bench, const struct shape *shape, uint64_t *lsn, long rows,
                  size_t *bytes)
{
    struct wire relation = {0}, row = {0};
    int64_t from, to;
    wire_relation(&relation, 7, "public", "orders", shape->identity, shape->columns);
    wire_row(&row, shape->type, 7);
    if (shape->old)
        wire_tuple(&row, shape->old, shape->count, shape->values);
    wire_tuple(&row, 'N', shape->count, shape->values);
    feed(bench, &relation);
    from = now_ns(NULL);
    for (long i = 0; i < rows; i += 1000) {
        struct wire begin = {0}, commit = {0};
        wire_begin(&begin, *lsn, 1);
        wire_commit(&commit, *lsn, *lsn + 0x30);
        *lsn += 0x100;
        feed(bench, &begin);
        for (int n = 0; n < 1000; n++)
            feed(bench, &row);
        feed(bench, &commit);
        free(begin.bytes);
        free(commit.bytes);
    }
    to = now_ns(NULL);
    *bytes = row.len;
    free(relation.bytes);
    free(row.bytes);
    return (double)(to - from) / (double)rows;
}

int main(int argc, char **argv)
{
    struct bench_host bench = {0};
    struct decoder_options options = {.types_max = 16, .relations_max = 16};
    struct decoder_catalog catalog = {NULL, no_type, no_relation};
    long rows = (argc > 1 ? atol(argv[1]) : 2) * 1000000;
    uint64_t lsn = 0x1000;
    bench.host = (leat_host){.size = sizeof(leat_host),
                             .now_ns = now_ns,
                             .batch_open = batch_open,
                             .batch_reserve = batch_reserve,
                             .batch_publish = batch_publish,
                             .idle_position = idle_position};
    bench.slabs[0] = malloc(SLAB);
    bench.slabs[1] = malloc(SLAB);
    bench.decoder = decoder_create(&bench.host, &options, &catalog);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        double best = 1e12;
        size_t bytes = 0;
        if (argc > 2 && !strstr(shapes[i].name, argv[2]))
            continue;
        for (int round = 0; round < ROUNDS; round++) {
            double ns = run(&bench, &shapes[i], &lsn, rows / ROUNDS, &bytes);
            best = ns < best ? ns : best;
        }
        printf("%-30s %4zu bytes %7.1f ns a message\n", shapes[i].name, bytes, best);
    }
    decoder_destroy(bench.decoder);
    free(bench.slabs[0]);
    free(bench.slabs[1]);
    return 0;
}
