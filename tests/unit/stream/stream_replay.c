/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_replay.c -- faults of the wire, played by the stand-in walsender: each change still
 * arrives, and arrives once.
 */
#include "stream_host.h"
#include "wal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TRANSACTIONS 200
#define ROWS 5
#define REPEAT 3
#define ALL (TRANSACTIONS * ROWS * REPEAT)

static char directory[] = "/tmp/leat-replay-XXXXXX";
static pid_t server;

/* ---- a tape, made by hand -------------------------------------------------------------------- */

static char message[256];
static size_t message_size;

static void add(const void *bytes, size_t size)
{
    memcpy(message + message_size, bytes, size);
    message_size += size;
}

static void add64(uint64_t value)
{
    char bytes[8];
    wal_put64(bytes, value);
    add(bytes, 8);
}

static void add32(uint32_t value)
{
    char bytes[8];
    wal_put64(bytes, value);
    add(bytes + 4, 4);
}

static void add16(uint32_t value)
{
    char bytes[8];
    wal_put64(bytes, value);
    add(bytes + 6, 2);
}

static void begin_message(char type, uint64_t lsn)
{
    message_size = 0;
    add("w", 1);
    add64(lsn);
    add64(lsn);
    add64(0);
    add(&type, 1);
}

static void write_message(FILE *file)
{
    char size[8];
    wal_put64(size, message_size);
    assert_int_equal(fwrite(size + 4, 4, 1, file), 1);
    assert_int_equal(fwrite(message, message_size, 1, file), 1);
}

static void write_relation(FILE *file)
{
    begin_message('R', 0);
    add32(4711);
    add("public\0t", 9);
    add("d", 1);
    add16(1);
    add("\1a", 3); /* part of the key, and its name */
    add32(23);
    add32(0xffffffffu);
    write_message(file);
}

static void write_transaction(FILE *file, uint64_t at, uint32_t xid)
{
    begin_message('B', at);
    add64(at + 500);
    add64(0);
    add32(xid);
    write_message(file);
    if (xid == 1)
        write_relation(file);
    for (uint32_t row = 0; row < ROWS; row++) {
        begin_message('I', at + row);
        add32(4711);
        add("N\0\1t", 4);
        add32(1);
        add("7", 1);
        write_message(file);
    }
    begin_message('C', at + 500);
    add("", 1);
    add64(at + 500);
    add64(at + 600);
    add64(0);
    write_message(file);
}

static void write_tape(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        write_transaction(file, 0x10000 + (uint64_t)i * 1000, i + 1);
    assert_int_equal(fclose(file), 0);
}

/* ---- the tests ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void serve(const char *fault, const char *after)
{
    char tape[64], repeat[8];
    (void)snprintf(tape, sizeof tape, "%s/tape", directory);
    (void)snprintf(repeat, sizeof repeat, "%d", REPEAT);
    server = fork();
    if (server == 0) {
        (void)execl(REPLAY_WALSENDER, "replay_walsender", "serve", tape, directory, "5432", repeat,
                    fault, after, (char *)NULL);
        _exit(127);
    }
}

static void end_server(void)
{
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
}

/* Reads all of it; the log says what happened on the way. */
static struct stream_host *read_all(unsigned begins)
{
    char dsn[128];
    const char *publications[] = {"p"};
    struct stream_host *host = calloc(1, sizeof *host);
    assert_non_null(host);
    (void)snprintf(dsn, sizeof dsn, "host=%s port=5432 user=u dbname=replay", directory);
    const struct pgoutput_options options = {
        .dsn = dsn,
        .slot = "s",
        .publication = {publications, 1},
        .status_interval_ms = 100,
        .connect_timeout_ms = 5000,
        .reconnect_max_ms = 100,
        .liveness_timeout_ms = 400,
        .types_max = 100,
        .relations_max = 100,
    };
    stream_host_init(host);
    stream_host_run(host, &options, NULL);
    int64_t until = now_ms() + 20000;
    while (host->inserts < ALL || host->begins < begins)
        if (stream_host_step(host, 20) || now_ms() > until)
            fail_msg("%llu rows; %s; %s", (unsigned long long)host->inserts, host->error.text,
                     host->log);
    /* Nothing comes behind the end. */
    for (int i = 0; i < 20; i++)
        assert_int_equal(stream_host_step(host, 10), LEAT_OK);
    assert_int_equal(host->inserts, ALL);
    assert_int_equal(host->doubled, 0);
    assert_int_equal(host->begins, begins);
    stream_host_stop(host);
    return host;
}

static void finish(struct stream_host *host)
{
    stream_host_fini(host);
    free(host);
    end_server();
}

static void a_whole_stream_arrives(void **state)
{
    (void)state;
    serve("none", "999999999");
    finish(read_all(1));
}

static void malformed_bytes_end_the_connection_only(void **state)
{
    (void)state;
    serve("malformed", "333");
    struct stream_host *host = read_all(2);
    assert_non_null(strstr(host->log, "connection lost"));
    assert_non_null(strstr(host->log, "eeeeeeee"));
    finish(host);
}

static void a_message_cut_in_half_is_not_taken(void **state)
{
    (void)state;
    serve("truncated", "777");
    struct stream_host *host = read_all(2);
    assert_non_null(strstr(host->log, "connection lost"));
    finish(host);
}

static void a_silent_connection_is_given_up(void **state)
{
    (void)state;
    serve("silent", "555");
    struct stream_host *host = read_all(2);
    assert_non_null(strstr(host->log, "nothing was heard"));
    finish(host);
}

int main(void)
{
    char path[64];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_stream_arrives),
        cmocka_unit_test(malformed_bytes_end_the_connection_only),
        cmocka_unit_test(a_message_cut_in_half_is_not_taken),
        cmocka_unit_test(a_silent_connection_is_given_up),
    };
    if (!mkdtemp(directory))
        return 1;
    (void)snprintf(path, sizeof path, "%s/tape", directory);
    write_tape(path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", directory);
    (void)unlink(path);
    (void)rmdir(directory);
    return failed;
}
