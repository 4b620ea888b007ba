/* SPDX-License-Identifier: Apache-2.0
 *
 * rig.c -- see the header.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { START_MS = 20000 };
enum { PRODUCE = 0 }; /* ApiKey */

int64_t rig_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void init_options(struct rig *rig)
{
    rig->broker_items[0] = rig->brokers;
    rig->options = (struct kafka_options){
        .brokers = {rig->broker_items, 1},
        .connect_timeout_ms = 3000,
        .stall_check_ms = 1000,
        .compression = KAFKA_COMPRESSION_LZ4,
        .linger_ms = 1,
        .max_message = 1000000,
        .window_records = 32768,
        .window_size = 8 << 20,
        .partitions = 4,
        .replication_factor = 1,
        .scan_records = 1000000,
        .settle_ms = 100,
        .position_topic = "leat-positions",
        .transaction_records = 20000,
        .transaction_timeout_ms = 20000,
    };
}

void rig_init_at(struct rig *rig, const char *brokers)
{
    *rig = (struct rig){.fake = fake_host_create()};
    snprintf(rig->brokers, sizeof rig->brokers, "%s", brokers);
    init_options(rig);
}

void rig_init(struct rig *rig, int brokers)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(handle);
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(handle, brokers);
    assert_non_null(mock);
    rig_init_at(rig, rd_kafka_mock_cluster_bootstraps(mock));
    rig->mock_handle = handle;
    rig->mock = mock;
}

void rig_fini(struct rig *rig)
{
    if (rig->sink)
        rig_stop(rig, 0);
    if (fake_host_breaches(rig->fake))
        fail_msg("the sink broke the ABI: %s", fake_host_breach(rig->fake));
    fake_host_destroy(rig->fake);
    if (rig->mock)
        rd_kafka_mock_cluster_destroy(rig->mock);
    if (rig->mock_handle)
        rd_kafka_destroy(rig->mock_handle);
    memset(rig, 0, sizeof *rig);
}

static leat_status start_again(struct rig *rig)
{
    int64_t until = rig_now_ms() + START_MS;
    leat_status status;
    rig->start = (leat_sink_start){.size = sizeof rig->start, .name_space = "slot"};
    client_error_init(&rig->error);
    while ((status = kafka_sink_ops.start(rig->sink, &rig->start, &rig->error)) == LEAT_AGAIN &&
           rig_now_ms() < until) {
        (void)kafka_sink_ops.poll(rig->sink, 0, &rig->error);
        if (rig->between)
            rig->between(rig);
    }
    return status;
}

leat_status rig_start(struct rig *rig)
{
    client_error_init(&rig->error);
    leat_status status =
        kafka_sink_ops.create(fake_host_of(rig->fake), &rig->options, &rig->sink, &rig->error);
    return status == LEAT_OK ? start_again(rig) : status;
}

void rig_stop(struct rig *rig, uint32_t deadline_ms)
{
    if (rig->sink)
        (void)kafka_sink_ops.stop(rig->sink, deadline_ms);
    kafka_sink_ops.destroy(rig->sink);
    rig->sink = NULL;
}

void rig_crash(struct rig *rig)
{
    rig_stop(rig, 0);
}

leat_status rig_offer(struct rig *rig, struct fake_batch *batch, int timeout_ms)
{
    int64_t until = rig_now_ms() + timeout_ms;
    const leat_batch *lent = fake_batch_lend(batch);
    bool taken = false;
    client_error_init(&rig->error);
    while (!fake_batch_done(batch).calls && rig_now_ms() < until) {
        if (!taken)
            taken = kafka_sink_ops.submit(rig->sink, lent) == LEAT_OK;
        leat_status status = kafka_sink_ops.poll(rig->sink, 20, &rig->error);
        if (status != LEAT_OK && !fake_batch_done(batch).calls)
            return status;
    }
    return fake_batch_done(batch).calls ? fake_batch_done(batch).status : LEAT_AGAIN;
}

/* ---- the core's part ------------------------------------------------------------------------- */

struct lot {
    struct fake_batch *batch;
    const leat_batch *lent;
    uint32_t from; /* the first record that is not durable */
    bool out, done;
};

