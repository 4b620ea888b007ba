/* SPDX-License-Identifier: Apache-2.0
 *
 * produce.c -- from a lent record to the producer, and from the delivery report back to the batch.
 * [worker] One record is one message, or two: see `plan`.  The delivery report of every message is
 * the only thing that makes it durable.
 */
#include "sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { MESSAGE_OVERHEAD = 64 }; /* in a request, at most, beside key, value and id */

struct outgoing {
    leat_bytes key;
    bool tombstone;
};

/* What a record becomes (docs/adr/0201-kafka-key-change.md).  An update that changes the key leaves
 * a null value at the old key and goes to the new one; a delete may be followed by a null value. */
static uint32_t plan(const leat_sink *sink, const leat_record *record, struct outgoing out[2])
{
    bool keyed = record->key.len != 0;
    if (record->op == LEAT_UPDATE && (record->flags & LEAT_CHANGE_KEY_CHANGED) && keyed &&
        record->after_key.len) {
        out[0] = (struct outgoing){record->key, true};
        out[1] = (struct outgoing){record->after_key, false};
        return 2;
    }
    out[0] = (struct outgoing){record->key, false};
    out[1] = (struct outgoing){record->key, true};
    return record->op == LEAT_DELETE && keyed && sink->options->tombstones ? 2 : 1;
}

/* ---- stopping the line ----------------------------------------------------------------------- */

void sink_halt(leat_sink *sink, leat_status status, const char *text)
{
    sink->halt.status = status;
    snprintf(sink->halt.text, sizeof sink->halt.text, "%s", text);
    sink->waiting = NULL;
}

void sink_fail(leat_sink *sink, leat_status status, const char *format, ...)
{
    if (sink->state == SINK_FAILED || sink->state == SINK_STOPPED)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(sink->failure_text, sizeof sink->failure_text, format, args);
    va_end(args);
    sink->failure = status;
    sink->state = SINK_FAILED;
    sink->waiting = NULL;
}

static void give_back(leat_sink *sink, leat_status status, const char *text)
{
    leat_result result = {.size = sizeof result, .status = status, .text = {text, strlen(text)}};
    struct window_batch *batch;
    while ((batch = window_head(&sink->window))) {
        result.durable_count = batch->durable;
        uint64_t token = batch->batch->token;
        window_pop(&sink->window);
        sink->host->batch_done(sink->host, token, &result);
        result.status = LEAT_ERETRY; /* those behind it are only stopped by it */
    }
}

