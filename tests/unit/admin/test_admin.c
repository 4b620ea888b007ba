/* SPDX-License-Identifier: Apache-2.0
 *
 * test_admin.c -- parts of what an operator sees: histograms, text, notes, the endpoint's sockets,
 * systemd's notifications and the watchdog.
 */
#include "admin.h"
#include "http_client.h"
#include "listen.h"
#include "notify.h"
#include "status.h"
#include "watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/leat-test-admin-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void histogram_puts_each_time_into_its_bucket(void **state)
{
    struct histogram histogram = {0};
    struct histogram_copy copy;

    (void)state;
    histogram_add(&histogram, -5);
    histogram_add(&histogram, 100);
    histogram_add(&histogram, 101);
    histogram_add(&histogram, INT64_C(60000000));
    histogram_add(&histogram, INT64_C(60000001));
    histogram_read(&histogram, &copy);
    assert_int_equal(copy.buckets[0], 2);
    assert_int_equal(copy.buckets[1], 1);
    assert_int_equal(copy.buckets[HISTOGRAM_BOUNDS - 3], 1);
    assert_int_equal(copy.buckets[HISTOGRAM_BOUNDS - 2], 1);
    assert_int_equal(copy.sum_us, 120000202);
}

static void text_is_escaped_and_bounded(void **state)
{
    struct text_buffer text = {0};
    char *big = calloc(1, 1024 * 1024 + 1);

    (void)state;
    assert_non_null(big);
    text_put_json(&text, "a\"b\\c\n\x01\xff<script>");
    assert_string_equal(text.text, "\"a\\\"b\\\\c\\n\\u0001\xef\xbf\xbd<script>\"");
    text.length = 0;
    text_put_plain(&text, "\x1b[2J\xc2\x9b"
                          "1m\xff \xc3\xa9");
    assert_string_equal(text.text, "?[2J?1m? \xc3\xa9");
    memset(big, 'x', 1024 * 1024);
    for (int i = 0; i < 16; i++)
        text_put_string(&text, big);
    assert_true(text.failed);
    assert_true(text.length < TEXT_BUFFER_MAX);
    free(text.text);
    free(big);
}

static void note_keeps_the_newest_and_counts(void **state)
{
    struct note note;
    struct note_copy copy;

    (void)state;
    note_init(&note);
    note_read(&note, &copy);
    assert_int_equal(copy.at_us, 0);
    note_write(&note, "one", NULL);
    note_write(&note, "two", "why");
    note_read(&note, &copy);
    assert_string_equal(copy.text, "two: why");
    assert_int_equal(copy.count, 2);
    assert_true(copy.at_us > 0);
    note_fini(&note);
}

static struct config config_with(const char *const *addresses, size_t count, bool written)
{
    return (struct config){.http_listen = {addresses, count}, .http_written = written};
}

/* What the user wrote must work; the default may fail. */
static void only_a_written_address_must_work(void **state)
{
    const char *addresses[] = {"unix:/proc/none/leat.sock"};
    struct doorbell bell = {.fd = -1, .ring_fd = -1};

    (void)state;
    for (int written = 0; written <= 1; written++) {
        struct config config = config_with(addresses, 1, written);
        struct registry registry;
        leat_error error = {.size = sizeof error};
        assert_true(registry_init(&registry, &config, &clock_real, &bell));
        struct admin *admin = admin_start(&registry, &error);
        if (written)
            assert_null(admin);
        else
            assert_non_null(admin);
        assert_int_equal(error.exit_code, 73);
        admin_stop(admin);
        registry_fini(&registry);
    }
}

static void endpoint_answers_and_leaves_nothing(void **state)
{
    char address[160], unix_path[128];
    const char *addresses[] = {address};
    struct config config = config_with(addresses, 1, true);
    struct doorbell bell = {.fd = -1, .ring_fd = -1};
    struct registry registry;
    leat_error error = {.size = sizeof error};
    struct text_buffer body = {0};
    const char *why;

    (void)state;
    (void)snprintf(unix_path, sizeof unix_path, "%s/leat.sock", folder);
    (void)snprintf(address, sizeof address, "unix:%s", unix_path);
    assert_true(registry_init(&registry, &config, &clock_real, &bell));
    struct admin *admin = admin_start(&registry, &error);
    assert_non_null(admin);
    assert_int_equal(http_request(address, "GET", "/readyz", 5000, &body, &why), 503);
    assert_string_equal(body.text, "the daemon is starting\n");
    body.length = 0;
    registry_begun(&registry);
    assert_int_equal(http_request(address, "GET", "/readyz", 5000, &body, &why), 200);
    assert_string_equal(body.text, "ok\n");
    body.length = 0;
    atomic_fetch_sub(&registry.alive_ns, INT64_C(31000000000));
    assert_int_equal(http_request(address, "GET", "/livez", 5000, &body, &why), 503);
    assert_int_equal(http_request(address, "GET", "/readyz", 5000, &body, &why), 503);
    admin_tick(admin);
    admin_stop(admin);
    assert_int_equal(access(unix_path, F_OK), -1);
    assert_int_equal(http_request(address, "GET", "/livez", 5000, &body, &why), 0);
    registry_fini(&registry);
    free(body.text);
}

