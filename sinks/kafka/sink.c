/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c -- the operations of the ABI, but for poll: what start goes through is in sink.h.
 * [worker], but for create and destroy.  Never waits longer than STEP_MS at a time.
 */
#include "sink.h"

#include "certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum { STEP_MS = 100 };

static const leat_route_rules route_rules = {
    .allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
    .literal = ".-",
    .escape = '-',
    .max_length = TOPIC_NAME_MAX,
    .required = 1,
};

void sink_enter(leat_sink *sink, enum sink_state state)
{
    sink->state = state;
    sink->since_ns = sink_now_ns(sink);
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

static void close_handles(leat_sink *sink)
{
    transaction_forget(sink);
    topics_clear(&sink->topics);
    tail_fini(&sink->topics.tail);
    producer_close(sink);
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

/* ---- start ----------------------------------------------------------------------------------- */

/* Waits for the first answer of any broker. */
static leat_status connect_step(leat_sink *sink, leat_error *error)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(sink->producer, 0, NULL, &metadata, STEP_MS);
    while (rd_kafka_poll(sink->producer, 0) > 0)
        ;
    int64_t waited_ms = (sink_now_ns(sink) - sink->since_ns) / 1000000;
    if (!err) {
        rd_kafka_metadata_destroy(metadata);
        /* Brokers that were slow to answer may have an old connection's records still before them.
         */
        sink->topics.unclean = sink->topics.unclean || waited_ms > 500;
        sink->authentication = false;
        sink_enter(sink, transaction_is_used(sink) ? SINK_FENCING : SINK_RUNNING);
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
    sink->topics.read_tails = !sink->transaction.found; /* it is lost, or this is the first start */
    sink_enter(sink, SINK_RUNNING);
    return LEAT_OK;
}

static leat_status kafka_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    leat_status status;
    switch (sink->state) {
    case SINK_STOPPED:
        certificate_tell_file(sink->host, sink->options->tls_certificate);
        return producer_open(sink, start->name_space, error);
    case SINK_CONNECTING:
        status = connect_step(sink, error);
        if (sink->state != SINK_RUNNING)
            return status;
        sink->topics.read_tails = true;
        start->holds = LEAT_HOLDS_SELF;
        return LEAT_OK;
    case SINK_FENCING:
        status = transaction_fence(sink, STEP_MS, error);
        if (status == LEAT_OK)
            sink_enter(sink, SINK_LOCATING);
        return status == LEAT_OK ? LEAT_AGAIN : status;
    case SINK_LOCATING:
        status = transaction_locate(sink, STEP_MS, error);
        return status == LEAT_OK ? located(sink, start) : status;
    default:
        return client_fail(error, LEAT_ERETRY, "%s", sink->failure_text);
    }
}

/* ---- submit, stop ---------------------------------------------------------------------------- */

static leat_status kafka_submit(leat_sink *sink, const leat_batch *batch)
{
    if (sink->state != SINK_RUNNING || sink->halt.status != LEAT_OK ||
        window_current(&sink->window) || window_full(&sink->window))
        return LEAT_AGAIN;
    window_lend(&sink->window, batch);
    sink_produce(sink);
    return LEAT_OK;
}

static leat_status kafka_stop(leat_sink *sink, uint32_t deadline_ms)
{
    leat_error error;
    client_error_init(&error);
    int64_t until_ns = sink_now_ns(sink) + (int64_t)deadline_ms * 1000000;
    while (sink->state == SINK_RUNNING && window_head(&sink->window) &&
           sink_now_ns(sink) < until_ns)
        (void)sink_poll(sink, STEP_MS / 5, &error);
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
    .poll = sink_poll,
    .stop = kafka_stop,
    .destroy = kafka_destroy,
    .check = kafka_check,
};
