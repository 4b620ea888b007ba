/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c -- the operations of the ABI: one state machine (sink.h) that start and poll drive.
 * [worker], but for create and destroy.  Waits only for events: the producer's queue and the host.
 */
#include "sink.h"

#include "certificate.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum { STEP_MS = 100, LONGEST_WAIT_MS = 1000, DYING_NS = 1000000000, FLUSH_MS = 1 };
enum { LANDING_MS = 500 };

static const leat_route_rules route_rules = {
    .allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
    .literal = ".-",
    .escape = '-',
    .max_length = TOPIC_NAME_MAX,
    .required = 1,
};

static int64_t now_ns(const leat_sink *sink)
{
    return sink->host->now_ns(sink->host);
}

static void enter(leat_sink *sink, enum sink_state state)
{
    sink->state = state;
    sink->since_ns = now_ns(sink);
}

/* ---- create, destroy ------------------------------------------------------------------------- */

static leat_status check_options(const struct kafka_options *options, leat_error *error)
{
    bool password = options->sasl_password || options->sasl_password_file;
    if (options->sasl_mechanism != KAFKA_SASL_NONE && (!options->sasl_username || !password))
        return client_fail(error, LEAT_ECONFIG,
                           "sasl.mechanism needs sasl.username and "
                           "sasl.password or sasl.password_file");
    if (!options->tls && (options->tls_ca || options->tls_certificate || options->tls_key))
        return client_fail(error, LEAT_ECONFIG,
                           "tls.ca, tls.certificate and tls.key mean nothing "
                           "without tls.enable: true");
    if (!options->tls_certificate != !options->tls_key)
        return client_fail(error, LEAT_ECONFIG, "tls.certificate and tls.key go together");
    if (options->transactional_id &&
        (!options->transactional_id[0] || strlen(options->transactional_id) > TOPIC_NAME_MAX))
        return client_fail(error, LEAT_ECONFIG, "transactional_id must have 1 to 249 bytes");
    /* Refused properties and wrong values are found here, not at the first start. */
    for (int kind = CLIENT_PRODUCER; kind <= CLIENT_READER; kind++) {
        rd_kafka_conf_t *conf = client_conf(options, NULL, (enum client_kind)kind, error);
        if (conf)
            rd_kafka_conf_destroy(conf);
        else if (error->status != LEAT_ERETRY)
            return error->status;
    }
    return LEAT_OK;
}

static void name_owner(char *owner, size_t size)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        memset(bytes, (int)getpid() & 0xff, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(owner + 2 * i, size - 2 * i, "%02x", bytes[i]);
}

static leat_status kafka_create(const leat_host *host, const void *config, leat_sink **out,
                                leat_error *error)
{
    const struct kafka_options *options = config;
    *out = NULL;
    leat_status status = check_options(options, error);
    if (status != LEAT_OK)
        return status;
    leat_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return client_fail(error, LEAT_EFATAL, "no memory for the sink");
    *out = sink;
    sink->owner.host = sink->host = host;
    sink->options = options;
    sink->topics.options = options;
    sink->topics.host = host;
    sink->topics.name_space = sink->name_space;
    sink->topics.read_tails = !options->transactional_id;
    sink->topics.tail.owner = &sink->owner;
    name_owner(sink->transaction.owner, sizeof sink->transaction.owner);
    int64_t messages = options->window_records;
    if (options->transactional_id && options->transaction_records > messages)
        messages = options->transaction_records;
    sink->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sink->event_fd < 0 || !window_init(&sink->window, (uint64_t)messages + 1024))
        return client_fail(error, LEAT_EFATAL, "no memory or file descriptor for the sink");
    pace_init(&sink->pace, (uint64_t)options->window_records, (uint64_t)options->window_size,
              (uint64_t)options->max_message);
    return LEAT_OK;
}

/* What the producer still reports concerns nobody.  The answers to what a transactional one has in
 * flight are waited for, though not for long: librdkafka (2.0.2) frees the text of a transaction's
 * error as its main thread ends, and a broker's thread that then hears that the producer is shut out
 * frees it once more. */
static void close_producer(leat_sink *sink)
{
    bool lands = transaction_is_used(sink);
    int64_t until_ns = now_ns(sink) + (int64_t)LANDING_MS * 1000000;
    sink->state = SINK_STOPPED;
    (void)rd_kafka_purge(sink->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING |
                                             (lands ? 0 : RD_KAFKA_PURGE_F_INFLIGHT));
    while (lands && rd_kafka_outq_len(sink->producer) > 0 && now_ns(sink) < until_ns)
        (void)rd_kafka_poll(sink->producer, STEP_MS / 10);
    while (rd_kafka_poll(sink->producer, 0) > 0)
        ;
    rd_kafka_destroy(sink->producer);
}

