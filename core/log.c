/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c -- see log.h.  A line is made on the stack and written with one write(2).
 */
#include "log.h"

#include "config_log.h"
#include "encode.h"
#include "log_level.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define VALUE_MAX_BYTES 600
#define REPEATS 64
#define REPEAT_NS ((int64_t)10000000000)

struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

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

static const int syslog_levels[] = {3, 4, 6, 7};

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

static void put(struct line *line, const char *text, size_t length)
{
    size_t left = sizeof line->text - 2 - line->length;

    if (length > left)
        length = left;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void put_string(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Control characters, quotes and backslashes are escaped; the result is valid inside quotes both in
 * logfmt and in JSON. */
static void put_escaped(struct line *line, const char *text, size_t length)
{
    bool cut = length > VALUE_MAX_BYTES;

    if (cut)
        length = VALUE_MAX_BYTES;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[8];
        if (c == '"' || c == '\\') {
            put(line, "\\", 1);
            put(line, text + i, 1);
        } else if (c < 0x20 || c == 0x7f) {
            put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
        } else {
            put(line, text + i, 1);
        }
    }
    if (cut)
        put_string(line, "...");
}

static bool is_plain(const char *text, size_t length)
{
    if (length == 0 || length > VALUE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_value(struct line *line, const char *text, size_t length)
{
    if (!as_json && is_plain(text, length)) {
        put(line, text, length);
        return;
    }
    put(line, "\"", 1);
    put_escaped(line, text, length);
    put(line, "\"", 1);
}

static void put_pair(struct line *line, const char *name, const char *text, size_t length,
                     bool bare)
{
    put_string(line, as_json ? ",\"" : " ");
    put_string(line, name);
    put_string(line, as_json ? "\":" : "=");
    if (bare)
        put(line, text, length);
    else
        put_value(line, text, length);
}

static void put_field(struct line *line, const leat_field *field)
{
    char number[32];
    int length = 0;

    switch (field->kind) {
    case LEAT_FIELD_STRING:
        put_pair(line, field->name, field->string ? field->string : "",
                 field->string ? strlen(field->string) : 0, false);
        return;
    case LEAT_FIELD_BYTES:
        put_pair(line, field->name, field->string, (size_t)field->number, false);
        return;
    case LEAT_FIELD_INT:
        length = snprintf(number, sizeof number, "%" PRId64, field->number);
        put_pair(line, field->name, number, (size_t)length, true);
        return;
    case LEAT_FIELD_UINT:
        length = snprintf(number, sizeof number, "%" PRIu64, (uint64_t)field->number);
        put_pair(line, field->name, number, (size_t)length, true);
        return;
    case LEAT_FIELD_LSN:
        length = (int)encode_lsn((uint64_t)field->number, number);
        put_pair(line, field->name, number, (size_t)length, false);
        return;
    default:
        return;
    }
}

static void put_head(struct line *line, int32_t level, const char *message)
{
    struct timespec now;
    struct tm parts;
    char text[64];
    size_t length;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    length +=
        (size_t)snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1000000);
    if (for_journal) {
        char prefix[8];
        put(line, prefix, (size_t)snprintf(prefix, sizeof prefix, "<%d>", syslog_levels[level]));
    }
    if (as_json) {
        put_string(line, "{\"time\":\"");
        put(line, text, length);
        put_string(line, "\",\"level\":\"");
        put_string(line, config_log_words[level]);
        put_string(line, "\",\"message\":\"");
        put_escaped(line, message, strlen(message));
        put_string(line, "\"");
        return;
    }
    if (!for_journal) {
        put(line, text, length);
        put(line, " ", 1);
    }
    put_string(line, config_log_words[level]);
    put(line, " ", 1);
    put_string(line, message);
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

static void write_line(struct line *line)
{
    if (as_json)
        put(line, "}", 1);
    line->text[line->length++] = '\n';
    (void)!write(STDERR_FILENO, line->text, line->length);
}

static void put_names(struct line *line, const char *pipeline, const char *instance)
{
    if (pipeline && *pipeline)
        put_pair(line, "pipeline", pipeline, strlen(pipeline), false);
    if (instance && *instance)
        put_pair(line, "instance", instance, strlen(instance), false);
}

static void put_count(struct line *line, uint32_t count)
{
    char number[16];

    put_pair(line, "repeats", number, (size_t)snprintf(number, sizeof number, "%u", count), true);
}

/* Under lock: a count that would be lost. */
static void tell(struct repeat *repeat)
{
    struct line line = {.length = 0};

    if (repeat->suppressed == 0)
        return;
    put_head(&line, repeat->level, "the same again");
    put_names(&line, repeat->pipeline, repeat->instance);
    put_pair(&line, "of", repeat->message, strlen(repeat->message), false);
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
    struct line line = {.length = 0};
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
    put_head(&line, level, message);
    put_names(&line, pipeline, instance);
    for (size_t i = 0; i < field_count; i++)
        put_field(&line, &fields[i]);
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
