/* SPDX-License-Identifier: Apache-2.0
 *
 * note.h -- the last thing of its kind that was said, and when: the newest error, the detail of a
 * state.  [any]
 *
 * Under a mutex of its own that is held for a copy only; written where something went wrong, never
 * on the data path.  Like a log line it holds nothing of a row and no secret.
 */
#ifndef LEAT_NOTE_H
#define LEAT_NOTE_H

#include <pthread.h>
#include <stdint.h>

#define NOTE_TEXT 640

struct note_copy {
    char text[NOTE_TEXT];
    int64_t at_us;  /* since 1970-01-01 UTC; 0: nothing was said yet */
    uint64_t count; /* how often something was said */
};

struct note {
    pthread_mutex_t lock;
    struct note_copy now; /* under lock */
};

void note_init(struct note *note);
void note_fini(struct note *note);

/* "what: why", or either alone where the other one is NULL or empty. */
void note_write(struct note *note, const char *what, const char *why);
void note_read(struct note *note, struct note_copy *out);

#endif
