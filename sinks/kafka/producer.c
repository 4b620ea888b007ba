/* SPDX-License-Identifier: Apache-2.0
 *
 * producer.c -- librdkafka's producer: its beginning, what it says of itself, its end.  [worker]
 *
 * Its threads reach us only through its queue, which producer_serve empties; event_fd is readable
 * while there is something in it.  Never waits for longer than the tenths of a second named below.
 */
#include "sink.h"

#include <stdio.h>
#include <unistd.h>

enum { POLL_MS = 10, DYING_MS = 1000, LANDING_MS = 500, FLUSH_MS = 1 };

/* ---- what it says ---------------------------------------------------------------------------- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    leat_sink *sink = opaque;
    (void)rk;
    if (sink->state == SINK_STOPPED)
        return;
    bool locked_out = code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                      code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
    if (locked_out || !sink->authentication) /* that all are down then follows from it */
        snprintf(sink->trouble, sizeof sink->trouble, "%s", reason);
    sink->authentication = sink->authentication || locked_out;
    if (code == RD_KAFKA_RESP_ERR__FATAL && !sink->fatal_ns)
        sink->fatal_ns = sink_now_ns(sink);
    if (locked_out && sink->state == SINK_RUNNING) /* with what it knows it cannot go on */
        sink_fail(sink, LEAT_ERETRY, "the brokers do not let us in: %s%s", reason,
                  client_login_advice(sink->options));
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !sink->down_logged) {
        leat_field fields[] = {LEAT_F_STR("reason", reason)};
        sink->down_logged = true;
        sink->host->log(sink->host, LEAT_LOG_WARN, "no broker is reachable, waiting", fields, 1);
    }
}

/* Records were acknowledged since there were `before`. */
static void note_progress(leat_sink *sink, uint64_t before)
{
    if (sink->acknowledged == before)
        return;
    sink->progress_ns = sink_now_ns(sink);
    sink->trouble[0] = 0;
    sink->authentication = false;
    if (sink->down_logged) {
        sink->down_logged = false;
        sink->host->log(sink->host, LEAT_LOG_INFO, "brokers acknowledge again", NULL, 0);
    }
}

/* Takes everything that the producer has for us. */
void producer_serve(leat_sink *sink)
{
    uint64_t before = sink->acknowledged, ignored;
    (void)!read(sink->event_fd, &ignored, sizeof ignored);
    while (rd_kafka_poll(sink->producer, 0) > 0)
        ;
    note_progress(sink, before);
}

/* Lets the broker threads send what they have, although more could travel with it.  Librdkafka
 * knows that only as waiting for the answers, which takes them, and which is not done for long. */
void producer_flush(leat_sink *sink)
{
    uint64_t before = sink->acknowledged;
    if (pace_open(&sink->pace))
        sink_end_round(sink);
    sink->urgent = false;
    (void)rd_kafka_flush(sink->producer, FLUSH_MS);
    note_progress(sink, before);
}

/* A dying producer still says which record it died of: wait for that, not for long. */
void producer_bury(leat_sink *sink)
{
    char text[256] = "it was emptied";
    if (rd_kafka_outq_len(sink->producer) > 0 &&
        sink_now_ns(sink) - sink->fatal_ns < (int64_t)DYING_MS * 1000000) {
        (void)rd_kafka_purge(sink->producer,
                             RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
        (void)rd_kafka_poll(sink->producer, POLL_MS);
        if (rd_kafka_outq_len(sink->producer) > 0)
            return;
    }
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(sink->producer, text, sizeof text);
    sink->transaction.fenced = sink->transaction.fenced || err == RD_KAFKA_RESP_ERR__FENCED ||
                               err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
                               err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    sink_fail(sink, LEAT_ERETRY, "this producer cannot go on, another follows: %s", text);
}

/* ---- its beginning and its end --------------------------------------------------------------- */

leat_status producer_open(leat_sink *sink, const char *name_space, leat_error *error)
{
    rd_kafka_conf_t *conf = client_conf(sink->options, &sink->owner, CLIENT_PRODUCER, error);
    if (!conf)
        return error->status;
    rd_kafka_conf_set_dr_msg_cb(conf, sink_on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    sink->producer = client_create(conf, CLIENT_PRODUCER, error);
    if (!sink->producer)
        return error->status;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(sink->producer);
    rd_kafka_queue_io_event_enable(queue, sink->event_fd, &(uint64_t){1}, sizeof(uint64_t));
    rd_kafka_queue_destroy(queue);
    snprintf(sink->name_space, sizeof sink->name_space, "%s", name_space ? name_space : "");
    sink->topics.producer = sink->topics.tail.asker = sink->producer;
    sink->topics.unclean = sink->failure != LEAT_OK;
    sink->failure = LEAT_OK;
    sink->halt.status = LEAT_OK;
    sink->waiting = NULL;
    sink->fatal_ns = 0;
    sink->trouble[0] = 0;
    sink->authentication = sink->down_logged = sink->alone = sink->urgent = false;
    window_reset(&sink->window);
    pace_reset(&sink->pace);
    sink_enter(sink, SINK_CONNECTING);
    return LEAT_AGAIN;
}

/* What the producer still reports concerns nobody.  The answers to what a transactional one has in
 * flight are waited for, though not for long: librdkafka (2.0.2) frees the text of a transaction's
 * error as its main thread ends, and a broker's thread that then hears that the producer is shut out
 * frees it once more. */
void producer_close(leat_sink *sink)
{
    bool lands = transaction_is_used(sink);
    int64_t until_ns = sink_now_ns(sink) + (int64_t)LANDING_MS * 1000000;
    if (!sink->producer)
        return;
    sink->state = SINK_STOPPED;
    (void)rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING |
                                             (lands ? 0 : RD_KAFKA_PURGE_F_INFLIGHT));
    while (lands && rd_kafka_outq_len(sink->producer) > 0 && sink_now_ns(sink) < until_ns)
        (void)rd_kafka_poll(sink->producer, POLL_MS);
    while (rd_kafka_poll(sink->producer, 0) > 0)
        ;
    rd_kafka_destroy(sink->producer);
    sink->producer = sink->topics.producer = sink->topics.tail.asker = NULL;
}
