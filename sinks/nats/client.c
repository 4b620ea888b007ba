/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c -- what comes in, and requests.  See the header; client_write.c has what goes out,
 * client_open.c how a connection begins.
 */
#include "client.h"
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

bool client_lose(struct client *client, const char *format, ...)
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
        (void)client_lose(client, "the server said: %.*s", (int)(text.len < 150 ? text.len : 150),
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
        if (dst) {
            memcpy(dst, "PONG\r\n", 6);
            client_wrote(client, 6);
        }
        break; /* no room: much is on its way, which the server counts as life too */
    }
    case WIRE_PONG:
        client->ponged = true;
        break;
    case WIRE_ERR:
        take_error(client, event->text);
        break;
    case WIRE_BROKEN:
        return client_lose(client, "the server does not speak the NATS protocol");
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
            return client_lose(client, "no memory for an answer of %zu bytes", want);
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
            return client_lose(client, "the connection was closed");
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
