/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_sink_host.c -- see the header.  One mutex guards everything that [any] functions touch.
 */
#include "fake_sink_host.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EXTENSIONS = 8 };

struct fake_batch {
    struct fake_host *fake;
    struct fake_batch *next;
    leat_batch batch, lent;
    leat_record *records;
    size_t *apart;
    uint32_t count, room;
    char *bytes;           /* of all values; made when it is first lent */
    bool out;              /* lent and not given back: guarded by the host's mutex */
    struct fake_done done; /* guarded by the host's mutex */
};

struct fake_host {
    leat_host host; /* first: a leat_host * is a fake_host * */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct fake_batch *batches;
    uint64_t last_token;
    int64_t clock_ns; /* 0: the real one */
    size_t wakes, breaches, log_count, log_room;
    char breach[256];
    struct fake_log **logs;
    struct {
        const char *id;
        const void *table;
    } extensions[MAX_EXTENSIONS];
    size_t extension_count;
};

static void *must(void *p)
{
    if (!p) {
        fputs("fake_sink_host: no memory\n", stderr);
        abort();
    }
    return p;
}

static struct fake_host *of(const leat_host *host)
{
    return (struct fake_host *)(uintptr_t)host;
}

static void lock(struct fake_host *fake)
{
    pthread_mutex_lock(&fake->mutex);
}

static void unlock(struct fake_host *fake)
{
    pthread_mutex_unlock(&fake->mutex);
}

/* ---- what the sink calls, from any thread ---------------------------------------------------- */

static void print_field(char *dst, size_t size, const leat_field *field)
{
    unsigned long long number = (unsigned long long)field->number;
    switch (field->kind) {
    case LEAT_FIELD_INT:
        snprintf(dst, size, "%s=%lld", field->name, (long long)field->number);
        break;
    case LEAT_FIELD_UINT:
        snprintf(dst, size, "%s=%llu", field->name, number);
        break;
    case LEAT_FIELD_LSN:
        snprintf(dst, size, "%s=%llX/%llX", field->name, number >> 32, number & 0xffffffffu);
        break;
    case LEAT_FIELD_BYTES:
        snprintf(dst, size, "%s=%.*s", field->name, (int)field->number, field->string);
        break;
    default:
        snprintf(dst, size, "%s=%s", field->name, field->string ? field->string : "(null)");
    }
}

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    struct fake_host *fake = of(host);
    struct fake_log *log = must(calloc(1, sizeof *log));
    log->level = level;
    snprintf(log->message, sizeof log->message, "%s", message);
    size_t len = 0;
    for (size_t i = 0; i < field_count && len + 2 < sizeof log->fields; i++) {
        if (i)
            log->fields[len++] = ' ';
        print_field(log->fields + len, sizeof log->fields - len, &fields[i]);
        len += strlen(log->fields + len);
    }
    lock(fake);
    if (fake->log_count == fake->log_room) {
        fake->log_room = fake->log_room ? fake->log_room * 2 : 16;
        fake->logs = must(realloc(fake->logs, fake->log_room * sizeof *fake->logs));
    }
    fake->logs[fake->log_count++] = log;
    unlock(fake);
}

static int64_t host_now_ns(const leat_host *host)
{
    struct fake_host *fake = of(host);
    lock(fake);
    int64_t now = fake->clock_ns;
    unlock(fake);
    if (now)
        return now;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void host_wake(const leat_host *host)
{
    struct fake_host *fake = of(host);
    lock(fake);
    fake->wakes++;
    pthread_cond_broadcast(&fake->changed);
    unlock(fake);
}

static const void *host_extension(const leat_host *host, const char *id)
{
    struct fake_host *fake = of(host);
    for (size_t i = 0; i < fake->extension_count; i++)
        if (strcmp(fake->extensions[i].id, id) == 0)
            return fake->extensions[i].table;
    return NULL;
}

/* The mutex is held. */
static void breach(struct fake_host *fake, const char *what, uint64_t token)
{
    fake->breaches++;
    snprintf(fake->breach, sizeof fake->breach, "%s, token %llu", what, (unsigned long long)token);
}

static void host_batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    struct fake_host *fake = of(host);
    lock(fake);
    struct fake_batch *batch = fake->batches;
    while (batch && batch->batch.token != token)
        batch = batch->next;
    if (!batch) {
        breach(fake, "a token that was never lent", token);
    } else {
        if (!batch->out)
            breach(fake, "given back without being lent", token);
        uint32_t count = batch->lent.record_count;
        if (result->durable_count > count ||
            (result->status == LEAT_EREJECT && result->durable_count == count))
            breach(fake, "impossible durable_count", token);
        if (result->status == LEAT_OK && result->durable_count && result->durable_count != count)
            breach(fake, "OK, but durable_count is not the batch's", token);
        batch->out = false;
        batch->done.calls++;
        batch->done.status = result->status;
        batch->done.durable_count = result->durable_count;
        batch->done.retry_after_ms = result->retry_after_ms;
        snprintf(batch->done.text, sizeof batch->done.text, "%.*s", (int)result->text.len,
                 result->text.ptr ? result->text.ptr : "");
    }
    pthread_cond_broadcast(&fake->changed);
    unlock(fake);
}

