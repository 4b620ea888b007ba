/* SPDX-License-Identifier: Apache-2.0
 *
 * rig.c -- see rig.h.
 */
#include "rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "a-very-secret-word"

const leat_option rig_rows[] = {
    LEAT_OPTION_STRING("text", struct rig_options, text, NULL, 0, "A text."),
    LEAT_OPTION_STRING("secret", struct rig_options, secret, NULL, LEAT_OPT_SECRET, "A secret."),
    LEAT_OPTION_STRING("none", struct rig_options, none, NULL, 0, "One that is not set."),
    LEAT_OPTION_INT("number", struct rig_options, number, "7", 0, 100, 0, "A number."),
    LEAT_OPTION_BOOL("flag", struct rig_options, flag, "false", 0, "A flag."),
    LEAT_OPTION_STRINGS("list", struct rig_options, list, NULL, 0, "A list."),
    LEAT_OPTION_PAIRS("pairs", struct rig_options, pairs, 0, "A mapping."),
};
const size_t rig_row_count = sizeof rig_rows / sizeof *rig_rows;

static const char *const list_items[] = {"a", "", "c"};
static const leat_pair pair_items[] = {{"k", "v"}, {"empty", ""}};
static const struct rig_options options = {.text = "text",
                                           .secret = SECRET,
                                           .number = 42,
                                           .flag = true,
                                           .list = {list_items, 3},
                                           .pairs = {pair_items, 2}};

static struct rig *rig_of(const leat_host *host)
{
    return (struct rig *)(void *)(uintptr_t)host;
}

/* ---- the host ------------------------------------------------------------------------------- */

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t count)
{
    struct rig *rig = rig_of(host);
    size_t at = strlen(rig->log);

    (void)level;
    rig->lines++;
    if (at + 1400 > sizeof rig->log)
        return;
    at += (size_t)snprintf(rig->log + at, 600, "%s", message);
    for (size_t i = 0; i < count && at + 600 < sizeof rig->log; i++)
        at += (size_t)snprintf(rig->log + at, 590, " %s=%s", fields[i].name,
                               fields[i].kind == LEAT_FIELD_STRING ? fields[i].string : "#");
    (void)snprintf(rig->log + at, sizeof rig->log - at, "\n");
}

static int64_t host_now_ns(const leat_host *host)
{
    (void)host;
    return clock_now_ns(&clock_real);
}

static void host_wake(const leat_host *host)
{
    (void)host;
}

static void host_batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    struct rig *rig = rig_of(host);
    uint32_t at = (uint32_t)token & (WORKER_SLOTS - 1);

    if (at >= rig->submitted || token != rig->batches[at].token ||
        result->durable_count > rig->records || result->status > 0 ||
        result->status < LEAT_EFATAL || result->text.len >= 256) {
        rig->wrong++;
        return;
    }
    rig->given_back[at]++;
    rig->results[at] = result->status;
}

static int32_t metric_declare(const leat_host *host, uint32_t kind, const char *name,
                              const char *label, const char *label_value, const char *help)
{
    return plugin_metrics_declare(&rig_of(host)->worker.metrics, kind, name, label, label_value,
                                  help);
}

static void metric_set(const leat_host *host, int32_t metric, double value)
{
    plugin_metrics_set(&rig_of(host)->worker.metrics, metric, value);
}

static leat_status current(const leat_host *host, const char *name, char *out, size_t size)
{
    (void)host;
    (void)snprintf(out, size, "%s", strcmp(name, "secret") == 0 ? SECRET : "");
    return strcmp(name, "secret") == 0 ? LEAT_OK : LEAT_ECONFIG;
}

