/* SPDX-License-Identifier: Apache-2.0
 *
 * publish.c -- see the header.  Message by message; pack.c has several records in one message, atomic.c
 * the atomic batches.
 */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>

bool publisher_init(struct publisher *publisher)
{
    if (publisher->options->pack_records <= 1)
        return true;
    publisher->pack = malloc((size_t)publisher->options->pack_size);
    return publisher->pack != NULL;
}

void publisher_fini(struct publisher *publisher)
{
    free(publisher->pack);
    publisher->pack = NULL;
}

/* The subjects that answers come to are used again and again: a new one for each message would cost
 * the server an eighth of its time, because it looks up who listens there and remembers it, in a
 * cache of 512 subjects.  With dedupe: sequence the answer's sequence says which message is meant,
 * so there are never more; else as many as there may be messages in flight, so that none ever means
 * two.  An atomic batch may be answered twice (its first message and its last), so there a number
 * is never used again. */
static uint64_t reply_mask(const struct nats_options *options)
{
    uint64_t mask = 1;
    if (options->publish == PUBLISH_ATOMIC)
        return UINT64_MAX;
    while (mask < nats_window(options) - 1 &&
           (options->dedupe != DEDUPE_SEQUENCE || mask < REPLY_SUBJECTS - 1))
        mask = mask << 1 | 1;
    return mask;
}

uint64_t publisher_number(const struct publisher *publisher, uint64_t reply, uint64_t sequence)
{
    const struct window *window = publisher->window;
    uint64_t mask = publisher->reply_mask;
    uint64_t number = window->next_message - 1 - (publisher->sequence - sequence);
    if (publisher->options->dedupe == DEDUPE_SEQUENCE && mask != UINT64_MAX && sequence &&
        number >= window->head_message && number < window->next_message &&
        ((number ^ reply) & mask) == 0)
        return number;
    return window->head_message + ((reply - window->head_message) & mask);
}

void publisher_reset(struct publisher *publisher)
{
    publisher->reply_mask = reply_mask(publisher->options);
    publisher->pack_len = publisher->pack_count = 0;
    publisher->group.count = 0;
    publisher->part = 0;
    publisher->patient_until_ms = 0;
    publisher->rejected = false;
}

bool publisher_has_room(struct publisher *publisher)
{
    const struct window *window = publisher->window;
    uint64_t messages = nats_window(publisher->options);
    uint64_t bytes = (uint64_t)publisher->options->window_size;
    uint64_t out = window->next_message - window->head_message;
    if (!out) {
        publisher->throttled = false;
        return true;
    }
    /* Once full, it opens again when half of it is answered: then what follows goes out in large
     * pieces, which spares both sides most of their system calls. */
    if (publisher->throttled)
        publisher->throttled = window->messages > messages / 2 || window->bytes > bytes / 2;
    else
        publisher->throttled = window->messages >= messages || window->bytes >= bytes;
    return !publisher->throttled && !publisher->cautious && out < WINDOW_MAX &&
           (out <= publisher->reply_mask || publisher->options->dedupe == DEDUPE_SEQUENCE);
}

/* A subject that the server would take for another one, or not take at all: no empty token, no
 * wildcard, no space, not one of the server's own. */
static bool good_subject(leat_bytes subject)
{
    bool empty = true;
    if (!subject.len || subject.ptr[0] == '$')
        return false;
    for (size_t i = 0; i < subject.len; i++) {
        unsigned char c = (unsigned char)subject.ptr[i];
        if (c <= ' ' || c == '*' || c == '>' || c == 0x7f || (c == '.' && empty))
            return false;
        empty = c == '.';
    }
    return !empty;
}

bool publisher_reject(struct publisher *publisher, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(publisher->reject_text, sizeof publisher->reject_text, format, args);
    va_end(args);
    publisher->rejected = true;
    publisher->too_large = false;
    return false;
}

bool publisher_may_send(struct publisher *publisher, const leat_record *record, size_t headers)
{
    if (!good_subject(record->route))
        return publisher_reject(publisher, "the route gives no subject that NATS takes");
    if (!record->id.len || record->id.len > MESSAGE_ID_MAX)
        return publisher_reject(publisher, "an identity of %zu bytes", record->id.len);
    if (headers + record->value.len > publisher->size_limit) {
        (void)publisher_reject(publisher,
                               "a message of %zu bytes with its headers, and the limit (the "
                               "server's max_payload or the stream's max_msg_size) is %llu",
                               headers + record->value.len,
                               (unsigned long long)publisher->size_limit);
        publisher->too_large = true;
        return false;
    }
    return true;
}

void publisher_skip(struct publisher *publisher)
{
    struct window *window = publisher->window;
    struct place place;
    /* A batch is not finished before the message that is still open is. */
    uint64_t message = window->next_message - (publisher->pack_count ? 0 : 1);
    while (publisher->skip->count && window_next(window, &place) &&
           skip_holds(publisher->skip, window_record(window, place)->identity))
        window_pass(window, message);
}

/* ---- the bytes of a message ------------------------------------------------------------------ */

static char *put(char *dst, const char *text, size_t len)
{
    memcpy(dst, text, len);
    return dst + len;
}

#define PUT(dst, literal) put((dst), (literal), sizeof(literal) - 1)

