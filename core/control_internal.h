/* SPDX-License-Identifier: Apache-2.0
 *
 * control_internal.h -- what control*.c (the loop and what it turns for), orders.c (commands)
 * and reload*.c (a new configuration) share.  [main]
 */
#ifndef LEAT_CONTROL_INTERNAL_H
#define LEAT_CONTROL_INTERNAL_H

#include "admin.h"
#include "config.h"
#include "log_metrics.h"
#include "order.h"
#include "registry.h"
#include "state.h"
#include "watchdog.h"

/* A configuration that something still points into. */
struct control_config {
    struct config *config; /* owned */
    struct control_config *next;
};

struct reload;

struct control {
    struct config
        *config; /* the present one: its pipelines are registry.pipelines, index by index */
    struct control_config *configs; /* all that are left, the present one among them */
    const struct clock *clock;
    struct state_directory state;
    struct doorbell bell;
    int signals;
    struct registry registry;
    struct pipeline **pipelines; /* registry.pipelines: read here, set under its lock only */
    struct admin *admin;
    struct watchdog watchdog;
    struct log_metrics log_metrics;
    struct reload *reload; /* what is under way, or NULL */
    bool reload_asked;     /* by a signal */
    bool stop_asked;       /* as soon as the reload that is under way allows */
    struct order *reloads; /* orders to reload that wait for their turn, oldest first */
    struct order *waiting; /* orders whose effect is waited for, oldest first */
    int64_t next_write_ns;
    int64_t next_status_ns;
    bool stopping;
    bool left_behind; /* a thread that does not come back: nothing that it may use can be freed */
    int exit_code;
    char reason[FAILURE_LINE_MAX]; /* of the first failure */
};

/* A command that waits for something is answered at the latest after this, with 202. */
#define CONTROL_ANSWER_NS ((int64_t)8000000000)

/* What a reload gives a plugin in a process of its own to say whether it takes its options.  At the
 * start nothing waits yet, and isolate_timeout alone is the bound. */
#define CONTROL_TRY_MS 5000
#define CONTROL_FIRST_TRY_MS INT32_MAX

/* control.c */
/* Again: nothing more.  What a reload has taken apart it puts together first. */
void control__stop(struct control *control);

/* control_pipelines.c */
/* The first one is what the daemon ends with. */
void control__note_failure(struct control *control, const struct failure *failure);
void control__write_state(struct control *control, struct pipeline *pipeline, bool all);
/* Without a thread yet; NULL with *failure.  try_ms: see pipeline_setup. */
struct pipeline *control__create(struct control *control, const struct config *config, size_t index,
                                 int32_t try_ms, struct failure *failure);
/* What the state file says of it; false with *failure where it cannot be read. */
bool control__recall(struct control *control, struct pipeline *pipeline,
                     struct journal_entry *known, bool *was_known, struct failure *failure);
/* Made, and started; try_ms: see pipeline_setup.  False: the failure was noted. */
bool control__make_pipeline(struct control *control, size_t index, int32_t try_ms);
/* Once a turn.  Those that have ended go, or begin again; false: none is left. */
bool control__reap(struct control *control);
/* Once a turn: what is urgent, and what is due. */
void control__write_states(struct control *control);

/* control_signals.c */
/* Before any other thread exists; false with errno. */
bool control__open_signals(struct control *control);
void control__take_signals(struct control *control);
/* The daemon stops: from now on SIGTERM and SIGINT end it at once, wherever the control thread is, also
 * where it waits for a disk, or for a plugin to destroy its instance.  Again: nothing more. */
void control__await_second_signal(void);
/* All has ended: how is said, and only what takes no time is left. */
void control__ignore_signals(void);

/* control_configs.c */
/* The first one, which is taken over even when the answer is false: no memory. */
bool control__keep_config(struct control *control, struct config *config);
/* Frees configurations that nothing points into any more. */
void control__sweep(struct control *control);
void control__free_configs(struct control *control); /* all of them, at the end */

/* orders.c */
void orders_take(struct control *control);
void orders_refuse_all(struct control *control); /* the daemon ends */
/* Answers, once and for all: {"ok":true` more `}, or {"error":...}. */
void order_grant(struct order *order, unsigned code, const char *more);
void order_refuse(struct order *order, unsigned code, const char *error);

/* reload.c */
/* The file is read anew.  order: NULL for a signal; else answered here, now or later. */
void reload_begin(struct control *control, struct order *order);
/* One pipeline begins anew at the confirmed position, with a sink that was dropped, if there is no
 * gap by then. */
void reload_take_back(struct control *control, size_t index, struct order *order);
/* Once a turn, while one is under way. */
void reload_step(struct control *control);
/* True while the reload has this pipeline, or a sink of it, in hand: nobody else reaps it. */
bool reload_has(const struct control *control, size_t index);
/* The daemon ends: gives up what has not begun.  False: it cannot be given up any more, and ends
 * within seconds. */
bool reload_give_up(struct control *control);

#endif
