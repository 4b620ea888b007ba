/* SPDX-License-Identifier: Apache-2.0
 *
 * slot.h -- may the stream go on from where we are?  The rules against silent gaps.  [any]
 *
 * Pure: facts in, a verdict out.  The order of the rules is the order of the function slot_judge.
 */
#ifndef LEAT_PGOUTPUT_SLOT_H
#define LEAT_PGOUTPUT_SLOT_H

#include "inquiry.h"

/* The words of every gap. */
#define SLOT_GAP "a gap in the data is possible; "
#define SLOT_REFRESH                                                                               \
    "copy the tables anew, then remove this pipeline's file from state_directory to begin afresh"

/* What is known of earlier connections, of this run or of runs before it.  position 0: nothing. */
struct slot_memory {
    uint64_t position; /* all up to here has been taken: a stream must not begin behind it */
    bool seen;         /* the slot was there, in this run */
    uint64_t observed; /* confirmed to the slot while a daemon of our configuration read from it,
                        * and nobody else did: it is durable in the sinks; 0: nothing */
    char slot[64], system_identifier[24], timeline[16], database[64]; /* "": not recorded */
};

enum slot_verdict {
    SLOT_REFUSE, /* *error says why: 65 or 78                                   */
    SLOT_CREATE, /* no earlier run and no slot: make one, then judge again       */
    SLOT_WAIT,   /* somebody reads from it: ask again later                      */
    SLOT_PROVE,  /* from *start, if every sink shows that it holds what lies before it; *error is
                  * what there is to say if one does not, or nobody can be asked  */
    SLOT_STREAM  /* from *start */
};

/* Fills the memory from what the host keeps of earlier runs.  ECONFIG: a position without the facts
 * by which a gap would be known. */
leat_status slot_recall(struct slot_memory *memory, const leat_source_start *start,
                        leat_error *error);

/* Remembers the facts of a connection that streams. */
void slot_remember(struct slot_memory *memory, const struct pgoutput_options *options,
                   const struct origin_facts *facts);

/* True when the server is on another timeline than the recorded one: ask for its history. */
bool slot_timeline_changed(const struct slot_memory *memory, const struct origin_facts *facts);

/* Nothing newer than this can have come from this server, or from the one that it descends from. */
uint64_t slot_newest(const struct slot_memory *memory, const struct origin_facts *facts);

enum slot_verdict slot_judge(const struct pgoutput_options *options,
                             const struct origin_facts *facts, const struct slot_memory *memory,
                             uint64_t *start, leat_error *error);

#endif
