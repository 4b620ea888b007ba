/* SPDX-License-Identifier: Apache-2.0
 *
 * least_stream.h -- what the least programs that leat is held against share: one thread reads
 * pgoutput and writes the records of leat's JSON, each with its key and its identity.
 *
 * The columns are copied between constant text: no types, no escapes.  It decodes only what the
 * benchmark's table holds, trusts the server, confirms nothing and keeps no state: a limit to be held
 * against, not a way to do it.
 */
#ifndef LEAT_BENCH_LEAST_STREAM_H
#define LEAT_BENCH_LEAST_STREAM_H

#include <libpq-fe.h>

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { VALUE_MOST = 4096, NAP_NS = 100000, DRAINED = 12 * 1024 };

/* What the program does with a record, and once for all that the socket had. */
static void publish(const char *key, size_t key_len, const char *value, size_t len, const char *id,
                    size_t id_len);
static void turn(void);

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static double own_cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

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

/* CONNINFO SLOT PUBLICATION END; returns once all up to END was published. */
static void read_stream(char **words)
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
        turn();
        struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
        if (drained == 0)
            poll(&fd, 1, -1);
        else if (drained < DRAINED)
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        if (len < -1 || !PQconsumeInput(conn))
            die("stream", PQerrorMessage(conn));
    }
    PQfinish(conn);
}

#endif
