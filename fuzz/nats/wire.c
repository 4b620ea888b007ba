/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.c -- fuzzes what a NATS server can send: the protocol, header blocks, acknowledgements, and
 * identities in headers.  The bytes are parsed as a connection would, out of an exact allocation.
 */
#include "identity.h"
#include "stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct wire_event *event)
{
    struct publish_ack ack;
    struct range range;
    leat_bytes value;
    (void)stream_parse_ack(event, "S", &ack);
    (void)wire_header(event->headers, "Nats-Msg-Id", &value);
    if (identity_of_headers(event->headers, "slot", &range) &&
        leat_identity_compare(range.first, range.last) > 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_event event;
    uint64_t skip;
    size_t need, at = 0;
    char *exact = malloc(size ? size : 1);
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    while (at < size) {
        size_t used = wire_parse(exact + at, size - at, 512, &event, &skip, &need);
        if (event.kind == WIRE_MORE || event.kind == WIRE_BROKEN)
            break;
        if (!used || used > size - at)
            abort();
        if (event.kind == WIRE_MESSAGE)
            look(&event);
        at += used;
        at += skip < size - at ? (size_t)skip : size - at;
    }
    free(exact);
    return 0;
}
