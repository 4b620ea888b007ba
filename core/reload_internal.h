/* SPDX-License-Identifier: Apache-2.0
 *
 * reload_internal.h -- what reload.c (the phases), reload_plan.c (what a new configuration asks
 * for), reload_settle.c (what leaves finishes), reload_overdue.c (what does not) and reload_switch.c
 * (the old makes way for the new) share.  [main]
 */
#ifndef LEAT_RELOAD_INTERNAL_H
#define LEAT_RELOAD_INTERNAL_H

#include "control_internal.h"

enum job_kind {
    JOB_SAME = 0, /* nothing changed in this pipeline                                           */
    JOB_SINKS,    /* some of its sinks have other options: their workers are replaced           */
    JOB_ANEW,     /* its source, its list of sinks or its memory is another: a new one          */
    JOB_NEW       /* it was not there                                                           */
};

struct job { /* for each pipeline of the new configuration */
    enum job_kind kind;
    int old;                                   /* its index now; -1: none */
    struct pipeline *pipeline;                 /* of ANEW and NEW: without threads; owned */
    struct worker *workers[JOURNAL_SINKS_MAX]; /* of SINKS: NULL where nothing changed; owned */
};

enum phase { SETTLING, STOPPING };

enum settled { READY, NOT_YET, NEVER };

/* Settling ends after this, and what is not durable by then is remembered: see worker_remember. */
#define RELOAD_SETTLE_NS ((int64_t)5000000000)

struct reload {
    struct config *config; /* the new one; owned unless `anew` */
    bool anew;             /* no new configuration: one pipeline begins anew */
    char take_back[64];    /* then: the sink that was dropped; */
    bool refused;          /*       it stays so, since there is a gap by now */
    enum phase phase;
    int64_t begun_ns;
    int64_t stopping_ns; /* when STOPPING began */
    bool drop_removed;
    struct order *order; /* to be answered; NULL: a signal, or answered */
    struct job jobs[CONFIG_PIPELINES_MAX];
    /* Of the present pipelines: */
    bool leaves[CONFIG_PIPELINES_MAX];               /* it is made anew, or goes */
    enum pipeline_hold before[CONFIG_PIPELINES_MAX]; /* how it stood */
    char summary[600];
};

/* reload_plan.c */
/* What each pipeline needs, and everything new that can fail, made without anything having
 * changed.  False with *failure: reload__free_jobs takes back what was made. */
bool reload__plan(struct control *control, struct reload *reload, struct failure *failure);
/* Says in reload->summary what is to change. */
void reload__summarize(struct control *control, struct reload *reload);
/* The index of the pipeline of this name; -1: none. */
int reload__find(const struct config *config, const char *pipeline);

/* reload_settle.c */
/* Looks at everything that leaves.  NEVER: *why says what has to be mended. */
enum settled reload__look(struct control *control, char *why, size_t size);

/* reload_overdue.c */
/* While STOPPING: should something have ended long ago?  Then *failure is whose thread. */
bool reload__is_overdue(struct control *control, struct failure *failure);
/* Then: the daemon ends, and *reload is given up without being freed. */
void reload__leave_behind(struct control *control, struct failure *failure);

/* reload_switch.c */
/* Everything has stopped: the new takes over, and *reload is freed. */
void reload__switch(struct control *control);
/* Destroys what was made, or taken over, and runs nowhere. */
void reload__free_jobs(struct reload *reload);

#endif
