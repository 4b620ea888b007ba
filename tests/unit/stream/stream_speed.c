/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_speed.c -- how fast the source reads a slot, with a host that only counts.
 * Usage: stream_speed DSN SLOT PUBLICATION ROWS; the slot is read up to so many inserts and is left
 * where it was, so that several readers can be compared on the same WAL.
 */
#include "stream_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "usage: stream_speed DSN SLOT PUBLICATION ROWS\n");
        return 64;
    }
    const char *publications[] = {argv[3]};
    const struct pgoutput_options options = {
        .dsn = argv[1],
        .slot = argv[2],
        .publication = {publications, 1},
        .status_interval_ms = 10000,
        .connect_timeout_ms = 10000,
        .reconnect_max_ms = 1000,
        .types_max = 1000,
        .relations_max = 1000,
    };
    unsigned long long rows = strtoull(argv[4], NULL, 10);
    static struct stream_host host;
    stream_host_init(&host);
    host.forget = true;
    host.busy = getenv("STREAM_BUSY") != NULL;
    stream_host_run(&host, &options, NULL);
    double begun = 0;
    struct rusage used;
    while (host.inserts < rows) {
        if (stream_host_step(&host, 1000)) {
            (void)fprintf(stderr, "%s\n%s\n", host.error.text, host.log);
            return 1;
        }
        if (begun == 0 && host.begins)
            begun = now_s();
    }
    double took = now_s() - begun;
    (void)getrusage(RUSAGE_SELF, &used);
    double cpu = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
                 (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6;
    (void)printf("%llu rows in %.2f s: %.0f rows/s, cpu %.2f s, %llu batches\n",
                 (unsigned long long)host.inserts, took, (double)host.inserts / took, cpu,
                 (unsigned long long)host.batches);
    stream_host_stop(&host);
    stream_host_fini(&host);
    return 0;
}
