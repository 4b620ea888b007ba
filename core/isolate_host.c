/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_host.c -- the host that a plugin sees in a helper process.  [any], but for what its
 * comments say.  Results and figures go through shared memory, all else over the socket.
 */
#include "isolate_helper.h"

#include "clock.h"
#include "stage.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct helper *helper_of(const leat_host *host)
{
    return (struct helper *)(void *)(uintptr_t)host;
}

/* ---- messages ------------------------------------------------------------------------------- */

/* Under lock. */
static struct isolate_message *begin(struct helper *helper, enum isolate_kind kind, int64_t number)
{
    memset(&helper->said, 0, offsetof(struct isolate_message, text));
    helper->said.kind = kind;
    helper->said.number = number;
    return &helper->said;
}

static void add(struct isolate_message *message, const char *text)
{
    isolate_add_text(message, text ? text : "", text ? strlen(text) : 0);
}

/* Under lock. */
static void end(struct helper *helper, int flags)
{
    if (!isolate_send(ISOLATE_FD, &helper->said, NULL, 0, flags))
        return; /* a log line that has no room, or the daemon is gone, which ends us */
    (void)atomic_fetch_add_explicit(&helper->shared->told, 1, memory_order_release);
    isolate_ring(&helper->shared->daemon_asleep, helper->bell);
}

void helper_say_state(struct helper *helper, enum isolate_kind kind, leat_status status,
                      const leat_sink_start *start, const leat_error *error)
{
    (void)pthread_mutex_lock(&helper->lock);
    struct isolate_message *message = begin(helper, kind, start ? start->holds : 0);
    message->status = status;
    if (start)
        message->last = start->last;
    if (error) {
        message->os_errno = error->os_errno;
        message->exit_code = error->exit_code;
        add(message, error->text);
    }
    end(helper, 0);
    (void)pthread_mutex_unlock(&helper->lock);
}

void helper_listen(struct helper *helper, bool wait)
{
    int got = isolate_receive(ISOLATE_FD, &helper->heard, NULL, wait ? 0 : MSG_DONTWAIT);

    if (got < 0)
        helper->orphan = true;
    if (got > 0 && helper->heard.kind == ISOLATE_STOP) {
        helper->stop_asked = true;
        helper->deadline_ms = (uint32_t)helper->heard.number;
    }
}

/* ---- what the plugin calls ------------------------------------------------------------------ */

static void add_field(struct isolate_message *message, const leat_field *field)
{
    char number[32];

    (void)snprintf(number, sizeof number, "%c%lld",
                   (int)('0' + (field->kind == LEAT_FIELD_BYTES ? LEAT_FIELD_STRING : field->kind)),
                   (long long)field->number);
    add(message, field->name);
    add(message, number);
    if (field->kind == LEAT_FIELD_BYTES)
        isolate_add_text(message, field->string, (size_t)field->number);
    else
        add(message, field->kind == LEAT_FIELD_STRING ? field->string : "");
}

static void host_log(const leat_host *host, int32_t level, const char *text,
                     const leat_field *fields, size_t count)
{
    struct helper *helper = helper_of(host);

    if (level > atomic_load_explicit(&helper->shared->log_level, memory_order_relaxed))
        return;
    (void)pthread_mutex_lock(&helper->lock);
    struct isolate_message *message = begin(helper, ISOLATE_LOG, level);
    add(message, text);
    for (size_t i = 0; i < count; i++)
        add_field(message, &fields[i]);
    end(helper, MSG_DONTWAIT);
    (void)pthread_mutex_unlock(&helper->lock);
}

static int64_t host_now_ns(const leat_host *host)
{
    (void)host;
    return clock_now_ns(&clock_real);
}

static void wake(struct helper *helper)
{
    (void)atomic_fetch_add_explicit(&helper->events, 1, memory_order_release);
    isolate_ring(&helper->shared->helper_asleep, helper->own_bell);
}

static void host_wake(const leat_host *host)
{
    wake(helper_of(host));
}

