/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.c -- see the header.
 */
#include "tail.h"
#include "json.h"
#include "nkey.h"

#include <stdio.h>
#include <stdlib.h>

void tail_begin(struct tail *tail, struct client *client, struct skip *found,
                const struct stream_info *info, const char *name_space, size_t depth)
{
    memset(tail, 0, sizeof *tail);
    tail->client = client;
    tail->found = found;
    tail->name_space = name_space;
    tail->depth = depth;
    /* Any replica answers a direct read, also one that does not have the newest messages yet. */
    tail->direct = info->allow_direct && info->replicas <= 1;
    tail->next = info->last_sequence + 1;
    tail->first_sequence = info->messages ? info->first_sequence : tail->next;
    skip_clear(found);
}

/* The message in an answer of STREAM.MSG.GET: only its headers, which stand before its data, so
 * that a cut answer is as good. */
static bool range_of_answer(const struct wire_event *event, const char *name_space,
                            struct range *range, uint64_t *sequence)
{
    leat_bytes value;
    char headers[4096];
    size_t len;
    *sequence = json_find_uint(event->payload, "message.seq", 0);
    if (!json_find(event->payload, "message.hdrs", &value) || value.len < 2)
        return false;
    value = (leat_bytes){value.ptr + 1, value.len - 2};
    return base64_decode(value, headers, sizeof headers, &len) &&
           identity_of_headers((leat_bytes){headers, len}, name_space, range);
}

/* The same in an answer to a direct read: the message as it was, its headers in front. */
static bool range_of_message(const struct wire_event *event, const char *name_space,
                             struct range *range)
{
    return wire_status(event->headers) == 0 &&
           identity_of_headers(event->headers, name_space, range);
}

void tail_indirect(struct tail *tail)
{
    tail->direct = false;
    tail->asked = 0;
}

/* There is no such message (it was removed), as opposed to: no answer can be had now. */
static bool says_none(const struct wire_event *event, bool direct)
{
    int status = wire_status(event->headers);
    return direct ? status == 404
                  : status == 0 && json_find_int(event->payload, "error.err_code", 0) ==
                                       STREAM_MESSAGE_NOT_FOUND;
}

void tail_answer(struct tail *tail, char kind, uint64_t number, const struct wire_event *event)
{
    uint64_t sequence = 0;
    if (kind != (tail->direct ? 'd' : 'g') || number < tail->base ||
        number - tail->base >= tail->asked)
        return;
    struct tail_slot *slot = &tail->slots[number - tail->base];
    if (slot->answered)
        return;
    slot->answered = true;
    if (wire_status(event->headers) == 503 && tail->direct) {
        tail->refused = true;
    } else if (!says_none(event, tail->direct)) {
        slot->ours = tail->direct
                         ? range_of_message(event, tail->name_space, &slot->range)
                         : range_of_answer(event, tail->name_space, &slot->range, &sequence);
        tail->failed |= !tail->direct && sequence != number;
        tail->failed |= tail->direct && wire_status(event->headers) != 0;
    }
    tail->answered++;
}

static bool ask(struct tail *tail, uint64_t sequence)
{
    char subject[640], body[64];
    stream_subject(tail->client->options, tail->direct ? "DIRECT.GET" : "STREAM.MSG.GET", subject,
                   sizeof subject);
    int len = snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)sequence);
    return client_publish(tail->client, subject, tail->direct ? 'd' : 'g', sequence,
                          (leat_bytes){NULL, 0}, (leat_bytes){body, (size_t)len});
}

/* Asks for the next chunk, downwards: one message first, because mostly that is all there is. */
static void ask_chunk(struct tail *tail)
{
    uint64_t left = tail->next - tail->first_sequence;
    uint64_t count = tail->scanned == 0 ? 1 : TAIL_CHUNK;
    count = count < left ? count : left;
    tail->base = tail->next - count;
    tail->asked = count;
    tail->answered = 0;
    memset(tail->slots, 0, sizeof tail->slots);
    for (uint64_t i = 0; i < count; i++) {
        if (ask(tail, tail->base + i))
            continue;
        tail->base += i; /* unreachable: a chunk of questions fits into the buffer */
        break;
    }
}

