/* SPDX-License-Identifier: Apache-2.0
 *
 * admin.c -- the endpoint's addresses and connections.  See admin.h.
 */
#include "admin.h"

#include "admin_internal.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IDLE_SECONDS 10u
#define ANSWER_SECONDS 2
#define REQUEST_NS ((int64_t)10000000000)
#define CROWDED_NS ((int64_t)1000000000)
#define CONNECTION_MEMORY ((size_t)16 * 1024) /* holds a request's line and headers */
#define THREAD_STACK ((size_t)512 * 1024)

/* ---- connections ---------------------------------------------------------------------------- */

/* libmicrohttpd tells of each connection's begin and end, the end before the descriptor is closed.
 */
static void note_connection(void *context, struct MHD_Connection *connection, void **place,
                            enum MHD_ConnectionNotificationCode code)
{
    struct admin_endpoint *endpoint = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct admin_visit *visit = *place;

    (void)pthread_mutex_lock(&endpoint->lock);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (visit)
            visit->fd = -1;
    } else {
        for (size_t i = 0; i < ADMIN_CONNECTIONS && !*place; i++) {
            visit = &endpoint->visits[i];
            if (visit->fd >= 0)
                continue;
            visit->fd = info ? info->connect_fd : -1;
            visit->since_ns = clock_now_ns(endpoint->admin->registry->clock);
            *place = visit;
        }
    }
    (void)pthread_mutex_unlock(&endpoint->lock);
}

/* A client that sends, or takes, a byte now and then never idles: its time is bounded here.  While
 * others may be waiting for a place it is bounded more tightly. */
static void end_long_visits(struct admin_endpoint *endpoint, int64_t now_ns)
{
    int64_t limit_ns = CROWDED_NS;

    (void)pthread_mutex_lock(&endpoint->lock);
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++)
        if (endpoint->visits[i].fd < 0)
            limit_ns = REQUEST_NS;
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++)
        if (endpoint->visits[i].fd >= 0 && endpoint->visits[i].since_ns != INT64_MAX &&
            now_ns - endpoint->visits[i].since_ns > limit_ns)
            (void)shutdown(endpoint->visits[i].fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&endpoint->lock);
}

void admin_tick(struct admin *admin)
{
    for (size_t i = 0; admin && i < admin->count; i++)
        end_long_visits(&admin->endpoints[i], clock_now_ns(admin->registry->clock));
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Nothing that is asked for has a % in its name: the text stays as it came. */
static size_t leave(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static bool serve(struct admin_endpoint *endpoint, const char *address, leat_error *error)
{
    endpoint->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0,
        NULL, NULL, admin__answer, endpoint, MHD_OPTION_LISTEN_SOCKET, endpoint->listener.fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK, MHD_OPTION_NOTIFY_CONNECTION, note_connection,
        endpoint, MHD_OPTION_NOTIFY_COMPLETED, admin__over, endpoint, MHD_OPTION_UNESCAPE_CALLBACK,
        leave, NULL, MHD_OPTION_END);
    if (endpoint->daemon)
        return true;
    error->exit_code = 73;
    (void)snprintf(error->text, sizeof error->text, "http.listen: %s: cannot start: %s", address,
                   strerror(errno));
    return false;
}

static bool add(struct admin *admin, const char *address, leat_error *error)
{
    struct admin_endpoint *endpoint = &admin->endpoints[admin->count];

    if (admin->count == ADMIN_ADDRESSES) {
        error->exit_code = 78;
        (void)snprintf(error->text, sizeof error->text, "http.listen: more than %d addresses",
                       ADMIN_ADDRESSES);
        return false;
    }
    memset(endpoint, 0, sizeof *endpoint);
    endpoint->admin = admin;
    for (size_t i = 0; i < ADMIN_CONNECTIONS; i++)
        endpoint->visits[i].fd = -1;
    if (!listener_open(&endpoint->listener, address, error))
        return false;
    (void)pthread_mutex_init(&endpoint->lock, NULL);
    if (!serve(endpoint, address, error)) {
        endpoint->listener.fd = -1; /* libmicrohttpd has closed it, or not: one is lost at worst */
        listener_close(&endpoint->listener);
        (void)pthread_mutex_destroy(&endpoint->lock);
        return false;
    }
    admin->count++;
    return true;
}

static void say(const struct listener *listener, const char *address)
{
    leat_field fields[] = {LEAT_F_STR("address", address)};

    log_event(NULL, NULL, LEAT_LOG_INFO, "admin endpoint", fields, 1);
    if (!listener->local && !listener->loopback)
        log_event(NULL, NULL, LEAT_LOG_WARN,
                  "admin endpoint can be read by other machines, without a password", fields, 1);
}

static void init_orders(struct admin *admin)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&admin->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&admin->over, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* Who ordered the end is to hear that it was understood. */
static void wait_for_answers(struct admin *admin)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ANSWER_SECONDS;
    (void)pthread_mutex_lock(&admin->lock);
    while (admin->orders > 0 && pthread_cond_timedwait(&admin->over, &admin->lock, &until) == 0)
        ;
    (void)pthread_mutex_unlock(&admin->lock);
}

struct admin *admin_start(struct registry *registry, leat_error *error)
{
    const leat_strings *listen = &registry->config->http_listen;
    struct admin *admin = calloc(1, sizeof *admin);

    if (!admin) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return NULL;
    }
    admin->registry = registry;
    init_orders(admin);
    for (size_t i = 0; i < listen->count; i++) {
        leat_field fields[] = {LEAT_F_STR("error", error->text)};
        if (add(admin, listen->items[i], error)) {
            say(&admin->endpoints[admin->count - 1].listener, listen->items[i]);
            continue;
        }
        if (registry->config->http_written) {
            admin_stop(admin);
            return NULL;
        }
        log_event(NULL, NULL, LEAT_LOG_WARN, "no admin endpoint", fields, 1);
    }
    return admin;
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    wait_for_answers(admin);
    for (size_t i = 0; i < admin->count; i++) {
        struct admin_endpoint *endpoint = &admin->endpoints[i];
        /* libmicrohttpd closes the descriptor that it was given. */
        endpoint->listener.fd = -1;
        MHD_stop_daemon(endpoint->daemon);
        listener_close(&endpoint->listener);
        (void)pthread_mutex_destroy(&endpoint->lock);
    }
    (void)pthread_cond_destroy(&admin->over);
    (void)pthread_mutex_destroy(&admin->lock);
    free(admin);
}
