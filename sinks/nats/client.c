/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c -- see the header.
 */
#include "client.h"
#include "json.h"
#include "login.h"
#include "url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { IN_SIZE = 128 * 1024 };

bool client_init(struct client *client, const struct nats_options *options, const char *name)
{
    memset(client, 0, sizeof *client);
    client->options = options;
    client->name = name;
    client->socket.fd = -1;
    client->in_size = IN_SIZE;
    client->in = malloc(client->in_size);
    client->out = malloc(CLIENT_OUT);
    return client->in && client->out;
}

void client_fini(struct client *client)
{
    if (client->in)
        client_close(client);
    free(client->in);
    free(client->out);
    client->in = client->out = NULL;
}

void client_close(struct client *client)
{
    socket_close(&client->socket);
    client->in_at = client->in_len = client->in_need = 0;
    client->in_skip = 0;
    client->out_sent = client->out_len = 0;
    client->tail = (leat_bytes){NULL, 0};
    client->waits_for = 0;
    client->answered = client->ponged = false;
}

__attribute__((format(printf, 2, 3))) static bool lose(struct client *client, const char *format,
                                                       ...)
{
    if (!client->lost) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(client->lost_text, sizeof client->lost_text, format, args);
        va_end(args);
    }
    client->lost = true;
    return false;
}

/* ---- out ------------------------------------------------------------------------------------ */

bool client_unsent(const struct client *client)
{
    return client->out_sent < client->out_len || client->tail.len;
}

char *client_room(struct client *client, size_t size)
{
    if (client->tail.len)
        return NULL;
    if (client->out_sent == client->out_len)
        client->out_sent = client->out_len = 0;
    return CLIENT_OUT - client->out_len >= size ? client->out + client->out_len : NULL;
}

void client_wrote(struct client *client, size_t len)
{
    client->out_len += len;
}

void client_tail(struct client *client, leat_bytes payload)
{
    client->tail = payload;
}

static bool send_piece(struct client *client, const char *data, size_t len, size_t *sent)
{
    *sent = 0;
    while (*sent < len) {
        int64_t n = socket_write(&client->socket, data + *sent, len - *sent);
        if (n < 0)
            return false;
        if (n == 0)
            break;
        *sent += (size_t)n;
    }
    return true;
}

bool client_flush(struct client *client)
{
    size_t sent;
    if (client->lost)
        return false;
    while (client_unsent(client)) {
        bool from_tail = client->out_sent == client->out_len;
        const char *data = from_tail ? client->tail.ptr : client->out + client->out_sent;
        size_t len = from_tail ? client->tail.len : client->out_len - client->out_sent;
        /* A failed write says little; the reason, if the server gave one, is still to be read. */
        if (!send_piece(client, data, len, &sent))
            return client_read(client) && lose(client, "the connection was closed");
        if (from_tail) {
            client->tail.ptr += sent;
            client->tail.len -= sent;
            if (!client->tail.len) {
                memcpy(client->out, "\r\n", 2);
                client->out_sent = 0;
                client->out_len = 2;
            }
        } else {
            client->out_sent += sent;
        }
        if (sent < len)
            break;
    }
    return true;
}

static size_t put(char *dst, const char *text, size_t len)
{
    memcpy(dst, text, len);
    return len;
}

bool client_publish(struct client *client, const char *subject, char kind, uint64_t number,
                    leat_bytes headers, leat_bytes payload)
{
    size_t subject_len = strlen(subject), n = 0;
    char *dst =
        client_room(client, subject_len + client->inbox_len + headers.len + payload.len + 96);
    if (!dst)
        return false;
    n += headers.len ? put(dst, "HPUB ", 5) : put(dst, "PUB ", 4);
    n += put(dst + n, subject, subject_len);
    dst[n++] = ' ';
    if (kind) {
        n += put(dst + n, client->inbox, client->inbox_len);
        dst[n++] = kind;
        n += wire_decimal(dst + n, number);
        dst[n++] = ' ';
    }
    if (headers.len) {
        n += wire_decimal(dst + n, headers.len);
        dst[n++] = ' ';
    }
    n += wire_decimal(dst + n, headers.len + payload.len);
    n += put(dst + n, "\r\n", 2);
    if (headers.len)
        n += put(dst + n, headers.ptr, headers.len);
    if (payload.len)
        n += put(dst + n, payload.ptr, payload.len);
    n += put(dst + n, "\r\n", 2);
    client_wrote(client, n);
    return true;
}

