/* SPDX-License-Identifier: Apache-2.0
 *
 * requests.c -- fuzzes the admin endpoint's requests: the bytes of one connection, as libmicrohttpd
 * reads them, through our handling and back.
 *
 * The first byte says over what it came: 0 a unix socket, 1 TCP on loopback, else TCP.  What is
 * checked: that every answer is one of HTTP; that over TCP no order is given and no level changes;
 * that an order names a pipeline in the configuration's alphabet or is answered, once.  The log
 * goes to standard error: run it with -close_fd_mask=2.
 */
#include "admin_internal.h"
#include "log.h"
#include "order.h"
#include "plugin_load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 200

static struct registry registry;
static struct admin admin;
static struct doorbell bell = {.fd = -1};

static size_t leave(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static void quiet(void *context, const char *format, va_list arguments)
{
    (void)context;
    (void)format;
    (void)arguments;
}

static void begin(void)
{
    static const struct plugin plugin = {.descriptor = {.name = "x"}};
    static const struct config_sink sink = {.name = "sink", .plugin = &plugin};
    static const struct config_pipeline pipeline = {
        .name = "p", .source = &plugin, .sinks = &sink, .sink_count = 1};
    static const struct config config = {
        .pipelines = &pipeline, .pipeline_count = 1, .metrics_tables = 10};

    if (registry.config)
        return;
    if (!registry_init(&registry, &config, &clock_real, &bell))
        abort();
    registry_begun(&registry);
    admin.registry = &registry;
    (void)pthread_mutex_init(&admin.lock, NULL);
    (void)pthread_cond_init(&admin.over, NULL);
    admin.count = 1;
    struct admin_endpoint *endpoint = &admin.endpoints[0];
    endpoint->admin = &admin;
    (void)pthread_mutex_init(&endpoint->lock, NULL);
    endpoint->daemon = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, admin__answer, endpoint,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16 * 1024, MHD_OPTION_NOTIFY_COMPLETED,
        admin__over, endpoint, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, leave, NULL, MHD_OPTION_END);
    if (!endpoint->daemon)
        abort();
}

/* The control thread's part: every order is answered, and its names are strings that end. */
static unsigned take_orders(void)
{
    struct order *order;
    unsigned count = 0;

    while ((order = registry_take(&registry, false)) != NULL) {
        assert(memchr(order->pipeline, '\0', sizeof order->pipeline));
        assert(memchr(order->sink, '\0', sizeof order->sink));
        order->code = 200;
        text_put_string(&order->answer, "{\"ok\":true}\n");
        order->done(order);
        count++;
    }
    return count;
}

static void check_answer(const char *text, size_t length)
{
    static const char head[] = "HTTP/1.";

    assert(length < sizeof head - 1 || memcmp(text, head, sizeof head - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answer[1 << 20];
    struct sockaddr address = {.sa_family = AF_UNIX};
    struct admin_endpoint *endpoint = &admin.endpoints[0];
    size_t sent = 1, got = 0;
    unsigned orders = 0;
    int pair[2];

    begin();
    if (size < 2 || size > 40000)
        return 0;
    endpoint->listener.local = data[0] == 0;
    endpoint->listener.loopback = data[0] == 1;
    log_configure(registry.config);
    int64_t level = log_level();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        abort();
    if (MHD_add_connection(endpoint->daemon, pair[0], &address, sizeof address) != MHD_YES)
        abort(); /* it has closed its end */
    for (int round = 0; round < ROUNDS; round++) {
        ssize_t n = sent < size ? write(pair[1], data + sent, size - sent) : 0;
        sent += n > 0 ? (size_t)n : 0;
        if (n < 0 || sent == size)
            (void)shutdown(pair[1], SHUT_WR);
        (void)MHD_run(endpoint->daemon);
        orders += take_orders();
        n = read(pair[1], answer + got, sizeof answer - got);
        if (n == 0)
            break;
        got += n > 0 ? (size_t)n : 0;
        if (got == sizeof answer)
            break;
    }
    (void)close(pair[1]);
    for (int round = 0; round < 4; round++) {
        (void)MHD_run(endpoint->daemon);
        orders += take_orders();
    }
    check_answer(answer, got);
    struct log_component components[LOG_COMPONENTS];
    if (data[0] != 0)
        assert(orders == 0 && log_level() == level && log_components(components) == 0);
    return 0;
}
