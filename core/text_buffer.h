/* SPDX-License-Identifier: Apache-2.0
 *
 * text_buffer.h -- text that grows while it is put together: answers of the admin endpoint.
 *
 * Allocates, so it is nothing for the data path.  Bounded: what would go over the bound marks the
 * buffer as failed, as does a lack of memory, and all later puts do nothing.
 */
#ifndef LEAT_TEXT_BUFFER_H
#define LEAT_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#define TEXT_BUFFER_MAX ((size_t)8 * 1024 * 1024)

struct text_buffer {
    char *text; /* length bytes and a NUL; NULL while it is empty; free() it */
    size_t length, room;
    bool failed;
};

void text_put(struct text_buffer *buffer, const char *text, size_t length);
void text_put_string(struct text_buffer *buffer, const char *text);
void text_print(struct text_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes; what is not UTF-8 is replaced. */
void text_put_json(struct text_buffer *buffer, const char *text);

/* For people: control characters become '?', so that a terminal shows text and obeys nothing. */
void text_put_plain(struct text_buffer *buffer, const char *text);

#endif
