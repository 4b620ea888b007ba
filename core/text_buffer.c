/* SPDX-License-Identifier: Apache-2.0
 *
 * text_buffer.c -- see text_buffer.h.
 */
#include "text_buffer.h"

#include "json_escape.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for so many bytes more and the NUL. */
static bool grow(struct text_buffer *buffer, size_t more)
{
    size_t room = buffer->room ? buffer->room : 4096;
    char *text;

    if (buffer->failed)
        return false;
    if (more >= TEXT_BUFFER_MAX || buffer->length + more >= TEXT_BUFFER_MAX) {
        buffer->failed = true;
        return false;
    }
    while (room <= buffer->length + more)
        room *= 2;
    if (room == buffer->room)
        return true;
    text = realloc(buffer->text, room);
    if (!text) {
        buffer->failed = true;
        return false;
    }
    buffer->text = text;
    buffer->room = room;
    return true;
}

void text_put(struct text_buffer *buffer, const char *text, size_t length)
{
    if (!grow(buffer, length))
        return;
    memcpy(buffer->text + buffer->length, text, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

void text_put_string(struct text_buffer *buffer, const char *text)
{
    text_put(buffer, text, strlen(text));
}

void text_print(struct text_buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    int length;

    va_start(arguments, format);
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && grow(buffer, (size_t)length)) {
        (void)vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void text_put_json(struct text_buffer *buffer, const char *text)
{
    size_t length = strlen(text);
    unsigned char *end;

    text_put(buffer, "\"", 1);
    if (grow(buffer, length * JSON_ESCAPE_WORST + JSON_ESCAPE_SLACK)) {
        end = json_escape((unsigned char *)buffer->text + buffer->length, text, length);
        buffer->length = (size_t)(end - (unsigned char *)buffer->text);
    }
    text_put(buffer, "\"", 1);
}

void text_put_plain(struct text_buffer *buffer, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + strlen(text);

    while (at < end) {
        size_t length = *at < 0x80 ? 1 : utf8_sequence(at, end);
        /* U+0080 to U+009F are control characters too. */
        bool control = *at < 0x20 || *at == 0x7f || (length == 2 && *at == 0xc2 && at[1] < 0xa0);
        if (length == 0 || control)
            text_put(buffer, "?", 1);
        else
            text_put(buffer, (const char *)at, length);
        at += length ? length : 1;
    }
}
