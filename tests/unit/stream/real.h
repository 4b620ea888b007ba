/* SPDX-License-Identifier: Apache-2.0
 *
 * real.h -- what the tests of the source against a real PostgreSQL share: one server a program, the
 * source's options, and one fake host a run.
 */
#ifndef LEAT_TEST_STREAM_REAL_H
#define LEAT_TEST_STREAM_REAL_H

#include "pg_server.h"
#include "stream_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

extern struct pg_server real_server; /* wal_sender_timeout is 2 s */
extern char real_dsn[256];
extern const char *real_publications[1];
extern struct pgoutput_options real_options;

int64_t real_now_ms(void);

/* The options that a test begins with: publication "pub", and this slot. */
void real_defaults(const char *slot);

void real_sql(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Steps until the condition holds; fails the test after 30 s or when the source fails. */
#define UNTIL(host, condition)                                                                     \
    do {                                                                                           \
        int64_t until_ms_ = real_now_ms() + 30000;                                                 \
        while (!(condition)) {                                                                     \
            if (stream_host_step((host), 20) || real_now_ms() > until_ms_) {                       \
                fail_msg("not reached: %s; error: %s; log: %s", #condition, (host)->error.text,    \
                         (host)->log);                                                             \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* Steps until the source fails, for this reason; fails the test after 30 s. */
void real_expect_failure(struct stream_host *host, leat_status status, int exit_code,
                         const char *words);

/* A host without a source; real_done stops and frees it. */
struct stream_host *real_fresh(void);
void real_done(struct stream_host *host);

/* A host whose source streams from a new slot, with the defaults. */
struct stream_host *real_streaming(const char *slot);

/* What the daemon's state file would give to the next run; `pairs` are the facts of *start. */
leat_source_start real_recorded(const struct stream_host *host, leat_pair pairs[4]);

/* Drops every slot, when nobody reads it any more. */
void real_drop_slots(void);

/* The position that the slot is confirmed to. */
uint64_t real_confirmed(const char *slot);

/* Runs the tests with a server of their own.  77 where the machine has no server's programs. */
#define real_run(tests)                                                                            \
    (pg_server_programs() ? cmocka_run_group_tests(tests, real_set_up, real_tear_down)             \
                          : real_skip())
int real_set_up(void **state);
int real_tear_down(void **state);
int real_skip(void);

#endif