static void host_batch_done(const leat_host *host, uint64_t token, const leat_result *given)
{
    struct helper *helper = helper_of(host);
    struct isolate_shared *shared = helper->shared;
    leat_result result = {0};
    uint32_t at;

    memcpy(&result, given, given->size < sizeof result ? given->size : sizeof result);
    (void)pthread_mutex_lock(&helper->lock);
    if (helper->done - atomic_load_explicit(&shared->taken, memory_order_acquire) >= ISOLATE_RING)
        _exit(70); /* more results than batches can be out */
    at = helper->done & (ISOLATE_RING - 1);
    shared->results[at] = (struct isolate_result){token, result.status, result.durable_count,
                                                  result.retry_after_ms, result.hold_ms};
    if (result.status != LEAT_OK)
        (void)snprintf(shared->texts[at], sizeof shared->texts[at], "%.*s", (int)result.text.len,
                       result.text.ptr ? result.text.ptr : "");
    atomic_store_explicit(&shared->done, ++helper->done, memory_order_release);
    if (result.status != LEAT_OK)
        atomic_store_explicit(&helper->failed,
                              atomic_load_explicit(&helper->epochs[token & (ISOLATE_RING - 1)],
                                                   memory_order_relaxed) +
                                  1,
                              memory_order_release);
    (void)pthread_mutex_unlock(&helper->lock);
    isolate_ring(&shared->daemon_asleep, helper->bell);
    wake(helper);
}

static int32_t metric_declare(const leat_host *host, uint32_t kind, const char *name,
                              const char *label, const char *label_value, const char *help)
{
    struct helper *helper = helper_of(host);
    int32_t number;

    (void)pthread_mutex_lock(&helper->lock);
    number = plugin_metrics_declare(&helper->metrics, kind, name, label, label_value, help);
    if (number >= 0 && (uint32_t)number == helper->declared) {
        struct isolate_message *message = begin(helper, ISOLATE_METRIC, kind);
        add(message, name);
        add(message, label);
        add(message, label ? label_value : "");
        add(message, help);
        end(helper, 0);
        helper->declared++;
    }
    (void)pthread_mutex_unlock(&helper->lock);
    return number;
}

static void metric_set(const leat_host *host, int32_t metric, double value)
{
    struct helper *helper = helper_of(host);
    uint64_t bits;

    if (metric < 0 || metric >= (int32_t)PLUGIN_METRICS_MAX)
        return;
    memcpy(&bits, &value, sizeof bits);
    atomic_store_explicit(&helper->shared->metric_bits[metric], bits, memory_order_relaxed);
    atomic_store_explicit(&helper->shared->metric_set[metric], 1, memory_order_release);
}

/* [main thread] as all that may ask for secrets. */
static leat_status secret(const leat_host *host, const char *option, char *out, size_t size)
{
    struct helper *helper = helper_of(host);
    leat_status status = LEAT_ERETRY;

    if (size)
        out[0] = '\0';
    (void)pthread_mutex_lock(&helper->lock);
    add(begin(helper, ISOLATE_SECRET, 0), option);
    end(helper, 0);
    (void)pthread_mutex_unlock(&helper->lock);
    do
        helper_listen(helper, true);
    while (!helper->orphan && helper->heard.kind != ISOLATE_VALUE);
    if (helper->orphan)
        return LEAT_ERETRY;
    status = helper->heard.status;
    if (status == LEAT_OK && strlen(helper->heard.text) >= size)
        status = LEAT_ECONFIG;
    if (status == LEAT_OK)
        memcpy(out, helper->heard.text, strlen(helper->heard.text) + 1);
    explicit_bzero(helper->heard.text, helper->heard.length);
    return status;
}

static const leat_metrics metrics = {
    .size = sizeof metrics, .declare = metric_declare, .set = metric_set};
static const leat_secrets secrets = {.size = sizeof secrets, .current = secret};
#ifdef LEAT_DEBUG
static const leat_stages stages = {.size = sizeof stages, .pass = stage_pass};
#endif

static const void *host_extension(const leat_host *host, const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_METRICS) == 0)
        return &metrics;
    if (strcmp(id, LEAT_EXTENSION_SECRETS) == 0)
        return helper_of(host)->hello.secrets ? &secrets : NULL;
#ifdef LEAT_DEBUG
    if (strcmp(id, LEAT_EXTENSION_STAGES) == 0)
        return &stages;
#endif
    return NULL;
}

void helper_host_init(struct helper *helper)
{
    (void)pthread_mutex_init(&helper->lock, NULL);
    helper->host = (leat_host){
        .size = sizeof helper->host,
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .pipeline = helper->hello.pipeline,
        .instance = helper->hello.instance,
        .wake_fd = helper->bell,
        .log = host_log,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .extension = host_extension,
        .batch_done = host_batch_done,
    };
}