/* ---- the host -------------------------------------------------------------------------------- */

struct fake_host *fake_host_create(void)
{
    struct fake_host *fake = must(calloc(1, sizeof *fake));
    fake->host = (leat_host){.size = sizeof fake->host,
                             .abi_major = LEAT_ABI_MAJOR,
                             .abi_minor = LEAT_ABI_MINOR,
                             .pipeline = "test",
                             .instance = "sink",
                             .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                             .log = host_log,
                             .now_ns = host_now_ns,
                             .wake = host_wake,
                             .extension = host_extension,
                             .batch_done = host_batch_done};
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&fake->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return fake;
}

static void batch_free_bytes(struct fake_batch *batch)
{
    for (uint32_t i = 0; batch->records && i < batch->count; i++) {
        leat_record *record = &batch->records[i];
        free((void *)(uintptr_t)record->route.ptr);
        free((void *)(uintptr_t)record->key.ptr);
        free((void *)(uintptr_t)record->id.ptr);
        free((void *)(uintptr_t)record->after_key.ptr);
        if (!batch->bytes)
            free((void *)(uintptr_t)record->value.ptr);
    }
    free(batch->bytes);
    free(batch->records);
    free(batch->apart);
    batch->bytes = NULL;
    batch->records = NULL;
    batch->apart = NULL;
}

void fake_host_destroy(struct fake_host *fake)
{
    if (!fake)
        return;
    while (fake->batches) {
        struct fake_batch *batch = fake->batches;
        fake->batches = batch->next;
        batch_free_bytes(batch);
        free(batch);
    }
    for (size_t i = 0; i < fake->log_count; i++)
        free(fake->logs[i]);
    free(fake->logs);
    close(fake->host.wake_fd);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->mutex);
    free(fake);
}

const leat_host *fake_host_of(const struct fake_host *fake)
{
    return &fake->host;
}

void fake_host_set_clock(struct fake_host *fake, int64_t now_ns)
{
    lock(fake);
    fake->clock_ns = now_ns;
    unlock(fake);
}

void fake_host_advance(struct fake_host *fake, int64_t ns)
{
    fake_host_set_clock(fake, host_now_ns(&fake->host) + ns);
}

void fake_host_offer_extension(struct fake_host *fake, const char *id, const void *table)
{
    if (fake->extension_count == MAX_EXTENSIONS)
        abort();
    fake->extensions[fake->extension_count].id = id;
    fake->extensions[fake->extension_count++].table = table;
}

size_t fake_host_logged(struct fake_host *fake, const char *message)
{
    size_t count = 0;
    lock(fake);
    for (size_t i = 0; i < fake->log_count; i++)
        count += !message || strcmp(fake->logs[i]->message, message) == 0;
    unlock(fake);
    return count;
}

const struct fake_log *fake_host_log(struct fake_host *fake, const char *message)
{
    const struct fake_log *found = NULL;
    lock(fake);
    for (size_t i = 0; i < fake->log_count; i++)
        if (!message || strcmp(fake->logs[i]->message, message) == 0)
            found = fake->logs[i];
    unlock(fake);
    return found;
}

void fake_host_print_logs(struct fake_host *fake)
{
    lock(fake);
    for (size_t i = 0; i < fake->log_count; i++)
        fprintf(stderr, "log %d: %s %s\n", fake->logs[i]->level, fake->logs[i]->message,
                fake->logs[i]->fields);
    unlock(fake);
}

size_t fake_host_breaches(struct fake_host *fake)
{
    lock(fake);
    size_t breaches = fake->breaches;
    unlock(fake);
    return breaches;
}

const char *fake_host_breach(struct fake_host *fake)
{
    return fake->breach;
}

