/* SPDX-License-Identifier: Apache-2.0
 *
 * log_line.c -- see log_line.h.  Writes nowhere but into the line.
 */
#include "log_line.h"

#include "config_log.h"
#include "encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define VALUE_MAX_BYTES 600
#define TAIL_BYTES 8  /* "...", a quote, a brace and the newline always fit */
#define PAIR_BYTES 64 /* less is no room for a pair, its name aside */

static const int syslog_levels[] = {3, 4, 6, 7};

static size_t room(const struct log_line *line)
{
    size_t most = sizeof line->text - TAIL_BYTES;
    return line->length < most ? most - line->length : 0;
}

static void put(struct log_line *line, const char *text, size_t length)
{
    size_t left = sizeof line->text - line->length;

    if (length > left)
        length = left;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void put_string(struct log_line *line, const char *text)
{
    put(line, text, strlen(text));
}

static bool is_inside_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Control characters, quotes and backslashes are escaped; the result is valid inside quotes both in
 * logfmt and in JSON. */
static void put_escaped(struct log_line *line, const char *text, size_t length)
{
    bool cut = length > VALUE_MAX_BYTES;

    if (cut)
        for (length = VALUE_MAX_BYTES; length > 0 && is_inside_character(text[length]);)
            length--;
    for (size_t i = 0; i < length; i++) {
        if (room(line) < 16 && (!is_inside_character(text[i]) || room(line) < 8)) {
            cut = true;
            break;
        }
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

static void put_value(struct log_line *line, const char *text, size_t length)
{
    if (!line->json && is_plain(text, length) && length <= room(line)) {
        put(line, text, length);
        return;
    }
    put(line, "\"", 1);
    put_escaped(line, text, length);
    put(line, "\"", 1);
}

static void put_pair(struct log_line *line, const char *name, const char *text, size_t length,
                     bool bare)
{
    if (room(line) < PAIR_BYTES + strlen(name))
        return;
    put_string(line, line->json ? ",\"" : " ");
    put_string(line, name);
    put_string(line, line->json ? "\":" : "=");
    if (bare)
        put(line, text, length);
    else
        put_value(line, text, length);
}

void log_line_text(struct log_line *line, const char *name, const char *text)
{
    put_pair(line, name, text, strlen(text), false);
}

void log_line_field(struct log_line *line, const leat_field *field)
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

void log_line_begin(struct log_line *line, int32_t level, const char *message)
{
    struct timespec now;
    struct tm parts;
    char text[64];
    size_t length;

    line->length = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    length +=
        (size_t)snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1000000);
    if (line->for_journal) {
        char prefix[8];
        put(line, prefix, (size_t)snprintf(prefix, sizeof prefix, "<%d>", syslog_levels[level]));
    }
    if (line->json) {
        put_string(line, "{\"time\":\"");
        put(line, text, length);
        put_string(line, "\",\"level\":\"");
        put_string(line, config_log_words[level]);
        put_string(line, "\",\"message\":\"");
        put_escaped(line, message, strlen(message));
        put_string(line, "\"");
        return;
    }
    if (!line->for_journal) {
        put(line, text, length);
        put(line, " ", 1);
    }
    put_string(line, config_log_words[level]);
    put(line, " ", 1);
    put(line, message, strnlen(message, VALUE_MAX_BYTES));
}

void log_line_end(struct log_line *line)
{
    if (line->json)
        put(line, "}", 1);
    put(line, "\n", 1);
}