static bool take(struct tail *tail, struct range range)
{
    if (!tail->count++)
        tail->newest = range;
    tail->oldest = range;
    if (tail->has_floor && leat_identity_compare(range.last, tail->floor) <= 0) {
        tail->below_floor = true;
        return true;
    }
    skip_add(tail->found, range);
    return tail->count >= tail->depth;
}

/* True when enough of ours was seen. */
static bool take_chunk(struct tail *tail)
{
    bool enough = false;
    for (uint64_t i = tail->asked; i-- > 0 && !enough;)
        if (tail->slots[i].ours)
            enough = take(tail, tail->slots[i].range);
    tail->scanned += tail->asked;
    tail->next = tail->base;
    tail->asked = 0;
    return enough;
}

/* ---- a stream that others write into, too ---------------------------------------------------- */

/* The last message of one subject: whose, and where. */
static leat_status ask_subject(struct tail *tail, leat_bytes name, bool *ours, uint64_t *sequence,
                               leat_error *error)
{
    char subject[640], body[2048];
    struct range range;
    static const char head[] = "{\"last_by_subj\":\"";
    if (name.len + sizeof head + 2 > sizeof body)
        return nats_fail(error, LEAT_AGAIN, "a subject is too long");
    memcpy(body, head, sizeof head - 1);
    memcpy(body + sizeof head - 1, name.ptr, name.len);
    memcpy(body + sizeof head - 1 + name.len, "\"}", 2);
    stream_subject(tail->client->options, "STREAM.MSG.GET", subject, sizeof subject);
    leat_status status = client_request(
        tail->client, subject, (leat_bytes){body, sizeof head + 1 + name.len}, 5000, error);
    if (!status)
        *ours = range_of_answer(&tail->client->answer, tail->name_space, &range, sequence);
    return status;
}

/* Many messages of others lie behind ours.  One look at the last message of each subject says
 * where ours can be at all: at the newest that is ours, or below the newest foreign one that may
 * hide one of ours.  Whatever goes wrong here only costs time: the walk goes on from where it is.
 */
static leat_status look_at_subjects(struct tail *tail, const struct stream_info *info,
                                    leat_error *error)
{
    static const char body[] = "{\"subjects_filter\":\">\"}";
    char subject[640];
    leat_bytes subjects, name, value;
    uint64_t newest_ours = 0, newest_foreign = 0;
    tail->looked_at_subjects = true;
    if (info->subject_count == 0 || info->subject_count > TAIL_SUBJECTS_MAX)
        return LEAT_OK;
    stream_subject(tail->client->options, "STREAM.INFO", subject, sizeof subject);
    leat_status status =
        client_request(tail->client, subject, (leat_bytes){body, sizeof body - 1}, 10000, error);
    if (status || tail->client->answer.cut ||
        !json_find(tail->client->answer.payload, "state.subjects", &subjects))
        return status == LEAT_ERETRY ? status : LEAT_OK;
    /* The views die with the next read, so the names are copied first. */
    char *copy = malloc(subjects.len);
    if (!copy)
        return LEAT_OK;
    memcpy(copy, subjects.ptr, subjects.len);
    subjects.ptr = copy;
    uint64_t seen = 0;
    for (size_t at = 0; !status && json_next_member(subjects, &at, &name, &value); seen++) {
        bool ours = false;
        uint64_t sequence = 0;
        status = ask_subject(tail, name, &ours, &sequence, error);
        uint64_t *newest = ours ? &newest_ours : &newest_foreign;
        if (sequence > *newest)
            *newest = sequence;
    }
    free(copy);
    if (status == LEAT_ERETRY)
        return status;
    uint64_t top = newest_ours > newest_foreign ? newest_ours : newest_foreign;
    if (!status && seen >= info->subject_count && top && top + 1 < tail->next &&
        top >= tail->first_sequence)
        tail->next = top + 1;
    return LEAT_OK;
}

/* ---- driving it ------------------------------------------------------------------------------ */