static const void *host_extension(const leat_host *host, const char *id)
{
    static const leat_metrics metrics = {sizeof metrics, 0, metric_declare, metric_set};
    static const leat_secrets secrets = {sizeof secrets, 0, current};

    (void)host;
    if (strcmp(id, LEAT_EXTENSION_METRICS) == 0)
        return &metrics;
    return strcmp(id, LEAT_EXTENSION_SECRETS) == 0 ? &secrets : NULL;
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void make_batch(struct rig *rig, uint32_t at)
{
    unsigned char *room = pool_take(&rig->worker.pool, 1);
    leat_record *records = (leat_record *)(void *)room;
    char *text = (char *)room + 4096;

    for (uint32_t i = 0; i < rig->records; i++) {
        int length = snprintf(text, 32, "record %u of %u\n", i, at);
        records[i] = (leat_record){.identity = {at + 1, i}, .value = {text, (size_t)length - 1}};
        text += length;
    }
    rig->batches[at] = (leat_batch){.size = sizeof rig->batches[at],
                                    .record_count = rig->records,
                                    .record_stride = sizeof *records,
                                    .token = (uint64_t)(at + 5) << 32 | at,
                                    .records = room};
}

void rig_init(struct rig *rig, const char *case_name, int64_t timeout_ms)
{
    static const leat_sink_ops none = {.size = sizeof none};

    memset(rig, 0, sizeof *rig);
    rig->records = RIG_RECORDS;
    rig->plugin.descriptor.name = "rig";
    rig->plugin.descriptor.config_size = sizeof(struct rig_options);
    rig->plugin.descriptor.option_count = (uint32_t)rig_row_count;
    rig->plugin.options = (leat_option *)(uintptr_t)rig_rows;
    rig->config = (struct config_sink){.name = case_name,
                                       .plugin = &rig->plugin,
                                       .options = &options,
                                       .isolate = true,
                                       .isolate_timeout_ms = timeout_ms,
                                       .isolate_memory = (int64_t)128 << 20};
    rig->worker.config = &rig->config;
    rig->worker.host = (leat_host){.size = sizeof rig->worker.host,
                                   .pipeline = "p",
                                   .instance = case_name,
                                   .wake_fd = -1,
                                   .log = host_log,
                                   .now_ns = host_now_ns,
                                   .wake = host_wake,
                                   .extension = host_extension,
                                   .batch_done = host_batch_done};
    if (!pool_init_shared(&rig->worker.pool, (size_t)1 << 20, (size_t)64 * 1024, false))
        abort();
    for (uint32_t i = 0; i < RIG_BATCHES; i++)
        make_batch(rig, i);
    rig->error.size = sizeof rig->error;
    rig->start = (leat_sink_start){
        .size = sizeof rig->start, .name_space = "slot", .known = 1, .format = "json"};
    isolate_ops(&none, &rig->ops);
    if (rig->ops.create(&rig->worker.host, NULL, &rig->sink, &rig->error) != LEAT_OK)
        abort();
    rig->worker.isolated = rig->ops;
    rig->worker.sink = rig->sink;
}

void rig_fini(struct rig *rig)
{
    rig->ops.destroy(rig->sink);
    pool_fini(&rig->worker.pool);
}

/* ---- what a worker does --------------------------------------------------------------------- */

leat_status rig_start(struct rig *rig)
{
    leat_status status;

    while ((status = rig->ops.start(rig->sink, &rig->start, &rig->error)) == LEAT_AGAIN)
        (void)poll(NULL, 0, 1); /* as a worker, which looks again a little later */
    return status;
}

bool rig_is_done(const struct rig *rig)
{
    for (uint32_t i = 0; i < RIG_BATCHES; i++)
        if (!rig->given_back[i])
            return false;
    return true;
}

leat_status rig_submit(struct rig *rig)
{
    leat_status status;

    if (rig->submitted == RIG_BATCHES)
        return LEAT_AGAIN;
    rig->submitted++; /* a result may come before submit returns */
    status = rig->ops.submit(rig->sink, &rig->batches[rig->submitted - 1]);
    if (status != LEAT_OK)
        rig->submitted--;
    return status;
}

leat_status rig_run(struct rig *rig)
{
    leat_status status = LEAT_OK;

    while (status == LEAT_OK && !rig_is_done(rig)) {
        while (rig_submit(rig) == LEAT_OK)
            ;
        status = rig->ops.poll(rig->sink, -1, &rig->error);
    }
    return status;
}
