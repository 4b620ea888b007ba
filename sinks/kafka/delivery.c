/* SPDX-License-Identifier: Apache-2.0
 *
 * delivery.c -- from the delivery report back to the batch.  [worker] The report of every message is
 * the only thing that makes it durable.  Here the line is stopped, too, and the producer given up.
 */
#include "sink.h"

#include <stdarg.h>
#include <stdio.h>

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

/* ---- back to the host ------------------------------------------------------------------------ */

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
    }
}

/* ---- what comes back ------------------------------------------------------------------------- */

/* Errors about what a record is, not about the state of the brokers.  Its time is not of the record:
 * it says when it was produced, and another attempt has another one. */
static bool is_about_content(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
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

static const char *advice_for(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
               ? " (the clocks of this host and of the brokers differ, or it was on its way for "
                 "longer than the topic's message.timestamp.before.max.ms; it is sent again)"
               : "";
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
            sink->fatal_ns = sink_now_ns(sink);
        return;
    }
    if (ours && is_about_content(message->err)) {
        refuse(sink, message);
        return;
    }
    sink->transaction.fenced = sink->transaction.fenced || is_fencing(message->err);
    sink_fail(sink, LEAT_ERETRY, "topic %s partition %d: a record was not taken: %s%s%s%s",
              rd_kafka_topic_name(message->rkt), (int)message->partition,
              rd_kafka_err2str(message->err), advice_for(message->err),
              sink->trouble[0] ? "; " : "", sink->trouble);
}
