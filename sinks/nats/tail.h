/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.h -- reads back what the stream holds of ours, newest first, when a connection begins.
 *
 * The last message of our namespace is the answer to "from where on?", whoever else writes into the
 * stream.  Because messages are pipelined, one of the last `depth` of them may be missing while
 * later ones are there (the server refused it, and then we died): so up to `depth` of our messages
 * are read back, and what is newer than the oldest of them becomes ranges to skip, not a position.
 * Used by the sink's worker while it starts; driven in slices, so that start never blocks long.
 */
#ifndef NATS_TAIL_H
#define NATS_TAIL_H

#include "skip.h"
#include "stream.h"

enum { TAIL_CHUNK = 256, TAIL_SUBJECTS_MAX = 20000 };

struct tail_slot {
    bool answered, ours;
    struct range range;
};

struct tail {
    struct client *client; /* borrowed; its messages of kinds 'g' and 'd' go to tail_answer */
    struct skip *found;    /* borrowed; filled, not sealed */
    const char *name_space;
    uint64_t first_sequence, next; /* still to read: [first_sequence, next) */
    uint64_t base, asked;          /* the chunk in flight: sequences [base, base + asked) */
    uint64_t answered, scanned;
    leat_identity floor; /* below this nothing can be missing */
    bool has_floor;
    bool direct;         /* read without the API: ten times faster */
    size_t depth, count; /* of our messages: to read, and read */
    struct range newest, oldest;
    bool below_floor; /* one of ours that is not newer than the floor was seen */
    bool looked_at_subjects;
    bool refused, failed; /* what came is no answer: nobody reads directly; nobody can say now */
    struct tail_slot slots[TAIL_CHUNK];
};

void tail_begin(struct tail *tail, struct client *client, struct skip *found,
                const struct stream_info *info, const char *name_space, size_t depth);
/* At most slice_ms of it.  OK: done; AGAIN: call again; ERETRY: the connection is lost. */
leat_status tail_step(struct tail *tail, const struct stream_info *info, int64_t slice_ms,
                      leat_error *error);
/* Direct reads are not allowed to us: asks again through the API. */
void tail_indirect(struct tail *tail);
/* An answer to one of its questions. */
void tail_answer(struct tail *tail, char kind, uint64_t number, const struct wire_event *event);

enum tail_before {
    TAIL_FIRST = 0, /* this instance saw no acknowledgement yet */
    TAIL_CONTINUED, /* all that it saw acknowledged is, or was, in the stream */
    TAIL_REGRESSED  /* the stream lost some of it */
};

/* What to tell the host: fills start->holds and start->last and seals `found`. */
void tail_conclude(struct tail *tail, const struct stream_info *info, enum tail_before before,
                   leat_sink_start *start);

#endif
