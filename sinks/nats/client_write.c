/* SPDX-License-Identifier: Apache-2.0
 *
 * client_write.c -- the client's bytes on their way out: one buffer, and behind it a payload that is
 * sent from where it lies.  See client.h.  Used by the client's thread; never waits, allocates nothing.
 */
#include "client.h"

#include <stdio.h>

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
            return client_read(client) && client_lose(client, "the connection was closed");
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
