/* SPDX-License-Identifier: Apache-2.0
 *
 * transaction.c -- exactly once: records and the position behind them become visible together.
 * [worker]
 *
 * A start shuts older producers of our id out (init_transactions), which also ends what they left
 * open, and then reads the position record that the last committed transaction left: everything up
 * to it is in, nothing behind it is.  docs/adr/0202-kafka-transactions.md has the reasons.
 */
#include "sink.h"

#include <stdio.h>

static const char OWNER_HEADER[] = "leat-owner";
enum { POSITION_PARTITION = 0 }; /* whatever becomes of their number */
enum { SHUT_OUT_MAX = 3 }; /* times before we end; the instance anew with its source counts anew */

bool transaction_is_used(const leat_sink *sink)
{
    return sink->options->transactional_id != NULL;
}

void transaction_forget(leat_sink *sink)
{
    struct transaction *transaction = &sink->transaction;
    if (transaction->topic)
        rd_kafka_topic_destroy(transaction->topic);
    transaction->topic = NULL;
    transaction->open = transaction->committing = false;
    transaction->creating = transaction->reading = transaction->found = false;
    transaction->inside = false;
    transaction->asked_ns = transaction->ended_ns = 0;
    transaction->records = transaction->end = transaction->committed = 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool waited_too_long(const leat_sink *sink)
{
    int64_t waited_ns = sink_now_ns(sink) - sink->since_ns;
    return waited_ns > sink->options->connect_timeout_ms * 1000000;
}

leat_status transaction_fence(leat_sink *sink, int32_t wait_ms, leat_error *error)
{
    rd_kafka_error_t *failure = rd_kafka_init_transactions(sink->producer, wait_ms);
    if (!failure)
        return LEAT_OK;
    bool again = rd_kafka_error_is_retriable(failure) && !waited_too_long(sink);
    client_fail(error, again ? LEAT_AGAIN : LEAT_ERETRY, "transactional_id %s cannot be taken: %s",
                sink->options->transactional_id, rd_kafka_error_string(failure));
    rd_kafka_error_destroy(failure);
    return error->status;
}

static enum tail_verdict judge_position(void *context, const rd_kafka_message_t *message)
{
    leat_sink *sink = context;
    struct transaction *transaction = &sink->transaction;
    const char *key = sink->options->transactional_id;
    struct message_id id;
    leat_bytes header;
    if (!message->key || message->key_len != strlen(key) ||
        memcmp(message->key, key, message->key_len) != 0)
        return TAIL_OTHER;
    transaction->found = false;
    transaction->wrong[0] = transaction->found_owner[0] = 0;
    if (!message->payload)
        return TAIL_ENOUGH; /* somebody has forgotten it on purpose */
    if (!message_header(message, KAFKA_ID_HEADER, &header))
        header = (leat_bytes){"(none)", 6};
    transaction->found = message_id_parse(header.ptr, header.len, sink->name_space, &id);
    if (transaction->found)
        transaction->position = id.identity;
    else
        snprintf(transaction->wrong, sizeof transaction->wrong, "%.*s", (int)header.len,
                 header.ptr);
    if (message_header(message, OWNER_HEADER, &header) &&
        header.len < sizeof transaction->found_owner) {
        memcpy(transaction->found_owner, header.ptr, header.len);
        transaction->found_owner[header.len] = 0;
    }
    return TAIL_ENOUGH;
}

static leat_status open_position(leat_sink *sink, int32_t wait_ms, leat_error *error)
{
    static const leat_pair compacted[] = {{"cleanup.policy", "compact"}};
    struct transaction *transaction = &sink->transaction;
    const char *name = sink->options->position_topic;
    struct topic_facts facts;
    leat_status status;
    if (transaction->creating && sink->topics.admin) {
        status = topic_created(&sink->topics, wait_ms, error);
        if (status != LEAT_OK)
            return status;
        rd_kafka_queue_destroy(sink->topics.admin);
        sink->topics.admin = NULL;
    }
    status = topic_look(&sink->topics, name, wait_ms, &facts, error);
    if (facts.missing && sink->options->create_topics) {
        if (transaction->creating)
            return LEAT_AGAIN;
        transaction->creating = true;
        status = topic_create(&sink->topics, name, 1, compacted, 1, error);
        return status == LEAT_OK ? LEAT_AGAIN : status;
    }
    if (facts.missing)
        return client_fail(error, LEAT_ERETRY,
                           "position_topic %s does not exist; create it with "
                           "cleanup.policy=compact or set create_topics: true",
                           name);
    if (status != LEAT_OK)
        return status;
    transaction->topic = rd_kafka_topic_new(sink->producer, name, NULL);
    if (!transaction->topic)
        return client_fail(error, LEAT_ERETRY, "position_topic %s: %s", name,
                           rd_kafka_err2str(rd_kafka_last_error()));
    transaction->reading = true;
    transaction->wrong[0] = transaction->found_owner[0] = 0;
    return tail_open(&sink->topics.tail, name, POSITION_PARTITION, 1, judge_position, sink,
                     INT64_MAX, 0, error);
}

/* Another daemon that commits under our id would be shut out by us, and we by it, without end. */
static leat_status judge_owner(leat_sink *sink, leat_error *error)
{
    struct transaction *transaction = &sink->transaction;
    const char *id = sink->options->transactional_id;
    if (transaction->wrong[0]) {
        client_fail(error, LEAT_ECONFIG,
                    "transactional_id %s belongs to another stream, it left the "
                    "position %s; choose another id",
                    id, transaction->wrong);
        error->exit_code = 78;
        return error->status;
    }
    const char *found = transaction->found_owner;
    bool stranger = found[0] && strcmp(found, transaction->seen_owner) != 0 &&
                    strcmp(found, transaction->owner) != 0;
    bool fenced = transaction->fenced;
    transaction->fenced = false;
    memcpy(transaction->seen_owner, found, sizeof transaction->seen_owner);
    if (!fenced || !stranger)
        return LEAT_OK;
    /* The heir of our slot, mostly: then our source is about to notice, and we stand by. */
    if (transaction->shut_out++ < SHUT_OUT_MAX)
        return client_fail(error, LEAT_ERETRY,
                           "another daemon has taken transactional_id %s over and writes under it",
                           id);
    client_fail(error, LEAT_EFATAL,
                "another daemon writes under transactional_id %s: it has shut this "
                "one out; only one may use an id",
                id);
    error->exit_code = 78;
    return error->status;
}

leat_status transaction_locate(leat_sink *sink, int32_t wait_ms, leat_error *error)
{
    struct transaction *transaction = &sink->transaction;
    leat_status status;
    if (!transaction->reading) {
        status = open_position(sink, wait_ms, error);
        if (status == LEAT_AGAIN && waited_too_long(sink))
            return error->status = LEAT_ERETRY;
        return status == LEAT_OK ? LEAT_AGAIN : status;
    }
    status = tail_step(&sink->topics.tail, wait_ms, sink_now_ns(sink), error);
    if (status == LEAT_AGAIN && !sink->topics.tail.asked && waited_too_long(sink))
        return error->status = LEAT_ERETRY;
    if (status != LEAT_OK)
        return status;
    tail_close(&sink->topics.tail);
    return judge_owner(sink, error);
}

/* ---- the data path --------------------------------------------------------------------------- */

/* The source's transactions are kept whole where they have at most a quarter of ours: behind three
 * quarters the next end of one is an end of ours, and only at the limit one is cut. */
enum { PATIENCE_MS = 50 };

static uint64_t limit_of(const leat_sink *sink)
{
    return sink->careful ? 1 : (uint64_t)sink->options->transaction_records;
}

static bool is_full(const leat_sink *sink)
{
    const struct transaction *transaction = &sink->transaction;
    uint64_t limit = limit_of(sink);
    return transaction->records >= (transaction->inside ? limit : limit - limit / 4);
}

void transaction_follow(leat_sink *sink, const leat_record *record)
{
    bool *inside = &sink->transaction.inside;
    /* A source that marks nothing is never inside. */
    *inside = (*inside || (record->flags & LEAT_CHANGE_TX_FIRST)) &&
              !(record->flags & LEAT_CHANGE_TX_LAST);
}

/* A commit costs the brokers much the same for one record as for thousands: the more often they
 * come, the longer each takes, so two thirds of the time is for gathering. */
static int32_t rest_between_commits(const leat_sink *sink)
{
    const struct transaction *transaction = &sink->transaction;
    int64_t rest_ns = 2 * (transaction->ended_ns - transaction->asked_ns);
    if (rest_ns > (int64_t)PATIENCE_MS * 1000000)
        rest_ns = (int64_t)PATIENCE_MS * 1000000;
    int64_t left_ns = transaction->ended_ns + rest_ns - sink_now_ns(sink);
    return left_ns <= 0 || window_full(&sink->window) ? -1 : (int32_t)(left_ns / 1000000 + 1);
}

int32_t transaction_patience(const leat_sink *sink)
{
    const struct transaction *transaction = &sink->transaction;
    if (!transaction->open || sink->halt.status != LEAT_OK)
        return -1;
    if (!transaction->inside)
        return rest_between_commits(sink);
    if (sink->window.cursor != sink->window.tail)
        return PATIENCE_MS; /* there is more of it, as soon as it may fly */
    if (window_full(&sink->window))
        return -1; /* nothing more can come */
    int64_t waited_ms = (sink_now_ns(sink) - transaction->fed_ns) / 1000000;
    return waited_ms >= PATIENCE_MS ? -1 : (int32_t)(PATIENCE_MS - waited_ms);
}

bool transaction_enter(leat_sink *sink)
{
    struct transaction *transaction = &sink->transaction;
    if (!transaction_is_used(sink))
        return true;
    if (transaction->committing || (transaction->open && is_full(sink)))
        return false;
    if (transaction->open)
        return true;
    rd_kafka_error_t *failure = rd_kafka_begin_transaction(sink->producer);
    if (failure) {
        sink_fail(sink, LEAT_ERETRY, "no transaction can begin: %s",
                  rd_kafka_error_string(failure));
        rd_kafka_error_destroy(failure);
        return false;
    }
    transaction->open = true;
    transaction->records = 0;
    return true;
}

bool transaction_is_due(const leat_sink *sink, bool idle)
{
    const struct transaction *transaction = &sink->transaction;
    if (!transaction->open || sink->state != SINK_RUNNING)
        return false;
    return transaction->committing || sink->halt.status != LEAT_OK || is_full(sink) ||
           (idle && transaction_patience(sink) < 0);
}

/* The position behind everything that is in this transaction. */
static bool put_position(leat_sink *sink)
{
    const char *key = sink->options->transactional_id, *owner = sink->transaction.owner;
    uint64_t position = sink->produced.position;
    char id[384], value[768];
    int id_len =
        snprintf(id, sizeof id, "%s:%X/%X:%lld", sink->name_space, (unsigned)(position >> 32),
                 (unsigned)position, (long long)sink->produced.seq);
    int len = snprintf(value, sizeof value, "{\"position\":\"%s\",\"owner\":\"%s\"}", id, owner);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        sink->producer, RD_KAFKA_V_RKT(sink->transaction.topic),
        RD_KAFKA_V_PARTITION(POSITION_PARTITION), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key, strlen(key)), RD_KAFKA_V_VALUE(value, (size_t)len),
        RD_KAFKA_V_OPAQUE((void *)UINTPTR_MAX), RD_KAFKA_V_HEADER(KAFKA_ID_HEADER, id, id_len),
        RD_KAFKA_V_HEADER(OWNER_HEADER, owner, (ssize_t)strlen(owner)), RD_KAFKA_V_END);
    if (err)
        sink_fail(sink, LEAT_ERETRY, "position_topic %s takes no record: %s",
                  sink->options->position_topic, rd_kafka_err2str(err));
    return !err;
}

