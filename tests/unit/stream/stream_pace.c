/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_pace.c -- when the stream's next round comes: with a clock and a wait of the test's own, so
 * that what is waited for can be seen, and nothing is waited for.
 */
#include "pace.h"
#include "source.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define US INT64_C(1000)
#define SOCKET 7
#define HOT 8

/* What the last wait was for, and what it is to answer. */
static struct {
    int count, fd;
    short events;
    int64_t until_ns, takes_ns;
    int32_t max_ms;
    short answer;
} waited;
static int64_t clock_ns;
static bool busy;

short source_wait(const leat_source *source, int fd, short events, int64_t until_ns, int32_t max_ms)
{
    (void)source;
    waited.count++;
    waited.fd = fd;
    waited.events = events;
    waited.until_ns = until_ns;
    waited.max_ms = max_ms;
    clock_ns += waited.takes_ns;
    return waited.answer;
}

int PQsocket(const PGconn *conn)
{
    (void)conn;
    return SOCKET;
}

static int64_t test_now(const leat_host *host)
{
    (void)host;
    return clock_ns;
}

static int32_t test_busy(const leat_host *host)
{
    (void)host;
    return busy;
}

static const leat_host host = {
    .size = sizeof host, .now_ns = test_now, .sinks_busy = test_busy, .wake_fd = -1};

/* A stream over a unix socket that has just heard something. */
static leat_source stream_of(unsigned hot)
{
    leat_source source = {.host = &host};
    clock_ns = 1000 * MS;
    busy = false;
    memset(&waited, 0, sizeof waited);
    source.stream.pace = pace_begin(true);
    source.stream.pace.hot = hot;
    source.stream.heard_ns = source.stream.pinged_ns = clock_ns;
    source.stream.liveness_ns = 30000 * MS;
    feedback_begin(&source.stream.feedback, (wal_durable){1}, 10000, 60000, clock_ns);
    source.stream.feedback.sent_ns = clock_ns;
    return source;
}

static int64_t napped(void)
{
    assert_int_equal(waited.count, 1);
    assert_int_equal(waited.fd, -1);
    waited.count = 0;
    return waited.until_ns - clock_ns;
}

static void waited_for_the_socket(void)
{
    assert_int_equal(waited.count, 1);
    assert_int_equal(waited.fd, SOCKET);
    assert_int_equal(waited.events, POLLIN);
    waited.count = 0;
}

static void a_single_change_is_passed_on_at_once(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT - 1);
    pace_wait(&source, 300, INT64_MAX, -1);
    waited_for_the_socket();
}

static void where_rows_pour_in_the_walsender_wakes_nobody(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    pace_wait(&source, 300, INT64_MAX, -1);
    assert_int_equal(napped(), 200 * US);
    source.stream.pace = pace_begin(false);
    source.stream.pace.hot = HOT;
    pace_wait(&source, 300, INT64_MAX, -1);
    assert_int_equal(napped(), 300 * US);
}

static void a_full_socket_is_read_on_at_once(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    pace_wait(&source, 64 * 1024, INT64_MAX, -1);
    assert_int_equal(waited.count, 0);
}

static void a_silence_between_transactions_is_napped_through(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    clock_ns += 2 * MS - 1;
    pace_wait(&source, 0, INT64_MAX, -1);
    (void)napped();
    clock_ns += 1;
    pace_wait(&source, 0, INT64_MAX, -1);
    waited_for_the_socket();
}

static void a_long_wait_ends_the_naps_and_a_short_one_does_not(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    clock_ns += 2 * MS;
    waited.takes_ns = 300 * US;
    waited.answer = POLLIN;
    pace_wait(&source, 0, INT64_MAX, -1);
    assert_int_equal(source.stream.pace.hot, HOT);
    assert_int_equal(source.stream.heard_ns, clock_ns);
    clock_ns += 2 * MS;
    waited.takes_ns = 301 * US;
    pace_wait(&source, 0, INT64_MAX, -1);
    assert_int_equal(source.stream.pace.hot, 0);
}

static void busy_sinks_get_the_core_in_a_silence(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    busy = true;
    pace_wait(&source, 0, INT64_MAX, -1);
    waited_for_the_socket();
}

static void naps_grow_while_sinks_are_busy_and_find_little(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    int64_t last = 200 * US;
    busy = true;
    for (int round = 0; round < 20; round++) {
        pace_wait(&source, 300, INT64_MAX, -1);
        int64_t length = napped();
        assert_true(length >= last && length <= 400 * US);
        last = length;
    }
    assert_int_equal(last, 400 * US);
    for (int round = 0; round < 20; round++) {
        pace_wait(&source, 30 * 1024, INT64_MAX, -1);
        last = napped();
    }
    assert_int_equal(last, 200 * US);
    pace_wait(&source, 300, INT64_MAX, -1);
    assert_int_equal(napped(), 250 * US);
    busy = false;
    pace_wait(&source, 300, INT64_MAX, -1);
    assert_int_equal(napped(), 200 * US);
}

static void a_nap_ends_when_a_batch_is_due(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    pace_wait(&source, 300, clock_ns + 70 * US, -1);
    assert_int_equal(napped(), 70 * US);
    pace_wait(&source, 300, INT64_MAX, 5);
    assert_int_equal(waited.max_ms, 5);
}

/* Its room comes from the host, not from the socket. */
static void a_message_without_room_waits_for_the_host(void **state)
{
    (void)state;
    leat_source source = stream_of(HOT);
    char message = 'w';
    source.stream.pending = &message;
    source.stream.pending_retry_ns = clock_ns;
    pace_wait(&source, 300, INT64_MAX, -1);
    assert_int_equal(napped(), 100 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_change_is_passed_on_at_once),
        cmocka_unit_test(where_rows_pour_in_the_walsender_wakes_nobody),
        cmocka_unit_test(a_full_socket_is_read_on_at_once),
        cmocka_unit_test(a_silence_between_transactions_is_napped_through),
        cmocka_unit_test(a_long_wait_ends_the_naps_and_a_short_one_does_not),
        cmocka_unit_test(busy_sinks_get_the_core_in_a_silence),
        cmocka_unit_test(naps_grow_while_sinks_are_busy_and_find_little),
        cmocka_unit_test(a_nap_ends_when_a_batch_is_due),
        cmocka_unit_test(a_message_without_room_waits_for_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
