/* SPDX-License-Identifier: Apache-2.0
 *
 * start.c -- from nothing to "the stream holds everything up to here".  [worker]
 *
 * Connect; see that the stream is fit; wait until the server has dropped an earlier connection of
 * ours (it may still be reading what that one sent); put a mark behind all that it read; then read
 * the stream's end.
 */
#include "json.h"
#include "certificate.h"
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>

enum { API_TIMEOUT_MS = 5000, SLICE_MS = 200, FENCE_TRY_MS = 200 };

#define LOG(sink, level, message, ...)                                                             \
    do {                                                                                           \
        const leat_field fields[] = {__VA_ARGS__};                                                 \
        (sink)->host->log((sink)->host, (level), (message), fields,                                \
                          sizeof fields / sizeof fields[0]);                                       \
    } while (0)

static leat_status connect_any(leat_sink *sink, leat_error *error)
{
    leat_status status = LEAT_ERETRY;
    for (size_t i = 0; i < sink->options->url.count; i++) {
        size_t index = sink->url_index % sink->options->url.count;
        status = client_open(&sink->client, index, error);
        if (status == LEAT_OK || status == LEAT_ECONFIG)
            return status;
        sink->url_index++;
    }
    return status;
}

/* The subject on which a connection of this sink answers as long as it lives: the same for every
 * process that publishes this namespace into this stream. */
static void name_alive(leat_sink *sink)
{
    uint64_t hash = 14695981039346656037u;
    const char *parts[] = {sink->name_space, "\n", sink->options->stream, "\n",
                           sink->options->domain ? sink->options->domain : ""};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (const char *p = parts[i]; *p; p++)
            hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    (void)snprintf(sink->alive, sizeof sink->alive, "%s.leat-alive.%016llx",
                   sink->options->inbox_prefix, (unsigned long long)hash);
}

static leat_status missing_stream(leat_sink *sink, bool known, leat_error *error)
{
    const char *name = sink->options->stream;
    if (known || sink->has_acked) {
        error->exit_code = 65;
        return nats_fail(error, LEAT_ECONFIG,
                         "stream %s is gone, and with it what was published into it: make it anew "
                         "and remove this sink's position, or give the sink another name",
                         name);
    }
    if (!sink->options->create_stream)
        return nats_fail(error, LEAT_ECONFIG,
                         "stream %s does not exist: make it (nats stream add %s --storage file "
                         "--subjects ...), or set create_stream",
                         name, name);
    leat_status status = stream_create(&sink->client, API_TIMEOUT_MS, error);
    if (status)
        return status;
    LOG(sink, LEAT_LOG_INFO, "stream created", LEAT_F_STR("stream", name));
    status = stream_read(&sink->client, &sink->info, API_TIMEOUT_MS, error);
    if (!status && !sink->info.exists)
        return nats_fail(error, LEAT_ERETRY, "stream %s is not there yet", name);
    return status;
}

/* A stream that holds less than it acknowledged lost it: with its server's power, mostly. */
static void compare_with_before(leat_sink *sink)
{
    sink->before = sink->has_acked ? TAIL_CONTINUED : TAIL_FIRST;
    if (!sink->has_acked)
        return;
    bool other = strcmp(sink->created, sink->info.created) != 0;
    if (!other && !sink->went_back && sink->info.last_sequence >= sink->acked_sequence)
        return;
    LOG(sink, LEAT_LOG_ERROR,
        other ? "the stream was made anew: what it had acknowledged is offered again"
              : "the stream went backwards: what it had acknowledged and lost is offered again",
        LEAT_F_STR("stream", sink->options->stream),
        LEAT_F_UINT("acknowledged", sink->acked_sequence),
        LEAT_F_UINT("last", sink->info.last_sequence));
    sink->before = TAIL_REGRESSED; /* and stays so until a look at the stream is done */
}

void sink_learn_limits(leat_sink *sink)
{
    uint64_t limit = sink->client.info.max_payload;
    if (sink->info.max_message_size > 0 && (uint64_t)sink->info.max_message_size < limit)
        limit = (uint64_t)sink->info.max_message_size;
    sink->publisher.size_limit = limit;
    sink->limits_ms = socket_clock_ms();
}

static leat_status connect(leat_sink *sink, const leat_sink_start *start, leat_error *error)
{
    leat_status status = connect_any(sink, error);
    if (!status)
        status = stream_read(&sink->client, &sink->info, API_TIMEOUT_MS, error);
    if (!status && !sink->info.exists)
        status = missing_stream(sink, start->known, error);
    if (!status)
        status = stream_accept(&sink->info, sink->options, error);
    if (status)
        return status;
    sink_learn_limits(sink);
    sink->denied = false;
    sink->fence_end_ms = 0;
    sink->fence_free = sink->fence_rival = false;
    sink->state = SINK_CONNECTED;
    return LEAT_OK;
}

