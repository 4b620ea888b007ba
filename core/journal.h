/* SPDX-License-Identifier: Apache-2.0
 *
 * journal.h -- what is to be recorded about a pipeline before its source is told.
 *
 * The source thread offers what has become durable; the control thread takes the newest offer,
 * writes the state file, and says what is on disk now; the source thread confirms no more than
 * that.  Small, under one mutex, never held across I/O or a call into a plugin.
 */
#ifndef LEAT_JOURNAL_H
#define LEAT_JOURNAL_H

#include "doorbell.h"
#include "position.h"

#include <leat/plugin.h>
#include <pthread.h>

#define JOURNAL_FACTS_MAX 16
#define JOURNAL_TEXT_MAX 256
#define JOURNAL_SINKS_MAX 16

struct journal_fact {
    char name[64];
    char value[JOURNAL_TEXT_MAX];
};

struct journal_sink {
    char name[64];
    bool known;
    bool dropped; /* the confirmation goes on without it; durable stays as it was then */
    leat_identity durable;
    leat_identity
        gap_until; /* what it does not have ends here: durable moves on behind that only */
};

/* What a state file holds. */
struct journal_entry {
    char name_space[JOURNAL_TEXT_MAX];
    struct journal_fact facts[JOURNAL_FACTS_MAX];
    uint32_t fact_count;
    position_durable position; /* 0: none */
    struct journal_sink sinks[JOURNAL_SINKS_MAX];
    uint32_t sink_count;
};

struct journal {
    pthread_mutex_t lock;
    struct journal_entry entry; /* under lock */
    uint64_t version;           /* under lock: counts the offers */
    uint64_t taken;             /* control thread */
    bool urgent;                /* under lock */
    /* What is on disk.  The control thread stores (release) after the rename and its fsync, the
     * source thread loads (acquire) before it confirms. */
    _Atomic uint64_t recorded;
    _Atomic uint64_t recorded_version;
    struct doorbell *control_bell;
    struct doorbell *source_bell;
};

bool journal_init(struct journal *journal, struct doorbell *control_bell,
                  struct doorbell *source_bell);
void journal_fini(struct journal *journal);

/* [source] The origin's facts, at begin. */
void journal_origin(struct journal *journal, const leat_origin *origin);

/* [source] Everything up to `position` is durable in every sink, the newest identity at or before
 * it is `last` (with has_last).  urgent: write it now. */
void journal_offer(struct journal *journal, position_durable position, const leat_identity *last,
                   bool urgent);

/* [source] Write what was offered now, if there is anything. */
void journal_urge(struct journal *journal);

/* [control] The newest entry that is not on disk yet; false: there is none, or (unless `all`)
 * none that is urgent. */
bool journal_take(struct journal *journal, bool all, struct journal_entry *out);

/* [control] The entry that was taken is on disk; or could not be written: it will be offered
 * again. */
void journal_written(struct journal *journal, const struct journal_entry *entry);
void journal_failed(struct journal *journal);

/* [source, control] Nothing waits for the sink any more: its durable identity stays as it is, and is
 * marked as dropped in the state file.  EREJECT: it is the last one that is left; AGAIN: it was
 * dropped before; ECONFIG: there is no such sink. */
leat_status journal_drop(struct journal *journal, const char *sink);

/* [worker, of that sink] It takes part again.  missed: the newest record that it was not given; it
 * counts as having what is newer than that, and newer than what is confirmed by now. */
void journal_take_back(struct journal *journal, const char *sink, leat_identity missed);

/* [any] */
bool journal_is_dropped(struct journal *journal, const char *sink);

/* [any] What is missing in a dropped sink by what is confirmed: everything behind *from up to *to.
 * False: nothing. */
bool journal_gap(const struct journal_entry *entry, const char *sink, leat_identity *from,
                 leat_identity *to);

/* [any] The newest identity that is confirmed; false: none is known. */
bool journal_newest(struct journal *journal, leat_identity *out);

/* [any] A copy of what is to be recorded. */
void journal_read(struct journal *journal, struct journal_entry *out);

/* [any] The last identity that is known durable in the sink, recorded or about to be; false: none. */
bool journal_sink_floor(struct journal *journal, const char *sink, leat_identity *out);

/* [any] True when everything offered is on disk. */
bool journal_is_settled(struct journal *journal);

#endif