/* ---- systemd -------------------------------------------------------------------------------- */

static int open_manager(char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(path, size, "%s/notify", folder);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)setenv("NOTIFY_SOCKET", path, 1);
    return fd;
}

static void close_manager(int fd, const char *path)
{
    (void)close(fd);
    (void)unlink(path);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

static bool was_told(int fd, const char *text)
{
    char got[256];
    ssize_t length = recv(fd, got, sizeof got - 1, 0);

    got[length > 0 ? length : 0] = '\0';
    return strcmp(got, text) == 0;
}

static void systemd_is_told_only_where_it_asked(void **state)
{
    char path[128], pid[32];
    int fd;

    (void)state;
    notify_send("READY=1"); /* nobody asked */
    fd = open_manager(path, sizeof path);
    notify_send("READY=1");
    assert_true(was_told(fd, "READY=1"));
    notify_tick(false);
    assert_true(was_told(fd, ""));
    notify_tick(true);
    assert_true(was_told(fd, "EXTEND_TIMEOUT_USEC=10000000"));
    assert_int_equal(notify_watchdog_us(), 0);
    (void)setenv("WATCHDOG_USEC", "60000000", 1);
    assert_int_equal(notify_watchdog_us(), 60000000);
    (void)setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_us(), 0);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_us(), 60000000);
    (void)setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_us(), 0);
    close_manager(fd, path);
}

struct test_clock {
    struct clock clock;
    int64_t now_ns;
};

static int64_t test_now(const struct clock *clock)
{
    return ((const struct test_clock *)(const void *)clock)->now_ns;
}

/* The threads' counts feed it, not the time: one that stands still twice starves it. */
static void watchdog_is_fed_by_moving_threads_only(void **state)
{
    struct test_clock clock = {{test_now}, 1000};
    struct config_sink sink = {.name = "s"};
    struct config_pipeline pipeline_config = {.name = "p", .sinks = &sink, .sink_count = 1};
    struct config config = {.pipelines = &pipeline_config, .pipeline_count = 1};
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    struct doorbell bell = {.fd = -1, .ring_fd = -1};
    struct registry registry;
    struct watchdog watchdog;
    char path[128];
    int fd = open_manager(path, sizeof path);

    (void)state;
    (void)setenv("WATCHDOG_USEC", "4000000", 1);
    pipeline->config = &pipeline_config;
    pipeline->sink_count = 1;
    pipeline->workers[0] = calloc(1, sizeof *pipeline->workers[0]);
    pipeline->source.bell = pipeline->channels[0].worker_bell = bell;
    atomic_store(&pipeline->state, PIPELINE_RUNNING);
    assert_true(registry_init(&registry, &config, &clock.clock, &bell));
    registry_set(&registry, 0, pipeline);
    watchdog_init(&watchdog, &clock.clock);
    for (int i = 0; i < 8; i++) {
        atomic_fetch_add(&pipeline->source.counters.turns, 1);
        if (i < 5)
            atomic_fetch_add(&pipeline->workers[0]->counters.turns, 1);
        watchdog_tick(&watchdog, &registry);
        assert_true(was_told(fd, i < 6 ? "WATCHDOG=1" : ""));
        assert_int_equal(atomic_load(&pipeline->workers[0]->counters.still_ms),
                         i < 6 ? 0 : (i - 4) * 1000);
        assert_int_equal(atomic_load(&pipeline->source.counters.still_ms), 0);
        watchdog_tick(&watchdog, &registry); /* too early */
        assert_true(was_told(fd, ""));
        clock.now_ns += 1000000000;
    }
    atomic_fetch_add(&pipeline->workers[0]->counters.turns, 1); /* it has come back */
    atomic_fetch_add(&pipeline->source.counters.turns, 1);
    watchdog_tick(&watchdog, &registry);
    assert_true(was_told(fd, "WATCHDOG=1"));
    assert_int_equal(atomic_load(&pipeline->workers[0]->counters.still_ms), 0);
    clock.now_ns += 1000000000;
    atomic_store(&pipeline->state, PIPELINE_STOPPING); /* its own deadline bounds it */
    watchdog_tick(&watchdog, &registry);
    assert_true(was_told(fd, "WATCHDOG=1"));
    watchdog_fini(&watchdog);
    registry_fini(&registry);
    free(pipeline->workers[0]);
    free(pipeline);
    close_manager(fd, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram_puts_each_time_into_its_bucket),
        cmocka_unit_test(text_is_escaped_and_bounded),
        cmocka_unit_test(note_keeps_the_newest_and_counts),
        cmocka_unit_test(only_a_written_address_must_work),
        cmocka_unit_test(endpoint_answers_and_leaves_nothing),
        cmocka_unit_test(systemd_is_told_only_where_it_asked),
        cmocka_unit_test(watchdog_is_fed_by_moving_threads_only),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
