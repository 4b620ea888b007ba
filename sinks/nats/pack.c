/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.c -- several records in one message (pack): a run of consecutive ones of one subject, so that
 * the stream's last message still says what all it holds.  See publish.h.  [worker]
 */
#include "message.h"

/* Sends the open message; false while there is no room. */
static bool send_pack(struct publisher *publisher)
{
    struct window *window = publisher->window;
    const leat_record *first = window_record(window, publisher->pack_first);
    const leat_record *last = window_record(window, publisher->pack_last);
    struct message message = {.subject = first->route,
                              .id = last->id,
                              .first_id = first->id,
                              .payload = {publisher->pack, publisher->pack_len},
                              .kind = 'a',
                              .number = window->next_message,
                              .count = publisher->pack_count};
    if (!publisher_has_room(publisher) || !message_write(publisher, &message))
        return false;
    publisher->sequence++;
    (void)window_launch(window, &(struct flight){.first = publisher->pack_first,
                                                 .last = publisher->pack_last,
                                                 .bytes = (uint32_t)publisher->pack_len,
                                                 .messages = 1,
                                                 .expected = publisher->sequence});
    publisher->pack_len = publisher->pack_count = 0;
    return true;
}

static bool same_subject(leat_bytes a, leat_bytes b)
{
    return a.len == b.len && (a.ptr == b.ptr || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool fits_pack(const struct publisher *publisher, const leat_record *record)
{
    if (!publisher->pack_count)
        return true;
    const leat_record *first = window_record(publisher->window, publisher->pack_first);
    return publisher->pack_count < publisher->options->pack_records &&
           publisher->pack_len + record->value.len + 1 <= (size_t)publisher->options->pack_size &&
           publisher->pack_len + record->value.len + 2 * MESSAGE_FIXED + 2 * MESSAGE_ID_MAX <=
               publisher->size_limit &&
           same_subject(first->route, record->route);
}

static void add_to_pack(struct publisher *publisher, struct place place, const leat_record *record)
{
    if (!publisher->pack_count++) {
        publisher->pack_first = place;
        publisher->pack_since_ms = socket_clock_ms();
    } else if (publisher->lines) {
        publisher->pack[publisher->pack_len++] = '\n';
    }
    publisher->pack_last = place;
    memcpy(publisher->pack + publisher->pack_len, record->value.ptr, record->value.len);
    publisher->pack_len += record->value.len;
    window_pass(publisher->window, publisher->window->next_message);
}

/* A large message is sent from the pack itself: then nothing new goes into it. */
static bool pack_is_out(const struct publisher *publisher)
{
    const char *at = publisher->client->tail.ptr;
    return publisher->client->tail.len && at >= publisher->pack &&
           at < publisher->pack + publisher->options->pack_size;
}

void publisher_run_packed(struct publisher *publisher, bool idle)
{
    struct window *window = publisher->window;
    struct place place;
    for (;;) {
        publisher_skip(publisher);
        if (!window_next(window, &place))
            break;
        const leat_record *record = window_record(window, place);
        bool alone = record->value.len > (size_t)publisher->options->pack_size;
        if (publisher->pack_count && (alone || !fits_pack(publisher, record)) &&
            !send_pack(publisher))
            return;
        if (!publisher_has_room(publisher) || pack_is_out(publisher))
            return;
        if (alone ? !publisher_send_single(publisher, place)
                  : !publisher_may_send(publisher, record, MESSAGE_FIXED + 2 * record->id.len))
            return;
        if (!alone)
            add_to_pack(publisher, place, record);
    }
    if (publisher->pack_count && (idle || publisher_due_ms(publisher) <= socket_clock_ms() ||
                                  publisher->pack_count >= publisher->options->pack_records))
        (void)send_pack(publisher);
}