void sink_release(leat_sink *sink)
{
    struct window *window = &sink->window;
    window_release(window, transaction_is_used(sink) ? sink->transaction.committed : UINT64_MAX);
    struct window_batch *batch;
    while ((batch = window_head(window)) && batch->durable == batch->batch->record_count) {
        leat_result done = {.size = sizeof done, .durable_count = batch->durable};
        uint64_t token = batch->batch->token;
        window_pop(window);
        sink->host->batch_done(sink->host, token, &done);
    }
    if (sink->state == SINK_FAILED) {
        give_back(sink, sink->failure, sink->failure_text);
        return;
    }
    if (sink->halt.status != LEAT_OK && window->released == window->next) {
        struct halt halt = sink->halt;
        sink->halt.status = LEAT_OK;
        give_back(sink, halt.status, halt.text);
        window->next = window->low = window->released; /* a record that was begun in part */
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

static void refuse_size(leat_sink *sink, size_t size)
{
    char text[200];
    snprintf(text, sizeof text,
             "record of %zu bytes is larger than max_message (%lld); raise it, and the topic's "
             "max.message.bytes",
             size, (long long)sink->options->max_message);
    sink_halt(sink, LEAT_EREJECT, text);
}

/* The value stays where it is until its delivery report, or until the producer is destroyed: its
 * batch is lent to us as long.  False: not sent; the line is stopped, the producer has failed, or
 * there is no room now. */
static bool send_message(leat_sink *sink, struct topic *topic, const leat_record *record,
                         const struct outgoing *message, int32_t partition)
{
    char id[512];
    leat_bytes header = record->id;
    if (message->tombstone) {
        int n =
            snprintf(id, sizeof id, "%.*s%s", (int)(record->id.len < 400 ? record->id.len : 400),
                     record->id.ptr, KAFKA_TOMBSTONE_SUFFIX);
        header = (leat_bytes){id, (size_t)n};
    }
    void *key = message->key.len ? (void *)(uintptr_t)message->key.ptr : NULL;
    void *value = message->tombstone ? NULL : (void *)(uintptr_t)record->value.ptr;
    size_t value_len = message->tombstone ? 0 : record->value.len;
    void *number = (void *)(uintptr_t)window_number(&sink->window);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1); /* what V_HEADER makes has room for 8 */
    rd_kafka_resp_err_t err = rd_kafka_header_add(
        headers, KAFKA_ID_HEADER, sizeof KAFKA_ID_HEADER - 1, header.ptr, (ssize_t)header.len);
    if (!err)
        err = rd_kafka_producev(
            sink->producer, RD_KAFKA_V_RKT(topic->handle), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_MSGFLAGS(0), RD_KAFKA_V_KEY(key, message->key.len),
            RD_KAFKA_V_VALUE(value, value_len), RD_KAFKA_V_OPAQUE(number),
            RD_KAFKA_V_TIMESTAMP(sink->wall_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (!err)
        return true;
    rd_kafka_headers_destroy(headers);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return false;
    if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        refuse_size(sink, message->key.len + value_len + header.len);
    else
        sink_fail(sink, LEAT_ERETRY, "topic %s partition %d takes no record: %s", topic->name,
                  (int)partition, rd_kafka_err2str(err));
    return false;
}

/* Nothing may fly beside the first message that a producer sends to a partition: a broker that
 * knows nothing of the producer there takes any sequence number for the first, so it would take the
 * second batch where the first one failed, and librdkafka takes the first one for delivered when
 * the second is acknowledged. */
static bool may_fly(const leat_sink *sink, size_t size, bool first)
{
    const struct window *window = &sink->window;
    if (window->flying == 0)
        return window_room(window);
    return !first && !sink->alone && !sink->careful && window_room(window) &&
           window->flying < (uint64_t)sink->options->window_records &&
           window->bytes + size <= (uint64_t)sink->options->window_size;
}

/* The topic of a record once it is READY; NULL: not yet, or the line is stopped. */
static struct topic *topic_of(leat_sink *sink, const leat_record *record)
{
    struct topic *topic = topics_find(&sink->topics, record->route);
    if (!topic) {
        bool named = record->route.len > 0 && record->route.len <= TOPIC_NAME_MAX;
        sink_halt(sink, named ? LEAT_ERETRY : LEAT_EREJECT,
                  named ? "too many topics are in use, or there is no memory for another"
                        : "the route gives no topic of 1 to 249 bytes");
        return NULL;
    }
    if (topic->state == TOPIC_READY)
        return topic;
    if (topic->state == TOPIC_NEW)
        topic->floor = record->identity;
    sink->waiting = topic;
    return NULL;
}

void sink_end_round(leat_sink *sink)
{
    if (!pace_end(&sink->pace, window_number(&sink->window), sink->now_ns))
        sink->urgent = true;
}

/* A round that has to be flushed goes before anything is put behind it: what waits in the library
 * while it is flushed is polled for without a pause. */
static bool round_room(leat_sink *sink, size_t size)
{
    if (pace_full(&sink->pace, size))
        sink_end_round(sink);
    return !sink->urgent && pace_room(&sink->pace);
}

/* Two places that share a number would cost a few milliseconds, no more. */
static int64_t place_of(const struct topic *topic, int32_t partition)
{
    return (int64_t)(((uint64_t)partition << 47 ^ (uint64_t)(uintptr_t)topic) & INT64_MAX);
}

/* The next message of the record under the cursor; false: none can be sent now. */
static bool produce_next(leat_sink *sink, struct window_batch *batch)
{
    const leat_record *record = leat_batch_at(batch->batch, batch->at);
    struct topic *topic = topic_of(sink, record);
    if (!topic)
        return false;
    if (sink->careful && leat_identity_compare(record->identity, sink->careful_until) > 0)
        sink->careful = false;
    struct outgoing messages[2];
    uint32_t count = plan(sink, record, messages), part = batch->part;
    const struct outgoing *message = &messages[part];
    bool last = part + 1 == count;
    if (topic->held.count) {
        struct message_id id = {record->identity, message->tombstone};
        if (leat_identity_compare(record->identity, topic->held.newest) > 0)
            held_clear(&topic->held); /* the stream has passed all that it held */
        if (held_has(&topic->held, id)) {
            if (window_room(&sink->window))
                window_take(&sink->window, true, last, 0);
            else
                return false;
            return true;
        }
    }
    size_t size = message->key.len + (message->tombstone ? 0 : record->value.len);
    size_t wire = size + record->id.len + MESSAGE_OVERHEAD;
    size_t most =
        record->value.len + record->id.len + record->key.len + record->after_key.len + 128;
    if (most > (size_t)sink->options->max_message) {
        refuse_size(sink, most);
        return false;
    }
    int32_t partition =
        message->key.len
            ? topic_partition(sink->options->partitioner, message->key, topic->partitions)
            : topic_partition_keyless(record->change, topic->partitions);
    bool first = !topic->proven[partition];
    if (!may_fly(sink, size, first) || !round_room(sink, wire) ||
        (part == 0 && !transaction_enter(sink)))
        return false;
    if (!send_message(sink, topic, record, message, partition))
        return false;
    sink->alone = first;
    sink->alone_topic = topic;
    sink->urgent = sink->urgent || first || sink->careful;
    topic->proven[partition] = 1;
    if (sink->window.flying == 0)
        sink->progress_ns = sink->host->now_ns(sink->host);
    sink->produced = record->identity;
    sink->transaction.records++;
    if (last)
        transaction_follow(sink, record);
    window_take(&sink->window, false, last, size);
    pace_count(&sink->pace, wire, place_of(topic, partition), sink->now_ns);
    if (pace_full(&sink->pace, 0))
        sink_end_round(sink);
    return true;
}

void sink_produce(leat_sink *sink)
{
    struct window_batch *batch;
    struct timespec wall;
    uint64_t before = window_number(&sink->window);
    if (sink->state != SINK_RUNNING || !window_current(&sink->window))
        return;
    sink->now_ns = sink->host->now_ns(sink->host);
    pace_acknowledge(&sink->pace, sink->window.low, sink->now_ns);
    clock_gettime(CLOCK_REALTIME, &wall);
    sink->wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    while (sink->state == SINK_RUNNING && !sink->fatal_ns && sink->halt.status == LEAT_OK &&
           !sink->waiting && (batch = window_current(&sink->window)))
        if (!produce_next(sink, batch))
            break;
    if (window_number(&sink->window) != before && transaction_is_used(sink))
        sink->transaction.fed_ns = sink->host->now_ns(sink->host);
}

/* ---- what comes back ------------------------------------------------------------------------- */

/* Errors about what a record is, not about the state of the brokers. */
static bool is_about_content(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return true;
    default:
        return false;
    }
}

static bool is_fencing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__FENCED || err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* The producer itself is dying, or we have emptied it: says nothing of the record. */
static bool is_aftermath(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__FATAL || err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
           err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

/* The brokers answer for whole batches of messages.  Only of one that flew alone is it known that
 * it is at fault, and that everything before it is durable. */
static void refuse(leat_sink *sink, const rd_kafka_message_t *message)
{
    const char *topic = rd_kafka_topic_name(message->rkt);
    if (sink->window.flying == 1) {
        bool keyless = message->err == RD_KAFKA_RESP_ERR_INVALID_RECORD && message->key_len == 0;
        sink_fail(sink, LEAT_EREJECT, "topic %s takes no such record of %zu bytes: %s%s", topic,
                  message->len + message->key_len, rd_kafka_err2str(message->err),
                  keyless
                      ? "; a compacted topic takes none without a key: give truncates, messages "
                        "and tables without a primary key a topic of their own by routes"
                      : "");
        return;
    }
    sink->careful = true;
    sink->careful_until = sink->produced;
    sink_fail(sink, LEAT_ERETRY,
              "topic %s refused a batch, its records are now sent one by one: %s", topic,
              rd_kafka_err2str(message->err));
}

/* The first message of a partition is there; nothing else flies. */
static void first_arrived(leat_sink *sink, const rd_kafka_message_t *message)
{
    struct topic *topic = sink->alone_topic;
    sink->alone = false;
    if (sink->state != SINK_RUNNING ||
        !topic_arrived(&sink->topics, topic, message->partition, message->offset))
        return;
    if (sink->waiting && sink->waiting != topic)
        topic_give_up(&sink->topics, sink->waiting); /* there is one look at a time */
    sink->waiting = topic;
}

void sink_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    leat_sink *sink = opaque;
    (void)rk;
    uint64_t number = (uint64_t)(uintptr_t)message->_private;
    bool ours = number != UINT64_MAX; /* the position record is not of the window */
    if (sink->state == SINK_STOPPED)
        return;
    if (!message->err && message->offset < 0 && ours && sink->state == SINK_RUNNING) {
        /* Librdkafka concludes from something else that it must be there. */
        sink_fail(
            sink, LEAT_ERETRY,
            "topic %s partition %d: a record counts as delivered, but nobody says where: what "
            "the topic holds is looked at",
            rd_kafka_topic_name(message->rkt), (int)message->partition);
        return;
    }
    if (!message->err) {
        if (ours) {
            window_acknowledge(&sink->window, number, message->len + message->key_len);
            sink->acknowledged++;
            if (sink->alone)
                first_arrived(sink, message);
        }
        return;
    }
    if (sink->state == SINK_FAILED)
        return;
    if (is_aftermath(message->err)) {
        if (!sink->fatal_ns)
            sink->fatal_ns = sink->host->now_ns(sink->host);
        return;
    }
    if (ours && is_about_content(message->err)) {
        refuse(sink, message);
        return;
    }
    sink->transaction.fenced = sink->transaction.fenced || is_fencing(message->err);
    sink_fail(sink, LEAT_ERETRY, "topic %s partition %d: a record was not taken: %s%s%s",
              rd_kafka_topic_name(message->rkt), (int)message->partition,
              rd_kafka_err2str(message->err), sink->trouble[0] ? "; " : "", sink->trouble);
}