bool client_subscribe(struct client *client, const char *subject, unsigned id)
{
    char *dst = client_room(client, strlen(subject) + 32);
    if (!dst)
        return false;
    client_wrote(client, (size_t)sprintf(dst, "SUB %s %u\r\n", subject, id));
    return true;
}

bool client_ping(struct client *client)
{
    char *dst = client_room(client, 6);
    if (dst)
        client_wrote(client, put(dst, "PING\r\n", 6));
    return dst != NULL;
}

/* ---- in ------------------------------------------------------------------------------------- */

static void take_info(struct client *client, leat_bytes json)
{
    struct client_info *info = &client->info;
    char version[32];
    if (!json_find_string(json, "version", version, sizeof version))
        return; /* a later INFO may leave things out */
    memcpy(info->version, version, sizeof version);
    if (sscanf(version, "%d.%d", &info->major, &info->minor) != 2)
        info->major = info->minor = 0;
    (void)json_find_string(json, "server_name", info->server_name, sizeof info->server_name);
    (void)json_find_string(json, "nonce", info->nonce, sizeof info->nonce);
    info->max_payload = json_find_uint(json, "max_payload", 1048576);
    info->headers = json_find_bool(json, "headers");
    info->jetstream = json_find_bool(json, "jetstream");
    info->tls_required = json_find_bool(json, "tls_required");
    info->tls_available = json_find_bool(json, "tls_available");
}

static void take_message(struct client *client, const struct wire_event *event)
{
    leat_bytes subject = event->subject;
    char kind = '!'; /* not to our inbox: another subscription */
    uint64_t number = event->subscription;
    if (event->subscription == 1) {
        if (subject.len < client->inbox_len + 2 ||
            memcmp(subject.ptr, client->inbox, client->inbox_len) != 0)
            return;
        kind = subject.ptr[client->inbox_len];
        leat_bytes digits = {subject.ptr + client->inbox_len + 1,
                             subject.len - client->inbox_len - 1};
        if (!json_uint(digits, &number))
            return;
    }
    if (kind == 'r') {
        if (number == client->waits_for) {
            client->answer = *event;
            client->answered = true;
        }
    } else {
        client->events.message(client->events.context, kind, number, event);
    }
}

static void take_error(struct client *client, leat_bytes text)
{
    static const char violation[] = "Permissions Violation";
    if (text.len >= sizeof violation - 1 && memcmp(text.ptr, violation, sizeof violation - 1) == 0)
        client->events.denied(client->events.context, text);
    else
        (void)lose(client, "the server said: %.*s", (int)(text.len < 150 ? text.len : 150),
                   text.ptr);
}

static bool dispatch(struct client *client, const struct wire_event *event)
{
    switch (event->kind) {
    case WIRE_INFO:
        take_info(client, event->text);
        break;
    case WIRE_MESSAGE:
        take_message(client, event);
        break;
    case WIRE_PING: {
        char *dst = client_room(client, 6);
        if (dst)
            client_wrote(client, put(dst, "PONG\r\n", 6));
        break; /* no room: much is on its way, which the server counts as life too */
    }
    case WIRE_PONG:
        client->ponged = true;
        break;
    case WIRE_ERR:
        take_error(client, event->text);
        break;
    case WIRE_BROKEN:
        return lose(client, "the server does not speak the NATS protocol");
    default:
        break;
    }
    return true;
}

