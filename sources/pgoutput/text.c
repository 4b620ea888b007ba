/* SPDX-License-Identifier: Apache-2.0
 *
 * text.c -- a text that grows.  [any]  Never aborts for want of memory.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char nothing[1] = "";

/* What text_create gives when there is no memory at all: nothing ever changes it. */
static struct text none = {.data = nothing, .broken = true};

struct text *text_create(void)
{
    struct text *text = calloc(1, sizeof *text);
    if (!text)
        return &none;
    text->data = nothing;
    return text;
}

void text_destroy(struct text *text)
{
    if (!text || text == &none)
        return;
    if (text->data != nothing)
        free(text->data);
    free(text);
}

void text_reset(struct text *text)
{
    if (text->broken || text->data == nothing)
        return;
    text->len = 0;
    text->data[0] = '\0';
}

bool text_broken(const struct text *text)
{
    return text->broken;
}

/* Room for `size` more and the NUL. */
static bool grow(struct text *text, size_t size)
{
    if (text->broken)
        return false;
    if (text->len + size < text->room)
        return true;
    size_t room = (text->len + size + 1) * 2;
    char *data = realloc(text->data == nothing ? NULL : text->data, room);
    if (data) {
        text->data = data;
        text->room = room;
        return true;
    }
    if (text->data != nothing)
        free(text->data);
    *text = (struct text){.data = nothing, .broken = true};
    return false;
}

void text_add(struct text *text, const char *string)
{
    size_t size = strlen(string);
    if (!grow(text, size))
        return;
    memcpy(text->data + text->len, string, size + 1);
    text->len += size;
}

void text_add_char(struct text *text, char c)
{
    const char string[] = {c, '\0'};
    text_add(text, string);
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || !grow(text, (size_t)size))
        return;
    va_start(arguments, format);
    (void)vsnprintf(text->data + text->len, (size_t)size + 1, format, arguments);
    va_end(arguments);
    text->len += (size_t)size;
}
