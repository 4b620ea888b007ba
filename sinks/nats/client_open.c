/* SPDX-License-Identifier: Apache-2.0
 *
 * client_open.c -- how a connection begins: connect, INFO, TLS, login, and an inbox of its own.  See
 * client.h.  Used by the client's thread, which waits here, at most connect_timeout; leaves no password
 * behind in memory.
 */
#include "client.h"
#include "login.h"
#include "url.h"

#include <stdio.h>
#include <sys/random.h>

static void make_inbox(struct client *client)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    unsigned char random[10];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        for (size_t i = 0; i < sizeof random; i++) /* unique is enough; secret it need not be */
            random[i] = (unsigned char)((uint64_t)socket_clock_ms() >> (i * 3));
    int n = snprintf(client->inbox, sizeof client->inbox, "%s.", client->options->inbox_prefix);
    for (size_t i = 0; i < sizeof random; i++)
        client->inbox[n++] = digits[random[i] % 36];
    client->inbox[n++] = '.';
    client->inbox[n] = '\0';
    client->inbox_len = (size_t)n;
}

static leat_status wait_until(struct client *client, const bool *flag, int64_t deadline,
                              const char *what, leat_error *error)
{
    for (;;) {
        bool alive = client_flush(client) && client_read(client);
        if (*flag)
            return LEAT_OK;
        if (!alive)
            return nats_fail(error, LEAT_ERETRY, "%s: %s", client->server, client->lost_text);
        int64_t left = deadline - socket_clock_ms();
        if (left <= 0)
            return nats_fail(error, LEAT_ERETRY, "%s: no %s from the server in time",
                             client->server, what);
        (void)socket_wait(&client->socket, client_unsent(client), -1, left);
    }
}

/* INFO is one line, read byte by byte so to speak: what follows it may be TLS. */
static leat_status read_info(struct client *client, int64_t deadline, leat_error *error)
{
    client->info = (struct client_info){.max_payload = 0};
    for (;;) {
        bool alive = client_read(client);
        if (client->info.max_payload)
            return LEAT_OK;
        if (!alive)
            return nats_fail(error, LEAT_ERETRY, "%s: %s", client->server, client->lost_text);
        int64_t left = deadline - socket_clock_ms();
        if (left <= 0)
            return nats_fail(error, LEAT_ERETRY,
                             "%s: the server says nothing (does it want tls.first?)",
                             client->server);
        (void)socket_wait(&client->socket, false, -1, left);
    }
}

static leat_status secure(struct client *client, const struct url *url, bool wanted,
                          int64_t deadline, leat_error *error)
{
    if (!wanted && !client->info.tls_required)
        return LEAT_OK;
    if (!client->info.tls_required && !client->info.tls_available)
        return nats_fail(error, LEAT_ERETRY, "%s: TLS is wanted and the server offers none",
                         client->server);
    if (client->in_at != client->in_len)
        return nats_fail(error, LEAT_ERETRY, "%s: bytes arrived before TLS began", client->server);
    return socket_start_tls(&client->socket, client->options, url->host, deadline, error);
}

static leat_status log_in(struct client *client, const struct url *url, int64_t deadline,
                          leat_error *error)
{
    struct login login = {.options = client->options,
                          .host = client->host,
                          .user = url->has_user ? url->user : NULL,
                          .password = url->has_password ? url->password : NULL,
                          .nonce = client->info.nonce,
                          .name = client->name,
                          .tls = client->socket.ssl != NULL};
    size_t len;
    if (!client->info.headers)
        return nats_fail(error, LEAT_ECONFIG, "%s: the server has headers turned off",
                         client->server);
    char *dst = client_room(client, LOGIN_MAX), subject[CLIENT_INBOX_MAX + 2];
    leat_status status = login_write(&login, dst, &len, error);
    if (!status) {
        client_wrote(client, len);
        (void)snprintf(subject, sizeof subject, "%s*", client->inbox);
        (void)client_subscribe(client, subject, 1);
        (void)client_ping(client);
        client->ponged = false;
        status = wait_until(client, &client->ponged, deadline, "answer to the login", error);
    }
    explicit_bzero(dst, LOGIN_MAX);
    return status;
}

leat_status client_open(struct client *client, size_t index, leat_error *error)
{
    const struct nats_options *options = client->options;
    int64_t deadline = socket_clock_ms() + options->connect_timeout_ms;
    struct url url;
    client_close(client);
    client->lost = false;
    const char *wrong = url_parse(options->url.items[index], &url);
    if (wrong)
        return nats_fail(error, LEAT_ECONFIG, "url %zu: %s", index + 1, wrong);
    (void)snprintf(client->server, sizeof client->server, "%s:%s", url.host, url.port);
    make_inbox(client);
    bool wanted = url.tls || options->tls_first || options->tls_ca || options->tls_cert;
    leat_status status = socket_open(&client->socket, url.host, url.port, deadline, error);
    if (!status && options->tls_first)
        status = socket_start_tls(&client->socket, options, url.host, deadline, error);
    if (!status)
        status = read_info(client, deadline, error);
    if (!status && !options->tls_first)
        status = secure(client, &url, wanted, deadline, error);
    if (!status)
        status = log_in(client, &url, deadline, error);
    explicit_bzero(url.password, sizeof url.password);
    if (status)
        client_close(client);
    return status;
}
