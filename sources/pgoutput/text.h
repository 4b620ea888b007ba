/* SPDX-License-Identifier: Apache-2.0
 *
 * text.h -- a text that grows: SQL and command output are put together in it.  [any]
 *
 * Never used on the data path.  When memory runs out it is broken: it stays valid, empty and deaf,
 * and the one who uses it asks text_broken once at the end.
 */
#ifndef LEAT_PGOUTPUT_TEXT_H
#define LEAT_PGOUTPUT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *data; /* NUL-terminated */
    size_t len, room;
    bool broken;
};

/* Never NULL; owned by the caller. */
struct text *text_create(void);
void text_destroy(struct text *text); /* NULL is allowed */

void text_reset(struct text *text);
bool text_broken(const struct text *text);
void text_add(struct text *text, const char *string);
void text_add_char(struct text *text, char c);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