/* Takes in what came back.  False: something that ends the delivery. */
static bool collect(struct rig *rig, struct lot *lots, size_t count, size_t *lent,
                    leat_status *last)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        struct fake_done done = fake_batch_done(lots[i].batch);
        if (!lots[i].out || !done.calls)
            continue;
        lots[i].out = false;
        *last = done.status;
        if (done.status == LEAT_OK) {
            for (size_t before = 0; before < i; before++)
                assert_true(lots[before].done); /* in order */
            lots[i].done = true;
            continue;
        }
        snprintf(rig->reason, sizeof rig->reason, "%s", done.text);
        lots[i].from += done.durable_count;
        if (*lent > i)
            *lent = i;
        if (done.status != LEAT_ERETRY)
            good = false;
        if (!good)
            break;
    }
    return good;
}

leat_status rig_deliver(struct rig *rig, struct fake_batch **batches, size_t count, int timeout_ms)
{
    int64_t until = rig_now_ms() + timeout_ms;
    struct lot *lots = calloc(count, sizeof *lots);
    size_t lent = 0;
    leat_status last = LEAT_AGAIN;
    bool good = true;
    for (size_t i = 0; i < count; i++)
        lots[i].batch = batches[i];
    while (good && rig_now_ms() < until && !lots[count - 1].done) {
        while (lent < count) {
            struct lot *lot = &lots[lent];
            uint32_t from = lot->from;
            if (from == fake_batch_count(lot->batch)) {
                lot->done = true; /* came back with an error, but whole */
                lent++;
                continue;
            }
            if (!lot->lent)
                lot->lent = fake_batch_lend_from(lot->batch, from);
            if (kafka_sink_ops.submit(rig->sink, lot->lent) != LEAT_OK)
                break;
            lot->out = true;
            lot->lent = NULL;
            lent++;
        }
        leat_status status = kafka_sink_ops.poll(rig->sink, lent < count ? 0 : 20, &rig->error);
        good = collect(rig, lots, count, &lent, &last);
        if (status == LEAT_ERETRY) {
            if (rig->error.text[0])
                snprintf(rig->reason, sizeof rig->reason, "%s", rig->error.text);
            for (size_t i = 0; i < count; i++) {
                if (lots[i].out && lent > i)
                    lent = i;
                lots[i].out = false;
            }
            (void)kafka_sink_ops.stop(rig->sink, 0);
            rig->restarts++;
            status = start_again(rig);
            if (status == LEAT_ERETRY) {
                (void)kafka_sink_ops.stop(rig->sink, 0);
                status = start_again(rig);
            }
        }
        if (status != LEAT_OK) {
            last = status;
            good = false;
        }
        if (rig->between)
            rig->between(rig);
    }
    if (lots[count - 1].done)
        last = LEAT_OK;
    free(lots);
    return last;
}

/* ---- records --------------------------------------------------------------------------------- */

static leat_bytes bytes_of(const char *text)
{
    return (leat_bytes){text, text ? strlen(text) : 0};
}

void rig_add(struct fake_batch *batch, const char *topic, uint64_t position, int64_t seq,
             uint16_t op, const char *key, const char *after_key, const char *value)
{
    char id[64];
    snprintf(id, sizeof id, "slot:%X/%X:%lld", (unsigned)(position >> 32), (unsigned)position,
             (long long)seq);
    struct fake_record record = {.identity = {position, seq}, .op = op};
    record.flags = after_key ? LEAT_CHANGE_KEY_CHANGED : 0;
    record.route = bytes_of(topic);
    record.key = bytes_of(key);
    record.after_key = bytes_of(after_key);
    record.value = bytes_of(value);
    record.id = bytes_of(id);
    fake_batch_add_record(batch, &record);
}

struct fake_batch *rig_batch(struct rig *rig, const char *topic, uint64_t first, uint32_t count)
{
    struct fake_batch *batch = fake_batch_create(rig->fake);
    for (uint64_t i = first; i < first + count; i++) {
        char key[64], value[64];
        snprintf(key, sizeof key, "{\"id\":%llu}", (unsigned long long)i % 1000);
        snprintf(value, sizeof value, "{\"n\":%llu}", (unsigned long long)i);
        rig_add(batch, topic, i, 0, LEAT_INSERT, key, NULL, value);
    }
    return batch;
}

/* ---- what a consumer sees -------------------------------------------------------------------- */