void fake_host_want_thread(struct fake_host *fake)
{
    (void)!write(fake->host.wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void fake_host_reset_wake_fd(struct fake_host *fake)
{
    uint64_t count;
    (void)!read(fake->host.wake_fd, &count, sizeof count);
}

size_t fake_host_wakes(struct fake_host *fake)
{
    lock(fake);
    size_t wakes = fake->wakes;
    unlock(fake);
    return wakes;
}

/* ---- batches --------------------------------------------------------------------------------- */

struct fake_batch *fake_batch_create(struct fake_host *fake)
{
    struct fake_batch *batch = must(calloc(1, sizeof *batch));
    batch->fake = fake;
    lock(fake);
    batch->batch.token = ++fake->last_token;
    batch->next = fake->batches;
    fake->batches = batch;
    unlock(fake);
    return batch;
}

static leat_bytes copy(leat_bytes from)
{
    if (!from.ptr || !from.len)
        return (leat_bytes){NULL, 0};
    char *p = must(malloc(from.len));
    memcpy(p, from.ptr, from.len);
    return (leat_bytes){p, from.len};
}

void fake_batch_add_record(struct fake_batch *batch, const struct fake_record *record)
{
    if (batch->bytes)
        abort(); /* a lent batch is immutable */
    if (batch->count == batch->room) {
        batch->room = batch->room ? batch->room * 2 : 8;
        batch->records = must(realloc(batch->records, batch->room * sizeof *batch->records));
        batch->apart = must(realloc(batch->apart, batch->room * sizeof *batch->apart));
    }
    batch->apart[batch->count] = record->apart ? 3 : 0;
    batch->records[batch->count++] = (leat_record){.identity = record->identity,
                                                   .op = record->op,
                                                   .flags = record->flags,
                                                   .route = copy(record->route),
                                                   .value = copy(record->value),
                                                   .key = copy(record->key),
                                                   .id = copy(record->id),
                                                   .after_key = copy(record->after_key)};
}

void fake_batch_add_routed(struct fake_batch *batch, leat_identity identity, const char *route,
                           const char *value)
{
    struct fake_record record = {.identity = identity, .op = LEAT_INSERT};
    record.value = (leat_bytes){value, value ? strlen(value) : 0};
    record.route = (leat_bytes){route, route ? strlen(route) : 0};
    fake_batch_add_record(batch, &record);
}

void fake_batch_add(struct fake_batch *batch, leat_identity identity, const char *value)
{
    fake_batch_add_routed(batch, identity, NULL, value);
}

/* Moves all values into one piece, a newline behind each. */
static void batch_seal(struct fake_batch *batch)
{
    size_t size = 1;
    for (uint32_t i = 0; i < batch->count; i++)
        size += batch->apart[i] + batch->records[i].value.len + 1;
    char *dst = must(malloc(size));
    batch->bytes = dst;
    for (uint32_t i = 0; i < batch->count; i++) {
        leat_bytes *value = &batch->records[i].value;
        memset(dst, '#', batch->apart[i]);
        dst += batch->apart[i];
        if (value->len)
            memcpy(dst, value->ptr, value->len);
        free((void *)(uintptr_t)value->ptr);
        value->ptr = dst;
        dst += value->len;
        *dst++ = '\n';
    }
    batch->batch.size = sizeof batch->batch;
    batch->batch.record_count = batch->count;
    batch->batch.record_stride = sizeof(leat_record);
    batch->batch.records = batch->records;
    batch->batch.attempt = UINT32_MAX; /* so that the first is 0 */
}

const leat_batch *fake_batch_lend_from(struct fake_batch *batch, uint32_t from)
{
    if (!batch->bytes)
        batch_seal(batch);
    if (from >= batch->count)
        abort();
    batch->batch.attempt++;
    lock(batch->fake);
    batch->lent = batch->batch;
    batch->lent.record_count = batch->count - from;
    batch->lent.records = batch->records + from;
    memset(&batch->done, 0, sizeof batch->done);
    batch->out = true;
    unlock(batch->fake);
    return &batch->lent;
}

const leat_batch *fake_batch_lend(struct fake_batch *batch)
{
    return fake_batch_lend_from(batch, 0);
}

uint64_t fake_batch_token(const struct fake_batch *batch)
{
    return batch->batch.token;
}

uint32_t fake_batch_count(const struct fake_batch *batch)
{
    return batch->count;
}

struct fake_done fake_batch_done(struct fake_batch *batch)
{
    lock(batch->fake);
    struct fake_done done = batch->done;
    unlock(batch->fake);
    return done;
}

bool fake_batch_durable(struct fake_batch *batch)
{
    struct fake_done done = fake_batch_done(batch);
    return done.calls == 1 && done.status == LEAT_OK;
}

bool fake_batch_wait(struct fake_batch *batch, int32_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    struct fake_host *fake = batch->fake;
    lock(fake);
    while (!batch->done.calls &&
           pthread_cond_timedwait(&fake->changed, &fake->mutex, &until) != ETIMEDOUT)
        ;
    bool came = batch->done.calls != 0;
    unlock(fake);
    return came;
}

void fake_batch_forget(struct fake_batch *batch)
{
    batch_free_bytes(batch);
}

/* ---- leat check ------------------------------------------------------------------------------ */

static void check_report(leat_check *check, int32_t severity, int32_t exit_code, const char *text,
                         const char *fix)
{
    static const char *const names[] = {"ok", "note", "warning", "error"};
    struct fake_check *fake = check->context;
    fake->count++;
    fake->warnings += severity == LEAT_FINDING_WARNING;
    if (severity == LEAT_FINDING_ERROR && fake->errors++ == 0)
        fake->exit_code = exit_code;
    size_t len = strlen(fake->text);
    snprintf(fake->text + len, sizeof fake->text - len, "%s %s | %s\n",
             severity >= 0 && severity <= 3 ? names[severity] : "?", text, fix ? fix : "");
}

void fake_check_init(struct fake_check *check)
{
    memset(check, 0, sizeof *check);
    check->check = (leat_check){.size = sizeof check->check,
                                .deadline_ms = 10000,
                                .context = check,
                                .report = check_report};
}
