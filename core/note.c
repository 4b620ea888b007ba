/* SPDX-License-Identifier: Apache-2.0
 *
 * note.c -- see note.h.
 */
#include "note.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void note_init(struct note *note)
{
    memset(&note->now, 0, sizeof note->now);
    (void)pthread_mutex_init(&note->lock, NULL);
}

void note_fini(struct note *note)
{
    (void)pthread_mutex_destroy(&note->lock);
}

void note_write(struct note *note, const char *what, const char *why)
{
    struct timespec wall;

    what = what ? what : "";
    why = why ? why : "";
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)pthread_mutex_lock(&note->lock);
    (void)snprintf(note->now.text, sizeof note->now.text, "%s%s%s", what, *what && *why ? ": " : "",
                   why);
    note->now.at_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
    note->now.count++;
    (void)pthread_mutex_unlock(&note->lock);
}

void note_read(struct note *note, struct note_copy *out)
{
    (void)pthread_mutex_lock(&note->lock);
    *out = note->now;
    (void)pthread_mutex_unlock(&note->lock);
}