void transaction_commit(leat_sink *sink, int32_t wait_ms)
{
    struct transaction *transaction = &sink->transaction;
    struct window_batch *current = window_current(&sink->window);
    if (!transaction->committing) {
        if (current && current->part != 0)
            return; /* the rest of the record first */
        if (!put_position(sink))
            return;
        transaction->committing = true;
        transaction->asked_ns = sink_now_ns(sink);
        transaction->end = sink->window.next;
    }
    rd_kafka_error_t *failure = rd_kafka_commit_transaction(sink->producer, wait_ms);
    if (!failure) {
        transaction->open = transaction->committing = false;
        transaction->committed = transaction->end;
        transaction->ended_ns = sink_now_ns(sink);
        transaction->records = 0;
        pace_reset(&sink->pace); /* all of it was acknowledged before */
        return;
    }
    if (!rd_kafka_error_is_retriable(failure)) {
        rd_kafka_resp_err_t err = rd_kafka_error_code(failure);
        transaction->fenced = transaction->fenced || err == RD_KAFKA_RESP_ERR__FENCED ||
                              err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
                              err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
        sink_fail(sink, LEAT_ERETRY, "transaction was not committed: %s",
                  rd_kafka_error_string(failure));
    }
    rd_kafka_error_destroy(failure);
}
