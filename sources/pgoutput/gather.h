/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.h -- on a machine of two cores, one for the walsender and one for us.  [worker]
 *
 * A walsender of the same machine fills one core, and what sets the pace is how much of one it gets.
 * Our threads sleep and wake thousands of times a second, and each that wakes while the other core
 * is taken lands on the walsender's, although the other is free a moment later
 * (docs/adr/0205-a-core-for-the-walsender.md has what that costs).  So while rows pour in, all that the
 * daemon does fits into one core, and the sinks keep up, its threads are kept on one; as soon as one of
 * these is not so, they may run anywhere again.  Never done with more cores, with fewer, over TCP,
 * beside a second stream of this process, or where the kernel refuses.
 *
 * The main thread is left alone: it does next to nothing, and its affinity is the one to go back to,
 * also for a process that is begun meanwhile.
 */
#ifndef LEAT_PGOUTPUT_GATHER_H
#define LEAT_PGOUTPUT_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#define GATHER_LOOK_NS (100 * INT64_C(1000000))

/* What happened between two looks. */
struct gather_view {
    int64_t took_ns, cpu_ns; /* by the clock; of all our threads together */
    uint64_t bytes;          /* that came */
    int64_t held_ns; /* how long of it what came could not be handed on: the sinks are behind */
};

struct gather {
    bool wanted;   /* the stream counts among those of this process */
    bool gathered; /* our threads are on `core` */
    int core;
    uint64_t bytes; /* since the last look, as the next two */
    int64_t held_ns;
    int64_t held_since_ns;     /* 0: nothing is held */
    int64_t looked_ns, cpu_ns; /* of the last look */
    unsigned other;            /* looks in a row that were for doing otherwise */
    int64_t not_before_ns;     /* after it did not go well */
    int64_t pause_ns;          /* the longer the more often */
};

enum gather_act { GATHER_STAY = 0, GATHER_GATHER, GATHER_SPREAD };

/* A stream begins; wanted: its server is on this machine, and nobody objects. */
void gather_begin(struct gather *gather, bool wanted, int64_t now_ns);
/* It has ended: our threads may run anywhere. */
void gather_end(struct gather *gather);

/* After a round in which so much came. */
void gather_count(struct gather *gather, uint64_t bytes, bool held, int64_t now_ns);

/* What the view asks for; a rule without side effects but in *gather. [any] */
enum gather_act gather_judge(struct gather *gather, const struct gather_view *view, int64_t now_ns);

#endif
