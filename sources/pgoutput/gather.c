/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.c -- see gather.h.  Affinity belongs to the process, so one stream at a time may set it.
 */
#include "gather.h"

#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define POURS_BYTES_PER_S (16u * 1024u * 1024u)
#define LEAST_PERCENT 35 /* of a core: with less, it is others that fill the machine */
#define FITS_PERCENT 75  /* of a core: what we may need, to be put on one */
#define FULL_PERCENT 92  /* ... and then it is too little */
#define GATHER_LOOKS 2   /* in a row */
#define SPREAD_LOOKS 3
#define FIRST_PAUSE_NS (2 * SECOND_NS)
#define LONGEST_PAUSE_NS (300 * SECOND_NS)
#define PASSES 4 /* a thread may be begun by one that was not moved yet */

static atomic_int streams; /* that may want it */

/* ---- the rule -------------------------------------------------------------------------------- */

/* It went badly: not again for a while, which grows. */
static void put_off(struct gather *gather, int64_t now_ns)
{
    gather->pause_ns = gather->pause_ns ? gather->pause_ns * 2 : FIRST_PAUSE_NS;
    if (gather->pause_ns > LONGEST_PAUSE_NS)
        gather->pause_ns = LONGEST_PAUSE_NS;
    gather->not_before_ns = now_ns + gather->pause_ns;
}

enum gather_act gather_judge(struct gather *gather, const struct gather_view *view, int64_t now_ns)
{
    int64_t percent = view->took_ns > 0 ? view->cpu_ns * 100 / view->took_ns : 0;
    bool pours = view->bytes * (uint64_t)SECOND_NS / POURS_BYTES_PER_S >= (uint64_t)view->took_ns;
    bool behind = view->held_ns > view->took_ns / 4;
    bool other = gather->gathered ? behind || !pours || percent >= FULL_PERCENT
                                  : pours && !behind && percent >= LEAST_PERCENT &&
                                        percent <= FITS_PERCENT && now_ns >= gather->not_before_ns;
    gather->other = other ? gather->other + 1 : 0;
    if (gather->other < (gather->gathered ? SPREAD_LOOKS : GATHER_LOOKS))
        return GATHER_STAY;
    gather->other = 0;
    if (!gather->gathered)
        return GATHER_GATHER;
    if (pours)
        put_off(gather, now_ns);
    return GATHER_SPREAD;
}

/* ---- affinity -------------------------------------------------------------------------------- */

/* Every thread but the main one that has `from` gets `to`; true when there was any. */
static bool move_once(const cpu_set_t *from, const cpu_set_t *to)
{
    DIR *tasks = opendir("/proc/self/task");
    bool any = false;
    const struct dirent *entry;
    while (tasks && (entry = readdir(tasks))) {
        cpu_set_t now;
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread <= 0 || thread == getpid())
            continue;
        if (sched_getaffinity(thread, sizeof now, &now) == 0 && CPU_EQUAL(&now, from) &&
            sched_setaffinity(thread, sizeof *to, to) == 0)
            any = true;
    }
    if (tasks)
        (void)closedir(tasks);
    return any;
}

/* True when there was a thread to move, and the kernel let us. */
static bool move_all(const cpu_set_t *from, const cpu_set_t *to)
{
    bool any = move_once(from, to);
    for (int pass = 1; any && pass < PASSES && move_once(from, to); pass++)
        ;
    return any;
}

/* The two cores of a machine of two, as whoever began the daemon allows them. */
static bool two_cores(cpu_set_t *all)
{
    return sysconf(_SC_NPROCESSORS_ONLN) == 2 &&
           sched_getaffinity(getpid(), sizeof *all, all) == 0 && CPU_COUNT(all) == 2;
}

static void spread(struct gather *gather)
{
    cpu_set_t one, all;
    if (!gather->gathered)
        return;
    gather->gathered = false;
    CPU_ZERO(&one);
    CPU_SET((size_t)gather->core, &one);
    if (sched_getaffinity(getpid(), sizeof all, &all) == 0)
        (void)move_all(&one, &all);
}

static void gather_now(struct gather *gather)
{
    cpu_set_t one, all;
    gather->core = sched_getcpu();
    if (gather->core < 0 || !two_cores(&all) || !CPU_ISSET((size_t)gather->core, &all))
        return;
    CPU_ZERO(&one);
    CPU_SET((size_t)gather->core, &one);
    gather->gathered = move_all(&all, &one);
}

/* ---- the looks ------------------------------------------------------------------------------- */

static int64_t cpu_time_ns(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * SECOND_NS + used.tv_nsec;
}

void gather_begin(struct gather *gather, bool wanted, int64_t now_ns)
{
    cpu_set_t all;
    gather_end(gather);
    *gather = (struct gather){.wanted = wanted && two_cores(&all), .looked_ns = now_ns};
    if (gather->wanted) {
        gather->cpu_ns = cpu_time_ns();
        atomic_fetch_add_explicit(&streams, 1, memory_order_relaxed);
    }
}

void gather_end(struct gather *gather)
{
    spread(gather);
    if (gather->wanted)
        atomic_fetch_sub_explicit(&streams, 1, memory_order_relaxed);
    gather->wanted = false;
}

void gather_count(struct gather *gather, uint64_t bytes, bool held, int64_t now_ns)
{
    if (!gather->wanted)
        return;
    gather->bytes += bytes;
    if (gather->held_since_ns)
        gather->held_ns += now_ns - gather->held_since_ns;
    gather->held_since_ns = held ? now_ns : 0;
    if (now_ns - gather->looked_ns < GATHER_LOOK_NS)
        return;
    int64_t cpu_ns = cpu_time_ns();
    struct gather_view view = {.took_ns = now_ns - gather->looked_ns,
                               .cpu_ns = cpu_ns - gather->cpu_ns,
                               .bytes = gather->bytes,
                               .held_ns = gather->held_ns};
    gather->looked_ns = now_ns;
    gather->cpu_ns = cpu_ns;
    gather->bytes = 0;
    gather->held_ns = 0;
    enum gather_act act = gather_judge(gather, &view, now_ns);
    if (atomic_load_explicit(&streams, memory_order_relaxed) > 1)
        spread(gather); /* two walsenders fill two cores */
    else if (act == GATHER_GATHER)
        gather_now(gather);
    else if (act == GATHER_SPREAD)
        spread(gather);
}