static void close_handles(leat_sink *sink)
{
    transaction_forget(sink);
    topics_clear(&sink->topics);
    tail_fini(&sink->topics.tail);
    if (sink->producer)
        close_producer(sink);
    sink->producer = sink->topics.producer = sink->topics.tail.asker = NULL;
}

static void kafka_destroy(leat_sink *sink)
{
    if (!sink)
        return;
    close_handles(sink);
    window_fini(&sink->window);
    if (sink->event_fd >= 0)
        close(sink->event_fd);
    free(sink);
}

/* ---- what the producer says ------------------------------------------------------------------ */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    leat_sink *sink = opaque;
    (void)rk;
    if (sink->state == SINK_STOPPED)
        return;
    snprintf(sink->trouble, sizeof sink->trouble, "%s", reason);
    if (code == RD_KAFKA_RESP_ERR__FATAL && !sink->fatal_ns)
        sink->fatal_ns = now_ns(sink);
    sink->authentication = code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
    if (sink->authentication &&
        sink->state == SINK_RUNNING) /* with what it knows it cannot go on */
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
    sink->progress_ns = now_ns(sink);
    sink->trouble[0] = 0;
    if (sink->down_logged) {
        sink->down_logged = false;
        sink->host->log(sink->host, LEAT_LOG_INFO, "brokers acknowledge again", NULL, 0);
    }
}

/* Takes everything that the producer has for us. */
static void serve(leat_sink *sink)
{
    uint64_t before = sink->acknowledged, ignored;
    (void)!read(sink->event_fd, &ignored, sizeof ignored);
    while (rd_kafka_poll(sink->producer, 0) > 0)
        ;
    note_progress(sink, before);
}

/* Lets the broker threads send what they have, although more could travel with it.  Librdkafka
 * knows that only as waiting for the answers, which takes them, and which is not done for long. */
static void flush(leat_sink *sink)
{
    uint64_t before = sink->acknowledged;
    if (pace_open(&sink->pace))
        sink_end_round(sink);
    sink->urgent = false;
    (void)rd_kafka_flush(sink->producer, FLUSH_MS);
    note_progress(sink, before);
}

/* A dying producer still says which record it died of: wait for that, not for long. */
static void bury(leat_sink *sink)
{
    char text[256] = "it was emptied";
    if (rd_kafka_outq_len(sink->producer) > 0 && now_ns(sink) - sink->fatal_ns < DYING_NS) {
        (void)rd_kafka_purge(sink->producer,
                             RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
        (void)rd_kafka_poll(sink->producer, STEP_MS / 10);
        if (rd_kafka_outq_len(sink->producer) > 0)
            return;
    }
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(sink->producer, text, sizeof text);
    sink->transaction.fenced = sink->transaction.fenced || err == RD_KAFKA_RESP_ERR__FENCED ||
                               err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
                               err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    sink_fail(sink, LEAT_ERETRY, "this producer cannot go on, another follows: %s", text);
}

/* ---- start ----------------------------------------------------------------------------------- */

static leat_status open_producer(leat_sink *sink, const leat_sink_start *start, leat_error *error)
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
    snprintf(sink->name_space, sizeof sink->name_space, "%s",
             start->name_space ? start->name_space : "");
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
    enter(sink, SINK_CONNECTING);
    return LEAT_AGAIN;
}

/* Waits for the first answer of any broker. */
static leat_status connect_step(leat_sink *sink, leat_error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(sink->producer, 0, NULL, &metadata, STEP_MS);
    while (rd_kafka_poll(sink->producer, 0) > 0)
        ;
    int64_t waited_ms = (now_ns(sink) - sink->since_ns) / 1000000;
    if (!err) {
        rd_kafka_metadata_destroy(metadata);
        /* Brokers that were slow to answer may have an old connection's records still before them.
         */
        sink->topics.unclean = sink->topics.unclean || waited_ms > 500;
        enter(sink, transaction_is_used(sink) ? SINK_FENCING : SINK_RUNNING);
        return LEAT_AGAIN;
    }
    if (sink->authentication) {
        error->exit_code = 77;
        return client_fail(error, LEAT_ERETRY, "the brokers do not let us in: %.300s%s",
                           sink->trouble, client_login_advice(sink->options));
    }
    if (waited_ms < sink->options->connect_timeout_ms)
        return LEAT_AGAIN;
    return client_fail(error, LEAT_ERETRY, "no broker of %s answers: %.300s",
                       sink->options->brokers.count ? sink->options->brokers.items[0] : "none",
                       sink->trouble[0] ? sink->trouble : rd_kafka_err2str(err));
}