static void keep(struct topic_view *view, const rd_kafka_message_t *message)
{
    if (view->count == view->room) {
        view->room = view->room ? view->room * 2 : 256;
        view->seen = realloc(view->seen, view->room * sizeof *view->seen);
        assert_non_null(view->seen);
    }
    struct seen *seen = &view->seen[view->count++];
    *seen = (struct seen){.partition = message->partition, .offset = message->offset};
    leat_bytes id = {"", 0};
    (void)message_header(message, KAFKA_ID_HEADER, &id);
    snprintf(seen->id, sizeof seen->id, "%.*s", (int)id.len, id.ptr);
    snprintf(seen->key, sizeof seen->key, "%.*s", (int)message->key_len,
             message->key ? (const char *)message->key : "");
    seen->null_value = !message->payload;
    snprintf(seen->value, sizeof seen->value, "%.*s", (int)message->len,
             message->payload ? (const char *)message->payload : "");
}

static int partitions_of(rd_kafka_t *reader, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader, topic, NULL);
    assert_int_equal(rd_kafka_metadata(reader, 0, handle, &metadata, 10000), 0);
    int count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

struct topic_view rig_view(struct rig *rig, const char *topic, const char *isolation)
{
    struct topic_view view = {0};
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rig->brokers, text, sizeof text);
    rd_kafka_conf_set(conf, "isolation.level", isolation, text, sizeof text);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", text, sizeof text);
    rd_kafka_t *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(reader);
    int partitions = partitions_of(reader, topic), left = partitions;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(reader);
    for (int i = 0; i < partitions; i++)
        rd_kafka_consume_start_queue(handle, i, RD_KAFKA_OFFSET_BEGINNING, queue);
    int64_t until = rig_now_ms() + 30000;
    while (left > 0 && rig_now_ms() < until) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, 100);
        if (!message)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else if (!message->err)
            keep(&view, message);
        rd_kafka_message_destroy(message);
    }
    assert_int_equal(left, 0);
    for (int i = 0; i < partitions; i++)
        rd_kafka_consume_stop(handle, i);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(reader);
    return view;
}

void view_free(struct topic_view *view)
{
    free(view->seen);
    *view = (struct topic_view){0};
}

size_t view_count(const struct topic_view *view, const char *id)
{
    size_t count = 0;
    for (size_t i = 0; i < view->count; i++)
        count += strcmp(view->seen[i].id, id) == 0;
    return count;
}

void view_assert_exactly(const struct topic_view *view, uint64_t first, uint32_t count)
{
    uint64_t newest[256] = {0};
    unsigned char *times = calloc(count, 1);
    for (size_t i = 0; i < view->count; i++) {
        struct message_id id;
        const struct seen *seen = &view->seen[i];
        assert_true(message_id_parse(seen->id, strlen(seen->id), "slot", &id));
        uint64_t position = id.identity.position;
        if (position < first || position >= first + count)
            continue;
        if (++times[position - first] > 1)
            fail_msg("%s came twice", seen->id);
        if (position <= newest[seen->partition])
            fail_msg("%s is out of order in partition %d", seen->id, (int)seen->partition);
        newest[seen->partition] = position;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!times[i])
            fail_msg("position %llu is lost", (unsigned long long)(first + i));
    free(times);
}

/* ---- for tests that go no further when one of these fails ------------------------------------ */

void rig_must_start(struct rig *rig)
{
    if (rig_start(rig) != LEAT_OK)
        fail_msg("the sink did not start: %s", rig->error.text);
}

void rig_must_deliver(struct rig *rig, struct fake_batch **batches, size_t count)
{
    leat_status status = rig_deliver(rig, batches, count, 30000);
    if (status == LEAT_OK)
        return;
    fake_host_print_logs(rig->fake);
    fail_msg("delivery ended with %d: %s", (int)status, rig->reason);
}

struct rig *rig_begin(struct rig *rig, const char *topic)
{
    rig_init(rig, 3);
    if (topic)
        rd_kafka_mock_topic_create(rig->mock, topic, 4, 3);
    return rig;
}

struct rig *rig_begin_unpipelined(struct rig *rig, const char *topic)
{
    rig_begin(rig, topic);
    rig->options.linger_ms = 50;
    return rig;
}

void rig_must_hold_exactly(struct rig *rig, const char *topic, uint64_t first, uint32_t count)
{
    struct topic_view view = rig_view(rig, topic, "read_committed");
    view_assert_exactly(&view, first, count);
    assert_int_equal(view.count, count);
    view_free(&view);
}

void rig_produce_error(struct rig *rig, size_t times, rd_kafka_resp_err_t err)
{
    rd_kafka_resp_err_t errs[16];
    for (size_t i = 0; i < times; i++)
        errs[i] = err;
    rd_kafka_mock_push_request_errors_array(rig->mock, PRODUCE, times, errs);
}