static char *put_header(char *dst, const char *name, size_t name_len, leat_bytes value)
{
    dst = put(dst, name, name_len);
    dst = PUT(dst, ": ");
    dst = put(dst, value.ptr, value.len);
    return PUT(dst, "\r\n");
}

static char *put_number_header(char *dst, const char *name, uint64_t number)
{
    dst = put(dst, name, strlen(name));
    dst = PUT(dst, ": ");
    dst += wire_decimal(dst, number);
    return PUT(dst, "\r\n");
}

size_t message_headers(const struct publisher *publisher, const struct message *message, char *dst)
{
    char *p = PUT(dst, "NATS/1.0\r\n");
    if (publisher->options->dedupe == DEDUPE_MSG_ID)
        p = put_header(p, HEADER_MSG_ID, sizeof HEADER_MSG_ID - 1, message->id);
    else
        p = put_header(p, HEADER_ID, sizeof HEADER_ID - 1, message->id);
    if (publisher->options->dedupe == DEDUPE_SEQUENCE && message->batch_sequence <= 1)
        p = put_number_header(p, "Nats-Expected-Last-Sequence", publisher->sequence);
    if (message->count > 1) {
        p = put_header(p, HEADER_FIRST, sizeof HEADER_FIRST - 1, message->first_id);
        p = put_number_header(p, HEADER_COUNT, message->count);
    }
    if (message->batch_sequence) {
        p = put_header(p, "Nats-Batch-Id", 13, message->batch_id);
        p = put_number_header(p, "Nats-Batch-Sequence", message->batch_sequence);
        if (message->part)
            p = put_number_header(p, HEADER_PART, message->part);
        if (message->commit)
            p = PUT(p, "Nats-Batch-Commit: 1\r\n");
    }
    p = PUT(p, "\r\n");
    return (size_t)(p - dst);
}

size_t message_overhead(const struct publisher *publisher, const struct message *message)
{
    return message->subject.len + publisher->client->inbox_len + message->id.len +
           message->first_id.len + message->batch_id.len + MESSAGE_FIXED;
}

bool message_write(struct publisher *publisher, const struct message *message)
{
    struct client *client = publisher->client;
    char headers[MESSAGE_HEADERS_MAX];
    size_t headers_len = message_headers(publisher, message, headers);
    bool copied = message->payload.len <= CLIENT_COPY_MAX;
    size_t room =
        message_overhead(publisher, message) + headers_len + (copied ? message->payload.len : 0);
    char *start = client_room(client, room), *p = start;
    if (!start)
        return false;
    p = PUT(p, "HPUB ");
    p = put(p, message->subject.ptr, message->subject.len);
    *p++ = ' ';
    if (message->kind) {
        p = put(p, client->inbox, client->inbox_len);
        *p++ = message->kind;
        p += wire_decimal(p, message->number & publisher->reply_mask);
        *p++ = ' ';
    }
    p += wire_decimal(p, headers_len);
    *p++ = ' ';
    p += wire_decimal(p, headers_len + message->payload.len);
    p = PUT(p, "\r\n");
    p = put(p, headers, headers_len);
    if (copied && message->payload.len)
        p = put(p, message->payload.ptr, message->payload.len);
    if (copied)
        p = PUT(p, "\r\n");
    client_wrote(client, (size_t)(p - start));
    if (!copied)
        client_tail(client, message->payload);
    return true;
}

/* ---- one record, one message ----------------------------------------------------------------- */

/* Each message asks for an answer of its own, also with dedupe: sequence, where the server stores
 * one only behind the one before it: when somebody else writes one message in between, ours is
 * refused and the one behind it is stored, so an answer to the later says nothing of the earlier.
 */
bool publisher_send_single(struct publisher *publisher, struct place place)
{
    struct window *window = publisher->window;
    const leat_record *record = window_record(window, place);
    struct message message = {.subject = record->route,
                              .id = record->id,
                              .payload = record->value,
                              .kind = 'a',
                              .number = window->next_message,
                              .count = 1};
    if (!publisher_may_send(publisher, record, MESSAGE_FIXED + record->id.len) ||
        !message_write(publisher, &message))
        return false;
    publisher->sequence++;
    window_pass(window, window->next_message);
    (void)window_launch(window, &(struct flight){.first = place,
                                                 .last = place,
                                                 .bytes = (uint32_t)record->value.len,
                                                 .messages = 1,
                                                 .expected = publisher->sequence});
    return true;
}

static void run_single(struct publisher *publisher)
{
    struct place place;
    for (;;) {
        publisher_skip(publisher);
        if (!window_next(publisher->window, &place) || !publisher_has_room(publisher) ||
            !publisher_send_single(publisher, place))
            return;
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

void publisher_run(struct publisher *publisher, bool idle)
{
    if (publisher->rejected)
        return;
    if (publisher->options->publish == PUBLISH_ATOMIC)
        publisher_run_atomic(publisher, idle);
    else if (publisher->options->pack_records > 1)
        publisher_run_packed(publisher, idle && publisher->options->pack_max_delay_ms == 0);
    else
        run_single(publisher);
}

int64_t publisher_due_ms(const struct publisher *publisher)
{
    if (publisher->patient_until_ms)
        return publisher->patient_until_ms;
    if (!publisher->pack_count)
        return INT64_MAX;
    return publisher->pack_since_ms + publisher->options->pack_max_delay_ms;
}
