/* SPDX-License-Identifier: Apache-2.0
 *
 * real.c -- see real.h.
 */
#include "real.h"
#include "wal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pg_server real_server;
char real_dsn[256];
const char *real_publications[] = {"pub"};
struct pgoutput_options real_options;

int64_t real_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void real_defaults(const char *slot)
{
    real_options = (struct pgoutput_options){
        .dsn = real_dsn,
        .slot = slot,
        .publication = {real_publications, 1},
        .create_slot = true,
        .status_interval_ms = 10000,
        .connect_timeout_ms = 5000,
        .reconnect_max_ms = 400,
        .release_after_ms = 60000,
        .types_max = 1000,
        .relations_max = 1000,
    };
    real_publications[0] = "pub";
}

void real_sql(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_true(pg_server_sql(&real_server, "shop", text));
}

void real_expect_failure(struct stream_host *host, leat_status status, int exit_code,
                         const char *words)
{
    int64_t until = real_now_ms() + 30000;
    while (stream_host_step(host, 20) == LEAT_OK)
        if (real_now_ms() > until)
            fail_msg("did not fail: %s", host->log);
    if (host->status != status || host->error.exit_code != exit_code ||
        !strstr(host->error.text, words))
        fail_msg("status %d, exit code %d: %s", host->status, host->error.exit_code,
                 host->error.text);
}

struct stream_host *real_fresh(void)
{
    struct stream_host *host = calloc(1, sizeof *host);
    assert_non_null(host);
    stream_host_init(host);
    return host;
}

void real_done(struct stream_host *host)
{
    if (host->source)
        stream_host_stop(host);
    stream_host_fini(host);
    free(host);
}

leat_source_start real_recorded(const struct stream_host *host, leat_pair pairs[4])
{
    for (size_t i = 0; i < 4; i++)
        pairs[i] = (leat_pair){host->facts[i][0], host->facts[i][1]};
    return (leat_source_start){.size = sizeof(leat_source_start),
                               .fact_count = 4,
                               .facts = pairs,
                               .position = host->durable};
}

struct stream_host *real_streaming(const char *slot)
{
    struct stream_host *host = real_fresh();
    real_defaults(slot);
    stream_host_run(host, &real_options, NULL);
    UNTIL(host, host->begins == 1);
    return host;
}

/* A walsender outlives its connection by a moment. */
void real_drop_slots(void)
{
    int64_t until_ms = real_now_ms() + 30000;
    while (strcmp(pg_server_value(&real_server, "shop",
                                  "SELECT count(*) FROM pg_replication_slots WHERE active"),
                  "0") != 0)
        if (real_now_ms() > until_ms)
            fail_msg("a slot is still active");
    real_sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
}

uint64_t real_confirmed(const char *slot)
{
    char text[256];
    uint64_t lsn = 0;
    (void)snprintf(text, sizeof text,
                   "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '%s'",
                   slot);
    (void)wal_parse(pg_server_value(&real_server, "shop", text), &lsn);
    return lsn;
}

int real_set_up(void **state)
{
    (void)state;
    if (!pg_server_create(&real_server, "wal_sender_timeout=2s"))
        return -1;
    (void)snprintf(real_dsn, sizeof real_dsn, "host=%s dbname=shop user=postgres",
                   real_server.directory);
    bool ok = pg_server_sql(&real_server, "postgres", "CREATE DATABASE shop");
    ok = ok &&
         pg_server_sql(&real_server, "shop",
                       "CREATE TABLE t(a int PRIMARY KEY, b text);"
                       "CREATE TABLE nokey(a int);"
                       "CREATE TYPE mood AS ENUM ('sad', 'ok');"
                       "CREATE TYPE pair AS (x int, y text);"
                       "CREATE DOMAIN small AS int CHECK (VALUE < 10);"
                       "CREATE TABLE strange(a int PRIMARY KEY, b mood, c pair, d mood[], e small);"
                       "ALTER TABLE strange REPLICA IDENTITY FULL;"
                       "CREATE PUBLICATION pub FOR TABLE t, nokey, strange;"
                       "CREATE TABLE root(a int PRIMARY KEY, b text) PARTITION BY RANGE (a);"
                       "CREATE TABLE leaf PARTITION OF root FOR VALUES FROM (0) TO (100);"
                       "ALTER TABLE root REPLICA IDENTITY FULL;"
                       "CREATE TABLE made(a int, g int GENERATED ALWAYS AS (a * 2) STORED "
                       "PRIMARY KEY);"
                       "CREATE PUBLICATION viaroot FOR TABLE root, made "
                       "WITH (publish_via_partition_root = true)");
    return ok ? 0 : -1;
}

int real_tear_down(void **state)
{
    (void)state;
    pg_server_destroy(&real_server);
    return 0;
}

int real_skip(void)
{
    (void)puts("skipped: no PostgreSQL server on this machine");
    return 77;
}