/* ---- the fence ------------------------------------------------------------------------------- */

/* Asks once, and waits a little for an answer. */
static leat_status ask_alive(leat_sink *sink, leat_error *error)
{
    struct client *client = &sink->client;
    int64_t end = socket_clock_ms() + FENCE_TRY_MS;
    sink->fence_asked++;
    (void)client_publish(client, sink->alive, 'f', sink->fence_asked, (leat_bytes){NULL, 0},
                         (leat_bytes){NULL, 0});
    while (!sink->fence_free && !sink->fence_rival && !sink->denied && socket_clock_ms() < end) {
        if (!client_flush(client) || !client_read(client))
            return nats_fail(error, LEAT_ERETRY, "%s: %s", client->server, client->lost_text);
        if (!sink->fence_free && !sink->fence_rival && !sink->denied)
            (void)socket_wait(&client->socket, client_unsent(client), -1, end - socket_clock_ms());
    }
    return LEAT_OK;
}

/* Is an earlier connection of ours still there?  It listens on `alive`, and the server says
 * "no responders" once it has dropped it, that is, after it has read all that came from it.  OK: it
 * is gone; AGAIN: ask again. */
static leat_status fence(leat_sink *sink, leat_error *error)
{
    if (!sink->fence_end_ms)
        sink->fence_end_ms = socket_clock_ms() + sink->options->fence_timeout_ms;
    leat_status status = ask_alive(sink, error);
    if (status || sink->fence_free)
        return status;
    if (sink->fence_rival)
        return nats_fail(error, LEAT_ERETRY,
                         "another leat with the namespace %s publishes into stream %s: stop one of "
                         "the two, or give each a stream of its own",
                         sink->name_space, sink->options->stream);
    if (sink->denied) {
        LOG(sink, LEAT_LOG_WARN,
            "no permission to ask whether an earlier connection is dead: allow to publish and "
            "subscribe to this subject",
            LEAT_F_STR("subject", sink->alive));
        sink->denied = false;
        return LEAT_OK;
    }
    if (socket_clock_ms() < sink->fence_end_ms)
        return LEAT_AGAIN;
    LOG(sink, LEAT_LOG_WARN,
        "the server still holds an earlier connection of ours: going on, message ids guard against "
        "duplicates for the stream's duplicate window",
        LEAT_F_INT("duplicate_window_ms", sink->info.duplicate_window_ns / 1000000));
    return LEAT_OK;
}

/* What the server has read of an earlier connection may still stand in the stream's queue.  A
 * message that cannot be stored (it expects an impossible sequence) goes through the same queue;
 * its refusal says what the last sequence is by then.  Not being able to is no failure. */
static leat_status pass_queue(leat_sink *sink, leat_error *error)
{
    static const char headers[] =
        "NATS/1.0\r\nNats-Expected-Last-Sequence: 9223372036854775807\r\n\r\n";
    char subject[1024], text[160];
    if (!stream_any_subject(&sink->info, subject, sizeof subject))
        return LEAT_OK;
    leat_status status =
        client_request_with(&sink->client, subject, (leat_bytes){headers, sizeof headers - 1},
                            (leat_bytes){NULL, 0}, 1000, error);
    sink->denied = false;
    if (status)
        return status == LEAT_AGAIN ? LEAT_OK : status;
    leat_bytes payload = sink->client.answer.payload;
    uint64_t last = 0;
    if (json_find_int(payload, "error.err_code", 0) == STREAM_WRONG_LAST_SEQUENCE &&
        json_find_string(payload, "error.description", text, sizeof text)) {
        const char *colon = strrchr(text, ':');
        last = colon ? strtoull(colon + 1, NULL, 10) : 0;
    }
    /* In a cluster, what is agreed on may not be applied yet. */
    for (int i = 0; i < 50; i++) {
        status = stream_read(&sink->client, &sink->info, API_TIMEOUT_MS, error);
        if (status || sink->info.last_sequence >= last)
            break;
    }
    if (!status && !sink->info.exists)
        return nats_fail(error, LEAT_ERETRY, "stream %s went away", sink->options->stream);
    return status;
}

/* ---- looking and going up -------------------------------------------------------------------- */

/* As far as a gap can be, also of a process before this one with another dedupe. */
static size_t look_back(const struct nats_options *options)
{
    return options->window ? (size_t)options->window : WINDOW_SEQUENCE;
}