/* Parses what is in the buffer.  Stops behind a request's answer, so that its views stay. */
static bool parse(struct client *client)
{
    struct wire_event event;
    while (client->in_at < client->in_len && !client->answered) {
        size_t left = client->in_len - client->in_at, need;
        if (client->in_skip) {
            size_t step = client->in_skip < left ? (size_t)client->in_skip : left;
            client->in_skip -= step;
            client->in_at += step;
            continue;
        }
        if (left < client->in_need)
            break;
        size_t used = wire_parse(client->in + client->in_at, left, CLIENT_MESSAGE_MAX, &event,
                                 &client->in_skip, &need);
        client->in_need = event.kind == WIRE_MORE ? need : 0;
        if (event.kind == WIRE_MORE)
            break;
        client->in_at += used;
        if (!dispatch(client, &event))
            return false;
    }
    return true;
}

/* Room behind what is kept; a control answer larger than the buffer makes it grow, which the data
 * path's short acknowledgements never do. */
static bool make_room(struct client *client)
{
    size_t left = client->in_len - client->in_at;
    if (client->in_at) {
        memmove(client->in, client->in + client->in_at, left);
        client->in_at = 0;
        client->in_len = left;
    }
    size_t want = client->in_need > WIRE_LINE_MAX ? client->in_need : WIRE_LINE_MAX;
    if (want >= client->in_size) {
        char *bigger = realloc(client->in, want + WIRE_LINE_MAX);
        if (!bigger)
            return lose(client, "no memory for an answer of %zu bytes", want);
        client->in = bigger;
        client->in_size = want + WIRE_LINE_MAX;
    }
    return true;
}

bool client_read(struct client *client)
{
    client->answered = false;
    for (;;) {
        if (client->lost || !parse(client))
            return false;
        if (client->answered || client->lost)
            return !client->lost;
        if (!make_room(client))
            return false;
        size_t room = client->in_size - client->in_len;
        int64_t n = socket_read(&client->socket, client->in + client->in_len, room);
        if (n < 0)
            return lose(client, "the connection was closed");
        if (n == 0)
            return true;
        client->in_len += (size_t)n;
        client->heard_ms = socket_clock_ms();
        /* A short read on a plain socket means that it is empty: no second call to learn it. */
        if (!client->socket.ssl && (size_t)n < room)
            return parse(client) && !client->lost;
    }
}

leat_status client_request(struct client *client, const char *subject, leat_bytes payload,
                           int64_t timeout_ms, leat_error *error)
{
    return client_request_with(client, subject, (leat_bytes){NULL, 0}, payload, timeout_ms, error);
}

bool client_answer(struct client *client, leat_bytes reply, leat_bytes payload)
{
    char subject[512];
    if (!reply.len || reply.len >= sizeof subject)
        return false;
    memcpy(subject, reply.ptr, reply.len);
    subject[reply.len] = '\0';
    return client_publish(client, subject, '\0', 0, (leat_bytes){NULL, 0}, payload);
}

leat_status client_request_with(struct client *client, const char *subject, leat_bytes headers,
                                leat_bytes payload, int64_t timeout_ms, leat_error *error)
{
    int64_t deadline = socket_clock_ms() + timeout_ms;
    uint64_t number = ++client->last_number;
    client->waits_for = number;
    client->answered = false;
    bool sent = client_publish(client, subject, 'r', number, headers, payload);
    for (;;) {
        if (!client_flush(client) || !client_read(client))
            return nats_fail(error, LEAT_ERETRY, "%s: %s", client->server, client->lost_text);
        if (client->answered) {
            client->waits_for = 0;
            return LEAT_OK;
        }
        if (!sent)
            sent = client_publish(client, subject, 'r', number, headers, payload);
        int64_t left = deadline - socket_clock_ms();
        if (left <= 0)
            return nats_fail(error, LEAT_AGAIN, "%s: no answer to %s in %lld ms", client->server,
                             subject, (long long)timeout_ms);
        (void)socket_wait(&client->socket, client_unsent(client), -1, left);
    }
}

/* ---- opening -------------------------------------------------------------------------------- */

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
