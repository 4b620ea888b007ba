/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h -- one connection to one NATS server: login, bytes out, messages in, requests.
 *
 * Used by one thread.  Never reconnects: when a connection is lost, everything about it is
 * forgotten, and whoever owns the client decides what to do.  No thread of its own, so an
 * acknowledgement is seen where it is waited for, and nothing is handed over.
 *
 * Every answer comes to "<inbox>.<kind><number>": one letter and a decimal number that the asker
 * chose.
 */
#ifndef NATS_CLIENT_H
#define NATS_CLIENT_H

#include "socket.h"
#include "wire.h"

enum {
    CLIENT_OUT = 256 * 1024,              /* bytes waiting to be sent */
    CLIENT_COPY_MAX = 32 * 1024,          /* longer payloads are sent from where they lie */
    CLIENT_MESSAGE_MAX = 8 * 1024 * 1024, /* of a larger message only the beginning is kept */
    CLIENT_INBOX_MAX = 160
};

struct client_events { /* called inside client_read, on its thread */
    void *context;
    void (*message)(void *context, char kind, uint64_t number, const struct wire_event *event);
    void (*denied)(void *context, leat_bytes text); /* a publish that the permissions forbid */
};

struct client_info { /* what the server said of itself */
    char version[32], server_name[128], nonce[128];
    int major, minor;
    uint64_t max_payload;
    bool headers, jetstream, tls_required, tls_available;
};

struct client {
    const struct nats_options *options;
    const char *name;
    const leat_host *host; /* for leat.secrets/1; NULL: there is none (check) */
    struct client_events events;
    struct socket socket;
    struct client_info info;
    char inbox[CLIENT_INBOX_MAX]; /* "_INBOX.abc.": ends with the dot */
    size_t inbox_len;
    char server[300]; /* "host:port", for texts */

    char *in;
    size_t in_size, in_at, in_len, in_need;
    uint64_t in_skip;

    char *out; /* [out_sent, out_len) waits; then the tail, then CRLF */
    size_t out_sent, out_len;
    leat_bytes tail; /* lent by the caller until it is acknowledged */

    uint64_t waits_for; /* the request's number; 0: none */
    uint64_t last_number;
    struct wire_event answer; /* views, until the next read */
    bool answered, ponged, lost;
    char lost_text[200];
    int64_t heard_ms; /* when something arrived last */
};

/* The buffers, once an instance.  False: no memory. */
bool client_init(struct client *client, const struct nats_options *options, const char *name);
void client_fini(struct client *client); /* forgives a zeroed one */

/* Connects to the `index`-th URL and logs in.  Blocks, at most connect_timeout. */
leat_status client_open(struct client *client, size_t index, leat_error *error);
void client_close(struct client *client);

/* The connection is lost, says the text; the first one stays.  Always false. */
bool client_lose(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `size` contiguous bytes at the end of what is to be sent, or NULL while there is none;
 * then client_wrote.  A tail follows what was written last. */
char *client_room(struct client *client, size_t size);
void client_wrote(struct client *client, size_t len);
void client_tail(struct client *client, leat_bytes payload);
bool client_unsent(const struct client *client);

/* Sends what the socket takes; reads what is there and dispatches it.  Never block.  False: the
 * connection is lost, lost_text says why. */
bool client_flush(struct client *client);
bool client_read(struct client *client);

/* A publish that is answered to "<inbox><kind><number>" (kind 0: not at all).  headers: the whole
 * block, or empty.  Not for large payloads.  False: no room now. */
bool client_publish(struct client *client, const char *subject, char kind, uint64_t number,
                    leat_bytes headers, leat_bytes payload);

/* A request, waiting for its answer: client->answer, until the next read.  AGAIN: none came in
 * time; ERETRY: the connection is lost.  Other messages are dispatched meanwhile. */
leat_status client_request(struct client *client, const char *subject, leat_bytes payload,
                           int64_t timeout_ms, leat_error *error);
leat_status client_request_with(struct client *client, const char *subject, leat_bytes headers,
                                leat_bytes payload, int64_t timeout_ms, leat_error *error);
/* Answers somebody's request. */
bool client_answer(struct client *client, leat_bytes reply, leat_bytes payload);

/* Writes "SUB subject id\r\n". */
bool client_subscribe(struct client *client, const char *subject, unsigned id);
bool client_ping(struct client *client);

#endif