static void begin_look(leat_sink *sink, const leat_sink_start *start)
{
    compare_with_before(sink);
    size_t depth = sink->options->publish == PUBLISH_ATOMIC ? WINDOW_MAX : look_back(sink->options);
    if (sink->before == TAIL_REGRESSED)
        depth = SKIP_MAX; /* what was stored behind the gap, and then what is before it */
    tail_begin(sink->tail, &sink->client, &sink->skip, &sink->info, sink->name_space, depth);
    sink->tail->has_floor = start->known;
    sink->tail->floor = start->durable;
    if (sink->has_acked &&
        (!start->known || leat_identity_compare(sink->acked, start->durable) > 0)) {
        sink->tail->has_floor = true;
        sink->tail->floor = sink->acked;
    }
    sink->state = SINK_FENCED;
}

/* What the stream is found to hold up to counts as acknowledged, so that its loss is noticed. */
static void remember_held(leat_sink *sink, const leat_sink_start *start)
{
    if (start->holds != LEAT_HOLDS_LAST ||
        (sink->has_acked && leat_identity_compare(start->last, sink->acked) <= 0))
        return;
    sink->acked = start->last;
    sink->has_acked = true;
}

static void go_up(leat_sink *sink, leat_sink_start *start)
{
    const char *why;
    tail_conclude(sink->tail, &sink->info, sink->before, start);
    if (sink->before == TAIL_REGRESSED) {
        sink->acked = start->last;
        sink->acked_sequence = 0;
    }
    sink->went_back = false;
    sink->seen_ms = socket_clock_ms();
    sink->acked_message = 0;
    window_clear(&sink->window);
    publisher_reset(&sink->publisher);
    sink->publisher.sequence = sink->info.last_sequence;
    sink->publisher.lines = !(LEAT_HAS(start, leat_sink_start, format) && start->format &&
                              strcmp(start->format, "msgpack") == 0);
    sink->publisher.cautious = sink->unclear;
    sink->failed = sink->unclear = false;
    sink->denied = false;
    sink->ping_ms = 0;
    sink->progress_ms = socket_clock_ms();
    if (sink->info.last_sequence > sink->acked_sequence)
        sink->acked_sequence = sink->info.last_sequence;
    memcpy(sink->created, sink->info.created, sizeof sink->created);
    sink->hold_ms = hold_choose(sink->options, &sink->info, sink->hold_option_ms, &why);
    if (LEAT_HAS(start, leat_sink_start, hold_ms))
        start->hold_ms = sink->hold_ms;
    remember_held(sink, start);
    (void)client_subscribe(&sink->client, sink->alive, 2);
    sink->state = SINK_UP;
    certificate_tell(sink->host, sink->client.socket.ssl);
    LOG(sink, LEAT_LOG_INFO, "connected", LEAT_F_STR("server", sink->client.server),
        LEAT_F_STR("version", sink->client.info.version),
        LEAT_F_STR("stream", sink->options->stream),
        LEAT_F_UINT("last_sequence", sink->info.last_sequence),
        LEAT_F_UINT("held_behind_position", sink->skip.count),
        LEAT_F_UINT("confirm_hold_ms", sink->hold_ms), LEAT_F_STR("because", why));
}

static leat_status start_step(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    leat_status status;
    error->status = LEAT_OK;
    if (sink->state == SINK_DOWN) {
        if (!start->name_space || strlen(start->name_space) >= sizeof sink->name_space)
            return nats_fail(error, LEAT_ECONFIG, "the namespace of the identities is too long");
        memcpy(sink->name_space, start->name_space, strlen(start->name_space) + 1);
        name_alive(sink);
        status = connect(sink, start, error);
        if (status)
            return status;
    }
    if (sink->state == SINK_CONNECTED) {
        status = fence(sink, error);
        if (!status)
            status = pass_queue(sink, error);
        if (status)
            return status;
        begin_look(sink, start);
    }
    if (sink->state == SINK_FENCED) {
        status = tail_step(sink->tail, &sink->info, SLICE_MS, error);
        if (status == LEAT_AGAIN && sink->denied && sink->tail->direct) {
            tail_indirect(sink->tail);
            sink->denied = false;
        }
        if (status)
            return status;
        go_up(sink, start);
    }
    return LEAT_OK;
}

/* Between the steps little time passes.  Within one it may: a server may be slow to answer. */
leat_status sink_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    if (sink->state != SINK_DOWN && sink_stood_still(sink))
        return nats_fail(error, LEAT_ERETRY, "this process stood still while it started");
    leat_status status = start_step(sink, start, error);
    sink->turn_ms = socket_clock_ms();
    return status;
}
