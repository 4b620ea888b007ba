/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h -- the NATS client protocol as bytes: a parser for what the server sends, and the few
 * writers for what we send.  Knows no socket.  One connection's, so one thread at a time.
 *
 * The format is that of the NATS documentation, "Client Protocol": lines ended by CRLF; MSG and
 * HMSG are followed by as many bytes as they say, and CRLF.  Everything is hostile: lengths are
 * bounded, and a line that is not understood ends the connection.
 */
#ifndef NATS_WIRE_H
#define NATS_WIRE_H

#include <leat/plugin.h>

enum {
    WIRE_LINE_MAX = 64 * 1024, /* INFO of a large cluster lists all servers */
    WIRE_SUBJECT_MAX = 4096
};

enum wire_kind {
    WIRE_MORE = 0, /* nothing whole yet: read more */
    WIRE_BROKEN,   /* not the protocol: close */
    WIRE_INFO,     /* text: the JSON */
    WIRE_MESSAGE,  /* subject, reply, headers, payload */
    WIRE_PING,
    WIRE_PONG,
    WIRE_OK,
    WIRE_ERR, /* text: without its quotes */
};

struct wire_event { /* views into the parsed bytes */
    enum wire_kind kind;
    leat_bytes text;
    leat_bytes subject, reply, headers, payload;
    uint64_t subscription;
    bool cut; /* the message was larger than the limit: its end is missing */
};

/* Parses one thing at the start of data.  `limit`: the largest message that will ever be waited
 * for; of a larger one the first `limit` bytes are given and *skip says how many bytes behind the
 * used ones are to be thrown away.  Returns how many bytes were used (0 with MORE). *need is set
 * with MORE: how many bytes there must be before it is worth another try. */
size_t wire_parse(const char *data, size_t len, size_t limit, struct wire_event *event,
                  uint64_t *skip, size_t *need);

/* The value of a header in a block "NATS/1.0[ status]\r\nName: value\r\n...\r\n\r\n"; names are
 * compared exactly, as the server writes them back. */
bool wire_header(leat_bytes headers, const char *name, leat_bytes *value);

/* The status of the block's first line ("NATS/1.0 503" is 503); 0: none. */
int wire_status(leat_bytes headers);

/* Writes n in decimal; returns the length, at most 20. */
size_t wire_decimal(char *dst, uint64_t n);

#endif
