/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_messages.c -- what a helper process says over its socket: that it has started, is down or
 * has stopped, log lines, figures, and questions for secrets.  [worker]
 *
 * Texts are the helper's: bounded, and without control characters before they go anywhere.
 */
#include "isolate_internal.h"
#include "log_level.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MESSAGES_A_TURN = 64,
    FIELDS_MAX = 16,
    TEXTS_MAX = 4096,                           /* of all sinks */
    TEXTS_OF_SINK = 4 * (int)PLUGIN_METRICS_MAX /* name, label, value and help */
};

/* ---- texts that a metric keeps --------------------------------------------------------------- */

/* Metrics want static texts: each different one is kept once, for the life of the process. */
static struct {
    pthread_mutex_t lock;
    char *texts[TEXTS_MAX]; /* under lock */
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* NULL: too many, or none. */
static const char *keep(leat_sink *sink, const char *text)
{
    const char *found = NULL;

    if (!text || strlen(text) > 300)
        return NULL;
    (void)pthread_mutex_lock(&kept.lock);
    for (size_t i = 0; i < TEXTS_MAX && !found; i++) {
        if (!kept.texts[i] && sink->kept_texts < TEXTS_OF_SINK) {
            kept.texts[i] = strdup(text);
            sink->kept_texts++;
        }
        if (!kept.texts[i])
            break;
        if (strcmp(kept.texts[i], text) == 0)
            found = kept.texts[i];
    }
    (void)pthread_mutex_unlock(&kept.lock);
    return found;
}

static const leat_metrics *metrics_of(const leat_sink *sink)
{
    return sink->host->extension(sink->host, LEAT_EXTENSION_METRICS);
}

int32_t isolate_declare_metric(const leat_sink *sink, uint32_t kind, const char *name,
                               const char *label, const char *label_value, const char *help)
{
    const leat_metrics *metrics = metrics_of(sink);

    return metrics ? metrics->declare(sink->host, kind, name, label, label_value, help) : -1;
}

void isolate_set_metric(const leat_sink *sink, int32_t metric, double value)
{
    const leat_metrics *metrics = metric >= 0 ? metrics_of(sink) : NULL;

    if (metrics)
        metrics->set(sink->host, metric, value);
}

void isolate_copy_metrics(leat_sink *sink)
{
    for (uint32_t i = 0; i < sink->metric_count; i++) {
        uint64_t bits;
        double value;
        if (!atomic_load_explicit(&sink->shared->metric_set[i], memory_order_acquire))
            continue;
        bits = atomic_load_explicit(&sink->shared->metric_bits[i], memory_order_relaxed);
        memcpy(&value, &bits, sizeof value);
        if (value - value == 0) /* a number, and finite */
            isolate_set_metric(sink, sink->metrics[i], value);
    }
}

/* ---- one message ----------------------------------------------------------------------------- */

void isolate_break_off(leat_sink *sink, const char *what)
{
    if (!sink->breach[0])
        (void)snprintf(sink->breach, sizeof sink->breach, "%s", what);
}

static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

/* The status that it said, if it may say that one. */
static void take_state(leat_sink *sink, const struct isolate_message *message)
{
    uint32_t at = 0;
    const char *text = isolate_next_text(message, &at);
    bool is_ok = message->status == LEAT_OK && message->kind == ISOLATE_STARTED;

    if (!is_ok && (message->status > LEAT_ECONFIG || message->status < LEAT_EFATAL)) {
        isolate_break_off(sink, "it failed with a status that there is not");
        return;
    }
    if (message->kind == ISOLATE_STARTED &&
        (sink->has_started || message->number < LEAT_HOLDS_UNKNOWN ||
         message->number > LEAT_HOLDS_SELF)) {
        isolate_break_off(sink, "what it says to have started with makes no sense");
        return;
    }
    sink->has_started = sink->has_started || message->kind == ISOLATE_STARTED;
    sink->is_down = message->kind == ISOLATE_DOWN;
    sink->status = message->status;
    sink->holds = (uint32_t)message->number;
    sink->last = message->last;
    sink->said = (leat_error){
        .size = sizeof sink->said,
        .status = message->status,
        .os_errno = message->os_errno,
        .exit_code = message->exit_code > 0 && message->exit_code < 126 ? message->exit_code : 0};
    (void)snprintf(sink->said.text, sizeof sink->said.text, "%s", text ? text : "");
    clean(sink->said.text);
}

/* The names of fields stand in the log as they are. */
static bool is_name(const char *text)
{
    return *text && strlen(text) < 64 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               strlen(text);
}

static void take_log(leat_sink *sink, struct isolate_message *message)
{
    int32_t level = message->number >= LEAT_LOG_ERROR && message->number <= LEAT_LOG_DEBUG
                        ? (int32_t)message->number
                        : LEAT_LOG_ERROR;
    leat_field fields[FIELDS_MAX];
    size_t count = 0;
    uint32_t at = 0;
    const char *text = isolate_next_text(message, &at);
    char line[512];

    if (!text || !log__is_wanted(sink->host->pipeline, sink->host->instance, level) ||
        !isolate_may_log(sink))
        return;
    (void)snprintf(line, sizeof line, "%s", text);
    clean(line);
    while (count < FIELDS_MAX) {
        const char *name = isolate_next_text(message, &at);
        const char *number = isolate_next_text(message, &at);
        const char *string = isolate_next_text(message, &at);
        if (!name || !number || !string)
            break;
        if (!is_name(name) || *number < '0' || *number >= '0' + LEAT_FIELD_BYTES)
            continue;
        fields[count++] = (leat_field){.name = name,
                                       .kind = (uint32_t)(*number - '0'),
                                       .number = strtoll(number + 1, NULL, 10),
                                       .string = string};
    }
    sink->host->log(sink->host, level, line, fields, count);
}

static void take_metric(leat_sink *sink, struct isolate_message *message)
{
    uint32_t at = 0;
    const char *name = isolate_next_text(message, &at);
    const char *label = isolate_next_text(message, &at);
    const char *label_value = isolate_next_text(message, &at);
    const char *help = isolate_next_text(message, &at);

    if (!help || sink->metric_count == PLUGIN_METRICS_MAX) {
        isolate_break_off(sink, "it declares a figure that is none");
        return;
    }
    bool is_ours = strncmp(name, "helper_", 7) == 0; /* what we say of it */
    name = keep(sink, name);
    help = keep(sink, help);
    label = *label ? keep(sink, label) : NULL;
    label_value = label ? keep(sink, label_value) : NULL;
    sink->metrics[sink->metric_count++] =
        name && help && !is_ours ? isolate_declare_metric(sink, (uint32_t)message->number, name,
                                                          label, label_value, help)
                                 : -1;
}

static void answer_secret(leat_sink *sink, struct isolate_message *message)
{
    const leat_secrets *secrets = sink->host->extension(sink->host, LEAT_EXTENSION_SECRETS);
    uint32_t at = 0;
    const char *text = isolate_next_text(message, &at);
    char name[256];

    (void)snprintf(name, sizeof name, "%s", text ? text : "");
    memset(message, 0, offsetof(struct isolate_message, text));
    message->kind = ISOLATE_VALUE;
    message->text[0] = '\0';
    message->status =
        secrets ? secrets->current(sink->host, name, message->text, sizeof message->text - 1)
                : LEAT_ECONFIG;
    message->length = (uint32_t)strlen(message->text) + 1;
    if (!isolate_send(sink->socket, message, NULL, 0, MSG_DONTWAIT))
        isolate_break_off(sink, "it asks for secrets and does not read the answers");
    explicit_bzero(message->text, message->length);
    isolate_ring_anyway(sink->bell);
}

static void take_one(leat_sink *sink, struct isolate_message *message)
{
    switch (message->kind) {
    case ISOLATE_STARTED:
    case ISOLATE_DOWN:
        take_state(sink, message);
        break;
    case ISOLATE_STOPPED:
        sink->stopped = true;
        break;
    case ISOLATE_LOG:
        take_log(sink, message);
        break;
    case ISOLATE_METRIC:
        take_metric(sink, message);
        break;
    case ISOLATE_SECRET:
        answer_secret(sink, message);
        break;
    default:
        isolate_break_off(sink, "it sent a message that there is not");
    }
}

void isolate_take_messages(leat_sink *sink)
{
    for (int i = 0; i < MESSAGES_A_TURN && !sink->breach[0]; i++) {
        int got = isolate_receive(sink->socket, &sink->message, NULL, MSG_DONTWAIT);
        if (got == 0)
            return;
        if (got == -2)
            isolate_break_off(sink, "it sent a message that is none");
        if (got < 0) {
            sink->gone = true;
            return;
        }
        take_one(sink, &sink->message);
    }
}
