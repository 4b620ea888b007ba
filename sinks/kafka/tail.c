/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.c -- see the header.
 *
 * The life of a partition in it:  asked (low, high known) -> reading the last chunk, to the end ->
 * reading the chunk before it -> ... -> idle -> (settling: reading on behind what was the end).
 */
#include "tail.h"

#include <stdlib.h>

enum { FIRST_CHUNK = 64, CHUNK_GROWTH = 16, MAX_CHUNK = 65536 };
enum { ASK_MS = 500, LONGEST_ASK_MS = 4000 };
#define SILENT_NS INT64_C(1000000000)

bool message_header(const rd_kafka_message_t *message, const char *name, leat_bytes *out)
{
    rd_kafka_headers_t *headers;
    const void *value = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    if (rd_kafka_header_get_last(headers, name, &value, &out->len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    out->ptr = value;
    return value != NULL;
}

leat_status tail_reader(struct tail *tail, const struct kafka_options *options, leat_error *error)
{
    if (tail->reader)
        return LEAT_OK;
    rd_kafka_conf_t *conf = client_conf(options, tail->owner, CLIENT_READER, error);
    if (!conf)
        return error->status;
    tail->reader = client_create(conf, CLIENT_READER, error);
    return tail->reader ? LEAT_OK : error->status;
}

leat_status tail_open(struct tail *tail, const char *topic, int32_t first, int32_t count,
                      tail_judge *judge, void *context, int64_t limit, int64_t settle_ns,
                      leat_error *error)
{
    tail_close(tail);
    tail->partitions = calloc((size_t)count, sizeof *tail->partitions);
    tail->topic = rd_kafka_topic_new(tail->reader, topic, NULL);
    tail->queue = rd_kafka_queue_new(tail->reader);
    if (!tail->partitions || !tail->topic || !tail->queue) {
        tail_close(tail);
        return client_fail(error, LEAT_ERETRY, "topic %s cannot be read: no memory", topic);
    }
    for (int32_t i = 0; i < count; i++)
        tail->partitions[i] = (struct tail_partition){.number = first + i};
    tail->count = count;
    tail->ask_ms = ASK_MS;
    tail->judge = judge;
    tail->context = context;
    tail->limit = limit;
    tail->settle_ns = settle_ns;
    return LEAT_OK;
}

static void partition_stop(struct tail *tail, struct tail_partition *partition)
{
    if (partition->started)
        (void)rd_kafka_consume_stop(tail->topic, partition->number);
    partition->started = false;
}

static leat_status partition_start(struct tail *tail, struct tail_partition *partition,
                                   int64_t offset, leat_error *error)
{
    partition_stop(tail, partition);
    partition->idle = false;
    if (rd_kafka_consume_start_queue(tail->topic, partition->number, offset, tail->queue) != 0)
        return client_fail(error, LEAT_ERETRY, "topic %s partition %d cannot be read: %s",
                           rd_kafka_topic_name(tail->topic), (int)partition->number,
                           rd_kafka_err2str(rd_kafka_last_error()));
    partition->started = true;
    tail->busy++;
    return LEAT_OK;
}

/* Leaders move, and not everybody learns of it at once. */
static bool passes(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__TIMED_OUT || err == RD_KAFKA_RESP_ERR__TRANSPORT ||
           err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* The topic is known to exist, so that this question cannot create it. */
static void learn_leaders(struct tail *tail, rd_kafka_t *client)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, rd_kafka_topic_name(tail->topic), NULL);
    if (topic && !rd_kafka_metadata(client, 0, topic, &metadata, ASK_MS))
        rd_kafka_metadata_destroy(metadata);
    if (topic)
        rd_kafka_topic_destroy(topic);
}

/* Where every partition begins or ends.  (rd_kafka_query_watermark_offsets of 2.0.2 keeps its limit
 * only until it has found the leader: one that dies then is waited for without end.) */
static leat_status ask_offsets(struct tail *tail, int64_t which,
                               rd_kafka_topic_partition_list_t **answer, leat_error *error)
{
    const char *topic = rd_kafka_topic_name(tail->topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(tail->count);
    for (int32_t i = 0; i < tail->count; i++)
        rd_kafka_topic_partition_list_add(list, topic, tail->partitions[i].number)->offset = which;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(tail->asker, list, tail->ask_ms);
    int32_t number = tail->partitions[0].number;
    for (int i = 0; i < list->cnt && !err; i++) {
        bool answered = list->elems[i].offset >= 0;
        err = list->elems[i].err || answered ? list->elems[i].err : RD_KAFKA_RESP_ERR__BAD_MSG;
        number = list->elems[i].partition;
    }
    if (!err) {
        *answer = list;
        return LEAT_OK;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (passes(err))
        learn_leaders(tail, tail->asker);
    if (tail->ask_ms < LONGEST_ASK_MS) /* a broker that is alive, but slow */
        tail->ask_ms *= 2;
    return client_fail(error, passes(err) ? LEAT_AGAIN : LEAT_ERETRY,
                       "topic %s partition %d: where it begins and ends cannot be asked: %s", topic,
                       (int)number, rd_kafka_err2str(err));
}

/* Starts to read the last chunk of a partition whose bounds are known. */
static leat_status begin_last_chunk(struct tail *tail, struct tail_partition *partition,
                                    int64_t low, int64_t high, leat_error *error)
{
    low = low < tail->bound ? tail->bound : low;
    partition->low = low;
    partition->high = high;
    partition->after = high;
    partition->chunk = FIRST_CHUNK;
    partition->end = INT64_MAX;
    partition->begin = high - FIRST_CHUNK > low ? high - FIRST_CHUNK : low;
    partition->idle = low >= high;
    return partition->idle ? LEAT_OK : partition_start(tail, partition, partition->begin, error);
}

static leat_status ask(struct tail *tail, leat_error *error)
{
    rd_kafka_topic_partition_list_t *lows = NULL, *highs = NULL;
    const char *topic = rd_kafka_topic_name(tail->topic);
    leat_status status = ask_offsets(tail, RD_KAFKA_OFFSET_BEGINNING, &lows, error);
    if (status == LEAT_OK)
        status = ask_offsets(tail, RD_KAFKA_OFFSET_END, &highs, error);
    for (int32_t i = 0; status == LEAT_OK && i < tail->count; i++) {
        struct tail_partition *partition = &tail->partitions[i];
        const rd_kafka_topic_partition_t *low =
            rd_kafka_topic_partition_list_find(lows, topic, partition->number);
        const rd_kafka_topic_partition_t *high =
            rd_kafka_topic_partition_list_find(highs, topic, partition->number);
        status = begin_last_chunk(tail, partition, low->offset, high->offset, error);
    }
    tail->asked = status == LEAT_OK;
    if (lows)
        rd_kafka_topic_partition_list_destroy(lows);
    if (highs)
        rd_kafka_topic_partition_list_destroy(highs);
    return status == LEAT_OK ? LEAT_AGAIN : status;
}

/* The chunk is read: the one before it, or rest. */
static leat_status chunk_done(struct tail *tail, struct tail_partition *partition,
                              leat_error *error)
{
    tail->busy--;
    bool limited = partition->high - partition->begin >= tail->limit;
    if (partition->enough || partition->begin <= partition->low || limited || tail->settling) {
        tail->cut =
            tail->cut || (limited && !partition->enough && partition->begin > partition->low);
        partition_stop(tail, partition);
        partition->idle = true;
        return LEAT_OK;
    }
    if (partition->chunk < MAX_CHUNK)
        partition->chunk *= CHUNK_GROWTH;
    partition->end = partition->begin;
    partition->begin = partition->end - partition->chunk > partition->low
                           ? partition->end - partition->chunk
                           : partition->low;
    return partition_start(tail, partition, partition->begin, error);
}

static leat_status take(struct tail *tail, const rd_kafka_message_t *message, int64_t now_ns,
                        leat_error *error)
{
    int32_t index = message->partition - tail->partitions[0].number;
    if (index < 0 || index >= tail->count || tail->partitions[index].idle)
        return LEAT_OK;
    struct tail_partition *partition = &tail->partitions[index];
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        /* Behind an open transaction of somebody's: the end that we want is not visible yet. */
        if (partition->end == INT64_MAX && message->offset < partition->high)
            return LEAT_OK;
        return tail->settling ? LEAT_OK : chunk_done(tail, partition, error);
    }
    if (message->err)
        return client_fail(error, LEAT_ERETRY, "topic %s partition %d cannot be read: %s",
                           rd_kafka_topic_name(tail->topic), (int)message->partition,
                           rd_kafka_message_errstr(message));
    if (message->offset < partition->begin)
        return LEAT_OK;
    if (message->offset >= partition->end)
        return chunk_done(tail, partition, error);
    if (message->offset >= partition->after)
        partition->after = message->offset + 1;
    tail->seen++;
    enum tail_verdict verdict = tail->judge(tail->context, message);
    if (verdict == TAIL_NO_MEMORY)
        return client_fail(error, LEAT_ERETRY, "no memory for what topic %s holds",
                           rd_kafka_topic_name(tail->topic));
    partition->enough = partition->enough || verdict == TAIL_ENOUGH;
    if (verdict == TAIL_NEWER) {
        tail->ours++;
        tail->quiet_since_ns = now_ns;
    }
    return LEAT_OK;
}

/* Everything is read: done, or read on for a while behind what was the end. */
static leat_status settle(struct tail *tail, int64_t now_ns, leat_error *error)
{
    if (tail->settle_ns == 0)
        return LEAT_OK;
    if (tail->settling)
        return now_ns - tail->quiet_since_ns < tail->settle_ns ? LEAT_AGAIN : LEAT_OK;
    tail->settling = true;
    tail->quiet_since_ns = now_ns;
    for (int32_t i = 0; i < tail->count; i++) {
        struct tail_partition *partition = &tail->partitions[i];
        partition->begin = partition->after;
        partition->end = INT64_MAX;
        leat_status status = partition_start(tail, partition, partition->after, error);
        if (status != LEAT_OK)
            return status;
    }
    return LEAT_AGAIN;
}

/* A reader whose broker dies waits for it, and learns of the next leader only when it next asks for
 * everything: after minutes. */
static void ask_when_silent(struct tail *tail, int64_t now_ns)
{
    if (!tail->heard_ns)
        tail->heard_ns = now_ns;
    if (now_ns - tail->heard_ns < SILENT_NS)
        return;
    learn_leaders(tail, tail->reader);
    tail->heard_ns = now_ns;
}

leat_status tail_step(struct tail *tail, int32_t wait_ms, int64_t now_ns, leat_error *error)
{
    (void)rd_kafka_poll(tail->reader, 0);
    if (!tail->asked)
        return ask(tail, error);
    if (tail->busy > 0)
        ask_when_silent(tail, now_ns);
    for (int i = 0; i < 4096 && (tail->busy > 0 || tail->settling); i++) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(tail->queue, i ? 0 : wait_ms);
        if (!message)
            break;
        tail->heard_ns = now_ns;
        leat_status status = take(tail, message, now_ns, error);
        rd_kafka_message_destroy(message);
        if (status != LEAT_OK)
            return status;
    }
    return tail->busy > 0 && !tail->settling ? LEAT_AGAIN : settle(tail, now_ns, error);
}

void tail_close(struct tail *tail)
{
    for (int32_t i = 0; i < tail->count; i++)
        partition_stop(tail, &tail->partitions[i]);
    if (tail->topic)
        rd_kafka_topic_destroy(tail->topic);
    if (tail->queue)
        rd_kafka_queue_destroy(tail->queue);
    free(tail->partitions);
    *tail = (struct tail){.owner = tail->owner, .reader = tail->reader, .asker = tail->asker};
}

void tail_fini(struct tail *tail)
{
    tail_close(tail);
    if (tail->reader)
        rd_kafka_destroy(tail->reader);
    tail->reader = NULL;
}
