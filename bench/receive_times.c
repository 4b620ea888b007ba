/* SPDX-License-Identifier: Apache-2.0
 *
 * receive_times.c -- the floor of every latency: how old a commit is when the least program that
 * reads a replication slot has the whole of it.  It decodes nothing and hands nothing on.
 *
 *     receive_times CONNINFO SLOT PUBLICATION
 *
 * Reads until SIGTERM, then prints one age in microseconds a line.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AGES = 8 << 20, HEADER = 25, TOLD_US = 1000000 };
static const int64_t EPOCH_US = INT64_C(946684800) * 1000000; /* PostgreSQL's, 2000-01-01 */

static volatile sig_atomic_t stopping;
static int32_t ages[AGES];
static size_t count;

static void stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 - EPOCH_US;
}

static uint64_t get64(const char *p)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

static void put64(char *p, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        p[i] = (char)(n >> (56 - 8 * i));
}

static void tell(PGconn *conn, uint64_t flushed)
{
    char status[34] = {'r'};
    for (int i = 0; i < 3; i++)
        put64(status + 1 + 8 * i, flushed);
    put64(status + 25, (uint64_t)now_us());
    if (PQputCopyData(conn, status, sizeof status) != 1 || PQflush(conn) < 0)
        stopping = 1;
}

/* Takes what is there; false: the stream ended. */
static bool take(PGconn *conn, uint64_t *flushed)
{
    char *data;
    int len;
    while ((len = PQgetCopyData(conn, &data, 1)) > 0) {
        if (data[0] == 'w' && len >= HEADER + 26 && data[HEADER] == 'C') {
            *flushed = get64(data + HEADER + 10);
            if (count < AGES)
                ages[count++] = (int32_t)(now_us() - (int64_t)get64(data + HEADER + 18));
        }
        PQfreemem(data);
    }
    return len == 0;
}

int main(int argc, char **argv)
{
    char command[400];
    if (argc != 4)
        return 64;
    signal(SIGTERM, stop);
    PGconn *conn = PQconnectdb(argv[1]);
    snprintf(
        command, sizeof command,
        "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (proto_version '1', publication_names '%s')",
        argv[2], argv[3]);
    PGresult *result = PQexec(conn, command);
    if (PQresultStatus(result) != PGRES_COPY_BOTH) {
        fprintf(stderr, "%s", PQerrorMessage(conn));
        return 1;
    }
    PQclear(result);
    uint64_t flushed = 0;
    int64_t told = now_us();
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
    while (!stopping) {
        (void)poll(&fd, 1, 100);
        if (PQconsumeInput(conn) != 1 || !take(conn, &flushed))
            break;
        if (now_us() - told > TOLD_US) {
            tell(conn, flushed);
            told = now_us();
        }
    }
    for (size_t i = 0; i < count; i++)
        printf("%d\n", ages[i]);
    PQfinish(conn);
    return 0;
}