leat_status tail_step(struct tail *tail, const struct stream_info *info, int64_t slice_ms,
                      leat_error *error)
{
    struct client *client = tail->client;
    int64_t end = socket_clock_ms() + slice_ms;
    for (;;) {
        if (!tail->asked) {
            if (tail->next <= tail->first_sequence || tail->count >= tail->depth ||
                tail->below_floor)
                return LEAT_OK;
            if (!tail->count && tail->scanned > 4 * TAIL_CHUNK && !tail->looked_at_subjects) {
                leat_status status = look_at_subjects(tail, info, error);
                if (status)
                    return status;
            }
            ask_chunk(tail);
        }
        if (!client_flush(client) || !client_read(client))
            return nats_fail(error, LEAT_ERETRY, "%s: %s", client->server, client->lost_text);
        if (tail->failed)
            return nats_fail(error, LEAT_ERETRY, "%s: the stream's end cannot be read now",
                             client->server);
        if (tail->refused) {
            tail->refused = false;
            tail_indirect(tail);
            continue;
        }
        if (tail->answered == tail->asked) {
            if (take_chunk(tail))
                return LEAT_OK;
            if (socket_clock_ms() < end)
                continue;
            return LEAT_AGAIN;
        }
        if (socket_clock_ms() - client->heard_ms > client->options->ack_timeout_ms)
            return nats_fail(error, LEAT_ERETRY, "%s: no answer to the look at the stream's end",
                             client->server);
        if (socket_clock_ms() >= end)
            return LEAT_AGAIN;
        (void)socket_wait(&client->socket, client_unsent(client), -1, end - socket_clock_ms());
    }
}

static void hold(leat_sink_start *start, uint32_t holds, leat_identity last)
{
    start->holds = holds;
    start->last = last;
}

/* Without earlier acknowledgements of this instance, the stream alone tells. */
static void conclude_first(struct tail *tail, const struct stream_info *info, leat_identity done,
                           leat_sink_start *start)
{
    bool removed = info->first_sequence > 1 || info->deleted;
    if (!tail->count) {
        /* Nothing of ours.  Only where nothing was ever taken out does that mean that nothing was
         * put in. */
        hold(start, removed && info->last_sequence ? LEAT_HOLDS_UNKNOWN : LEAT_HOLDS_NOTHING, done);
    } else if (start->known && leat_identity_compare(tail->newest.last, start->durable) < 0) {
        /* Less than was known durable.  Messages that are consumed away may explain it; else it
         * is a loss, and the host says so. */
        if (!info->limits_retention)
            hold(start, LEAT_HOLDS_UNKNOWN, done);
        else
            hold(start, LEAT_HOLDS_LAST, tail->newest.last);
    } else if (tail->count >= tail->depth && !tail->below_floor) {
        hold(start, LEAT_HOLDS_LAST, tail->oldest.last);
    } else {
        hold(start, tail->has_floor ? LEAT_HOLDS_LAST : LEAT_HOLDS_UNKNOWN, done);
    }
}

void tail_conclude(struct tail *tail, const struct stream_info *info, enum tail_before before,
                   leat_sink_start *start)
{
    leat_identity done = tail->has_floor ? tail->floor : (leat_identity){0, INT64_MIN};
    if (before == TAIL_FIRST || !tail->has_floor) {
        conclude_first(tail, info, done, start);
    } else if (before == TAIL_REGRESSED) {
        /* What is newer than the floor was stored behind the gap, and is only not sent again.  Up to
         * the floor it was stored without one, so what is left of that has none. */
        hold(start, LEAT_HOLDS_LAST,
             tail->below_floor ? tail->oldest.last : (leat_identity){0, INT64_MIN});
    } else if (tail->count >= tail->depth && !tail->below_floor) {
        /* Messages of a batch that is not acknowledged as a whole, and then a full window. */
        hold(start, LEAT_HOLDS_LAST, tail->oldest.last);
    } else {
        hold(start, LEAT_HOLDS_LAST, done); /* also where consumers have taken it out since */
    }
    skip_seal(tail->found, start->holds == LEAT_HOLDS_LAST ? start->last : done);
}