static leat_status located(leat_sink *sink, leat_sink_start *start)
{
    start->holds = sink->transaction.found ? LEAT_HOLDS_LAST : LEAT_HOLDS_NOTHING;
    start->last = sink->transaction.position;
    enter(sink, SINK_RUNNING);
    return LEAT_OK;
}

static leat_status kafka_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    leat_status status;
    switch (sink->state) {
    case SINK_STOPPED:
        certificate_tell_file(sink->host, sink->options->tls_certificate);
        return open_producer(sink, start, error);
    case SINK_CONNECTING:
        status = connect_step(sink, error);
        if (sink->state != SINK_RUNNING)
            return status;
        start->holds = LEAT_HOLDS_SELF;
        return LEAT_OK;
    case SINK_FENCING:
        status = transaction_fence(sink, STEP_MS, error);
        if (status == LEAT_OK)
            enter(sink, SINK_LOCATING);
        return status == LEAT_OK ? LEAT_AGAIN : status;
    case SINK_LOCATING:
        status = transaction_locate(sink, STEP_MS, error);
        return status == LEAT_OK ? located(sink, start) : status;
    default:
        return client_fail(error, LEAT_ERETRY, "%s", sink->failure_text);
    }
}

/* ---- submit, poll, stop ---------------------------------------------------------------------- */

static leat_status kafka_submit(leat_sink *sink, const leat_batch *batch)
{
    if (sink->state != SINK_RUNNING || sink->halt.status != LEAT_OK ||
        window_current(&sink->window) || window_full(&sink->window))
        return LEAT_AGAIN;
    window_lend(&sink->window, batch);
    sink_produce(sink);
    return LEAT_OK;
}

/* Waits for an answer even when the host would not: the record under the cursor cannot go anywhere
 * without it, and no record behind that may overtake it. */
static void prepare_topic(leat_sink *sink)
{
    leat_error error;
    client_error_init(&error);
    struct topic *topic = sink->waiting;
    leat_status status = topic_prepare(&sink->topics, topic, STEP_MS, &error);
    if (status == LEAT_AGAIN)
        return;
    sink->waiting = NULL;
    if (status == LEAT_OK)
        return;
    topic_give_up(&sink->topics, topic);
    sink_halt(sink, status, error.text);
}

/* Nothing was acknowledged for long: say why, and give up what cannot come. */
static void look_at_stall(leat_sink *sink)
{
    int64_t limit_ns = sink->options->stall_check_ms * 1000000;
    struct window_batch *head = window_head(&sink->window);
    if (!sink->window.flying || !head || now_ns(sink) - sink->progress_ns < limit_ns)
        return;
    sink->progress_ns = now_ns(sink);
    const leat_record *record = leat_batch_at(head->batch, head->durable);
    struct topic *topic = topics_find(&sink->topics, record->route);
    leat_error error;
    client_error_init(&error);
    struct topic_facts facts;
    leat_status status = LEAT_OK;
    if (topic)
        status = topic_look(&sink->topics, topic->name, STEP_MS, &facts, &error);
    if (status == LEAT_ERETRY) {
        sink_fail(sink, LEAT_ERETRY, "%s", error.text);
        return;
    }
    leat_field fields[] = {LEAT_F_STR("topic", topic ? topic->name : ""),
                           LEAT_F_UINT("in_flight", sink->window.flying),
                           LEAT_F_STR("reason", sink->trouble[0] ? sink->trouble : error.text)};
    sink->host->log(sink->host, LEAT_LOG_WARN, "brokers do not acknowledge", fields, 3);
}

/* When what was produced has to be flushed, if the host has no more until then; INT64_MAX: not
 * now.  A commit flushes by itself. */
static int64_t flush_due_ns(const leat_sink *sink)
{
    if (sink->state != SINK_RUNNING || sink->fatal_ns)
        return INT64_MAX;
    if (sink->urgent)
        return pace_first(&sink->pace) ? 0 : INT64_MAX;
    if (sink->options->linger_ms > 0 || sink->window.cursor != sink->window.tail ||
        transaction_is_used(sink))
        return INT64_MAX;
    return pace_due_ns(&sink->pace);
}

static bool flush_is_due(const leat_sink *sink, bool idle)
{
    int64_t due_ns = idle || sink->urgent ? flush_due_ns(sink) : INT64_MAX;
    return due_ns < INT64_MAX && (due_ns == 0 || due_ns <= now_ns(sink));
}

