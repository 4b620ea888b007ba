/* SPDX-License-Identifier: Apache-2.0
 *
 * rig.c -- see the header.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void rig_init(struct rig *rig, const struct bus *bus)
{
    memset(rig, 0, sizeof *rig);
    rig->plugin = &leat_plugin_v1;
    rig->ops = leat_plugin_v1.ops;
    rig->url[0] = bus->url;
    rig->options = (struct nats_options){
        .url = {rig->url, 1},
        .stream = "S",
        .window = 0,
        .window_size = 8 << 20,
        .confirm_hold = "auto",
        .connect_timeout_ms = 2000,
        .ack_timeout_ms = 10000,
        .ping_interval_ms = 20000,
        .fence_timeout_ms = 10000,
        .inbox_prefix = "_INBOX",
        .create_replicas = 1,
        .create_duplicate_window_ms = 600000,
        .create_discard = DISCARD_NEW,
        .pack_records = 1,
        .pack_max_delay_ms = 5,
        .pack_size = 256 << 10,
    };
    rig->subject = "S.t";
    rig->per_transaction = 10;
    rig->per_batch = 50;
    rig->large_change = rig->other_from = -1;
}

leat_identity rig_identity(const struct rig *rig, uint64_t change)
{
    return (leat_identity){1 + change / rig->per_transaction,
                           (int64_t)(change % rig->per_transaction)};
}

void rig_create(struct rig *rig)
{
    rig->fake = fake_host_create();
    rig->error = (leat_error){.size = sizeof rig->error};
    if (rig->ops->create(fake_host_of(rig->fake), &rig->options, &rig->sink, &rig->error)) {
        fprintf(stderr, "rig: %s\n", rig->error.text);
        abort();
    }
}

static void forget_batches(struct rig *rig)
{
    for (size_t i = 0; i < rig->batch_count; i++)
        fake_batch_forget(rig->batches[i]);
    rig->batch_count = 0;
    rig->offered = rig->durable;
}

void rig_destroy(struct rig *rig)
{
    if (rig->sink)
        rig->ops->stop(rig->sink, 2000);
    rig_forget(rig);
}

void rig_forget(struct rig *rig)
{
    forget_batches(rig);
    rig->ops->destroy(rig->sink);
    fake_host_destroy(rig->fake);
    rig->sink = NULL;
    rig->fake = NULL;
    rig->up = false;
}

leat_status rig_start(struct rig *rig, int32_t timeout_ms)
{
    int64_t end = clock_ms() + timeout_ms;
    leat_status status;
    rig->start = (leat_sink_start){.size = sizeof rig->start,
                                   .name_space = "slot",
                                   .format = "json",
                                   .known = rig->durable > 0 && !rig->held};
    if (rig->start.known)
        rig->start.durable = rig_identity(rig, rig->durable - 1);
    do {
        rig->error = (leat_error){.size = sizeof rig->error};
        status = rig->ops->start(rig->sink, &rig->start, &rig->error);
        if (status == LEAT_ERETRY)
            rig->ops->stop(rig->sink, 0);
    } while ((status == LEAT_AGAIN || status == LEAT_ERETRY) && clock_ms() < end);
    rig->up = status == LEAT_OK;
    if (rig->up && rig->held)
        rig->durable = 0;
    if (rig->up && rig->start.holds == LEAT_HOLDS_LAST)
        while (leat_identity_compare(rig_identity(rig, rig->durable), rig->start.last) <= 0)
            rig->durable++;
    if (rig->up)
        rig->offered = rig->durable;
    return status;
}

static void offer(struct rig *rig, uint64_t until)
{
    size_t most = rig->value_size > rig->large_size ? rig->value_size : rig->large_size;
    char *value = malloc(most + 64), id[64];
    struct fake_batch *batch = fake_batch_create(rig->fake);
    uint64_t i = rig->offered;
    for (uint32_t n = 0; n < rig->per_batch && i < until; n++, i++) {
        leat_identity identity = rig_identity(rig, i);
        int len = snprintf(value, 64, "{\"n\":%llu", (unsigned long long)i);
        size_t size = (int64_t)i == rig->large_change ? rig->large_size : rig->value_size;
        if (size > (size_t)len + 12) {
            len += snprintf(value + len, 64, ",\"p\":\"");
            memset(value + len, 'x', size - (size_t)len - 2);
            len = (int)size - 2;
            value[len++] = '"';
        }
        value[len++] = '}';
        int id_len = snprintf(
            id, sizeof id, "slot:%llX/%llX:%lld", (unsigned long long)identity.position >> 32,
            (unsigned long long)(identity.position & 0xffffffffu), (long long)identity.seq);
        bool last = identity.seq == rig->per_transaction - 1;
        bool other = rig->other_from >= 0 && (int64_t)i >= rig->other_from;
        const char *subject = other ? rig->other_subject : rig->subject;
        fake_batch_add_record(batch, &(struct fake_record){.identity = identity,
                                                           .op = LEAT_INSERT,
                                                           .flags = last ? LEAT_CHANGE_TX_LAST : 0,
                                                           .route = {subject, strlen(subject)},
                                                           .value = {value, (size_t)len},
                                                           .id = {id, (size_t)id_len}});
    }
    free(value);
    if (rig->ops->submit(rig->sink, fake_batch_lend(batch)) == LEAT_OK) {
        rig->batch_from[rig->batch_count] = rig->offered;
        rig->batches[rig->batch_count++] = batch;
        rig->offered = i;
    } else {
        fake_batch_forget(batch);
    }
}

/* Takes back what is done, in order.  False when the line must stop. */
static bool collect(struct rig *rig)
{
    size_t n = 0;
    for (; n < rig->batch_count; n++) {
        struct fake_done done = fake_batch_done(rig->batches[n]);
        if (!done.calls)
            break;
        if (done.status != LEAT_OK) {
            rig->last_status = done.status;
            snprintf(rig->last_text, sizeof rig->last_text, "%s", done.text);
            rig->durable = rig->batch_from[n] + done.durable_count;
            rig->rejects += done.status == LEAT_EREJECT;
            for (size_t later = n + 1; later < rig->batch_count; later++)
                if (fake_batch_done(rig->batches[later]).status == LEAT_OK)
                    abort(); /* order broken */
            forget_batches(rig);
            return done.status == LEAT_ERETRY;
        }
        rig->durable = rig->batch_from[n] + fake_batch_count(rig->batches[n]);
        fake_batch_forget(rig->batches[n]);
    }
    rig->batch_count -= n;
    memmove(rig->batches, rig->batches + n, rig->batch_count * sizeof rig->batches[0]);
    memmove(rig->batch_from, rig->batch_from + n, rig->batch_count * sizeof rig->batch_from[0]);
    return true;
}

bool rig_step(struct rig *rig, uint64_t until)
{
    if (!rig->up) {
        leat_status status = rig_start(rig, 1000);
        return status == LEAT_OK || status == LEAT_AGAIN || status == LEAT_ERETRY;
    }
    while (rig->offered < until && rig->batch_count < 60) {
        uint64_t before = rig->offered;
        offer(rig, until);
        if (rig->offered == before)
            break;
    }
    leat_status status = rig->ops->poll(rig->sink, 20, &rig->error);
    bool good = collect(rig);
    if (status == LEAT_ERETRY) {
        forget_batches(rig);
        rig->ops->stop(rig->sink, 0);
        rig->up = false;
        rig->restarts++;
        return true;
    }
    return good && status == LEAT_OK;
}

bool rig_run(struct rig *rig, uint64_t until, int32_t timeout_ms)
{
    int64_t end = clock_ms() + timeout_ms;
    while (rig->durable < until) {
        if (clock_ms() > end || !rig_step(rig, until))
            return false;
    }
    return true;
}
