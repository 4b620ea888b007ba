/* SPDX-License-Identifier: Apache-2.0
 *
 * produce.c -- from a lent record to the producer.  [worker] One record is one message, or two: see
 * `plan`.  Never waits, never believes that anything arrived: that is delivery.c.
 */
#include "sink.h"

#include "partition.h"

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

static void take_message(leat_sink *sink, const leat_record *record, bool skipped, bool last,
                         size_t size)
{
    sink->produced = record->identity;
    sink->transaction.records++;
    if (last)
        transaction_follow(sink, record);
    window_take(&sink->window, skipped, last, size);
}

/* The topic holds it, or it did: see latest.h. */
static bool is_there(struct topic *topic, leat_identity identity, const struct outgoing *message)
{
    struct message_id id = {identity, message->tombstone};
    if (topic->held.count == 0)
        return false;
    if (leat_identity_compare(identity, topic->held.newest) > 0) {
        held_clear(&topic->held); /* the stream has passed all that it held */
        latest_clear(&topic->latest);
    }
    return held_has(&topic->held, id) || latest_is_behind(&topic->latest, message->key, id);
}

/* Nothing is sent, but in transactions the position moves behind it all the same. */
static bool skip_message(leat_sink *sink, const leat_record *record, uint32_t part, bool last)
{
    if (!window_room(&sink->window) || (part == 0 && !transaction_enter(sink)))
        return false;
    take_message(sink, record, true, last, 0);
    return true;
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
    if (is_there(topic, record->identity, message))
        return skip_message(sink, record, part, last);
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
        sink->progress_ns = sink_now_ns(sink);
    take_message(sink, record, false, last, size);
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
    sink->now_ns = sink_now_ns(sink);
    pace_acknowledge(&sink->pace, sink->window.low, sink->now_ns);
    clock_gettime(CLOCK_REALTIME, &wall);
    sink->wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    while (sink->state == SINK_RUNNING && !sink->fatal_ns && sink->halt.status == LEAT_OK &&
           !sink->waiting && (batch = window_current(&sink->window)))
        if (!produce_next(sink, batch))
            break;
    if (window_number(&sink->window) != before && transaction_is_used(sink))
        sink->transaction.fed_ns = sink_now_ns(sink);
}
