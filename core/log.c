/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c -- see log.h.  A line (log_line.h) is made on the stack and written with one write(2); what
 * repeats is counted.
 */
#include "log.h"

#include "config_log.h"
#include "log_level.h"
#include "log_line.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REPEATS 64
#define REPEAT_NS ((int64_t)10000000000)

struct repeat {
    uint64_t key;
    int64_t printed_ns;
    uint32_t suppressed;
    int32_t level;
    char pipeline[64], instance[64], message[96]; /* of what is counted; empty: none */
};

static bool for_journal;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool as_json;                   /* under lock */
static struct repeat repeats[REPEATS]; /* under lock */

/* The variable is inherited by children whose standard error goes elsewhere: it names the stream.
 */
static bool goes_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char mine[64];

    if (!stream || fstat(STDERR_FILENO, &st) != 0)
        return false;
    (void)snprintf(mine, sizeof mine, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, mine) == 0;
}

void log_init(const struct config *config)
{
    log_set_format(config->log_format);
    for_journal = goes_to_journal();
    log_configure(config);
}

void log_set_format(int64_t format)
{
    (void)pthread_mutex_lock(&lock);
    as_json = format == CONFIG_LOG_JSON;
    (void)pthread_mutex_unlock(&lock);
}

static uint64_t mix(uint64_t hash, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u; /* FNV-1a */
    return hash;
}

/* What makes two lines the same: all but numbers. */
static uint64_t key_of(const char *pipeline, const char *instance, const char *message,
                       const leat_field *fields, size_t field_count)
{
    uint64_t hash = mix(14695981039346656037u, message, strlen(message));

    if (pipeline)
        hash = mix(hash, pipeline, strlen(pipeline));
    if (instance)
        hash = mix(hash, instance, strlen(instance));
    for (size_t i = 0; i < field_count; i++)
        if (fields[i].kind == LEAT_FIELD_STRING && fields[i].string)
            hash = mix(hash, fields[i].string, strlen(fields[i].string));
    return hash | 1;
}

static int64_t monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Under lock. */
static void begin(struct log_line *line, int32_t level, const char *message, const char *pipeline,
                  const char *instance)
{
    line->json = as_json;
    line->for_journal = for_journal;
    log_line_begin(line, level, message);
    if (pipeline && *pipeline)
        log_line_text(line, "pipeline", pipeline);
    if (instance && *instance)
        log_line_text(line, "instance", instance);
}

static void put_count(struct log_line *line, uint32_t count)
{
    const leat_field repeats_field = LEAT_F_UINT("repeats", count);

    log_line_field(line, &repeats_field);
}

static void write_line(struct log_line *line)
{
    log_line_end(line);
    (void)!write(STDERR_FILENO, line->text, line->length);
}

/* Under lock: a count that would be lost. */
static void tell(struct repeat *repeat)
{
    struct log_line line;

    if (repeat->suppressed == 0)
        return;
    begin(&line, repeat->level, "the same again", repeat->pipeline, repeat->instance);
    log_line_text(&line, "of", repeat->message);
    put_count(&line, repeat->suppressed);
    write_line(&line);
    repeat->suppressed = 0;
}

/* Under lock.  False: a repeat, to be counted only; else *suppressed is how many were. */
static bool is_due(uint64_t key, struct repeat **place, uint32_t *suppressed)
{
    int64_t now_ns = monotonic_ns();
    struct repeat *oldest = &repeats[0];

    *suppressed = 0;
    for (size_t i = 0; i < REPEATS; i++) {
        struct repeat *repeat = &repeats[i];
        if (repeat->key == key) {
            if (now_ns - repeat->printed_ns < REPEAT_NS) {
                repeat->suppressed++;
                return false;
            }
            *suppressed = repeat->suppressed;
            oldest = repeat;
            break;
        }
        if (repeat->printed_ns < oldest->printed_ns)
            oldest = repeat;
    }
    if (oldest->key != key)
        tell(oldest);
    *oldest = (struct repeat){.key = key, .printed_ns = now_ns};
    *place = oldest;
    return true;
}

void log_event(const char *pipeline, const char *instance, int32_t level, const char *message,
               const leat_field *fields, size_t field_count)
{
    struct log_line line;
    struct repeat *place = NULL;
    uint32_t suppressed = 0;

    if (level < LEAT_LOG_ERROR || level > LEAT_LOG_DEBUG)
        level = LEAT_LOG_ERROR;
    if (!log__is_wanted(pipeline, instance, level))
        return;
    (void)pthread_mutex_lock(&lock);
    if (level <= LEAT_LOG_WARN &&
        !is_due(key_of(pipeline, instance, message, fields, field_count), &place, &suppressed)) {
        (void)pthread_mutex_unlock(&lock);
        return;
    }
    if (place) {
        place->level = level;
        (void)snprintf(place->pipeline, sizeof place->pipeline, "%s", pipeline ? pipeline : "");
        (void)snprintf(place->instance, sizeof place->instance, "%s", instance ? instance : "");
        (void)snprintf(place->message, sizeof place->message, "%s", message);
    }
    begin(&line, level, message, pipeline, instance);
    for (size_t i = 0; i < field_count; i++)
        log_line_field(&line, &fields[i]);
    if (suppressed > 0)
        put_count(&line, suppressed);
    write_line(&line);
    (void)pthread_mutex_unlock(&lock);
}

void log_for_host(const leat_host *host, int32_t level, const char *message,
                  const leat_field *fields, size_t field_count)
{
    log_event(host->pipeline, host->instance, level, message, fields, field_count);
}

void log_tick(bool all)
{
    int64_t now_ns = monotonic_ns();

    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REPEATS; i++)
        if (all || now_ns - repeats[i].printed_ns >= REPEAT_NS)
            tell(&repeats[i]);
    (void)pthread_mutex_unlock(&lock);
}