/* Everything that can be done without waiting long: FLUSH_MS; in transactions a commit may take
 * STEP_MS. */
static void step(leat_sink *sink, bool idle)
{
    serve(sink);
    if (sink->fatal_ns && sink->state == SINK_RUNNING)
        bury(sink);
    sink_release(sink);
    sink_produce(sink);
    if (transaction_is_due(sink, idle))
        transaction_commit(sink, STEP_MS);
    else if (flush_is_due(sink, idle))
        flush(sink);
    sink_release(sink);
    sink_produce(sink);
    look_at_stall(sink);
}

static bool is_busy(const leat_sink *sink)
{
    return sink->state == SINK_FAILED || sink->waiting || sink->fatal_ns ||
           sink->transaction.committing;
}

static void wait_for_events(leat_sink *sink, int32_t max_wait_ms)
{
    struct pollfd fds[2] = {{.fd = sink->event_fd, .events = POLLIN},
                            {.fd = sink->host->wake_fd, .events = POLLIN}};
    if (max_wait_ms < 0 || max_wait_ms > LONGEST_WAIT_MS)
        max_wait_ms = LONGEST_WAIT_MS;
    (void)poll(fds, sink->host->wake_fd >= 0 ? 2 : 1, max_wait_ms);
}

/* Negative: no limit. */
static int32_t shorter(int32_t a_ms, int32_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int32_t flush_patience(const leat_sink *sink)
{
    int64_t due_ns = flush_due_ns(sink);
    if (due_ns == INT64_MAX)
        return -1;
    int64_t left_ns = due_ns - now_ns(sink);
    return left_ns <= 0 ? 0 : (int32_t)((left_ns + 999999) / 1000000);
}

static leat_status failed(leat_sink *sink, leat_error *error)
{
    leat_status status = sink->failure == LEAT_EREJECT ? LEAT_ERETRY : sink->failure;
    return client_fail(error, status, "%s", sink->failure_text);
}

static leat_status kafka_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    if (sink->state == SINK_STOPPED)
        return LEAT_OK;
    if (sink->state != SINK_RUNNING && sink->state != SINK_FAILED) {
        serve(sink); /* start waits by itself, a little each time */
        return LEAT_OK;
    }
    uint64_t head = sink->window.head;
    step(sink, max_wait_ms != 0);
    bool more = sink->waiting || flush_is_due(sink, true); /* to do, without an event */
    if (sink->waiting)
        prepare_topic(sink);
    if (max_wait_ms != 0 && !more && !is_busy(sink) && head == sink->window.head) {
        int32_t most_ms = shorter(transaction_patience(sink), flush_patience(sink));
        wait_for_events(sink, shorter(most_ms, max_wait_ms));
        step(sink, false);
    } else if (sink->state == SINK_RUNNING) {
        sink_produce(sink);
        sink_release(sink);
    }
    if (sink->state != SINK_FAILED)
        return LEAT_OK;
    sink_release(sink);
    return failed(sink, error);
}

static leat_status kafka_stop(leat_sink *sink, uint32_t deadline_ms)
{
    leat_error error;
    client_error_init(&error);
    int64_t until_ns = now_ns(sink) + (int64_t)deadline_ms * 1000000;
    while (sink->state == SINK_RUNNING && window_head(&sink->window) && now_ns(sink) < until_ns)
        (void)kafka_poll(sink, STEP_MS / 5, &error);
    bool unsure = sink->window.flying > 0;
    if (sink->producer && sink->transaction.open && sink->state == SINK_RUNNING && deadline_ms) {
        rd_kafka_error_t *failure = rd_kafka_abort_transaction(sink->producer, STEP_MS * 5);
        if (failure)
            rd_kafka_error_destroy(failure);
    }
    sink->state = SINK_STOPPED;
    close_handles(sink);
    window_reset(&sink->window);
    if (unsure && sink->failure == LEAT_OK)
        sink->failure = LEAT_ERETRY; /* the next start looks twice at what the topics hold */
    return LEAT_OK;
}

const leat_sink_ops kafka_sink_ops = {
    .size = sizeof(leat_sink_ops),
    .caps = LEAT_SINK_WANTS_KEY | LEAT_SINK_WANTS_ID,
    .route = &route_rules,
    .create = kafka_create,
    .start = kafka_start,
    .submit = kafka_submit,
    .poll = kafka_poll,
    .stop = kafka_stop,
    .destroy = kafka_destroy,
    .check = kafka_check,
};
