/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c -- the control thread: its loop, how all begins and how it ends.  [main]  See control.h.
 *
 * What the loop turns for is in files of its own: the pipelines and their state files in
 * control_pipelines.c, signals in control_signals.c, commands in orders.c, a new configuration in
 * reload.c.
 */
#include "control.h"

#include "command.h"
#include "control_internal.h"
#include "exit_code.h"
#include "log.h"
#include "log_metrics.h"
#include "notify.h"
#include "status_line.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define STATUS_NS ((int64_t)2000000000)
#define COMMANDS_END_MS 10000 /* what still runs at the end has this long */

/* ---- the end -------------------------------------------------------------------------------- */

/* What a reload has already taken apart it has to put together first. */
void control__stop(struct control *control)
{
    int64_t deadline_ns =
        clock_now_ns(control->clock) + control->config->shutdown_timeout_ms * 1000000;

    control->stop_asked = true;
    control__await_second_signal();
    atomic_store_explicit(&control->registry.stopping, true, memory_order_relaxed);
    if (control->stopping || !reload_give_up(control))
        return;
    control->stopping = true;
    notify_send("STOPPING=1\nSTATUS=finishing what is in flight");
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (control->pipelines[i])
            pipeline_ask_stop(control->pipelines[i], deadline_ns);
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* One reload at a time; the signal's before the endpoint's, which are answered one by one. */
static void take_reloads(struct control *control)
{
    if (control->reload) {
        reload_step(control);
        return;
    }
    if (control->stop_asked)
        return;
    if (control->reload_asked) {
        control->reload_asked = false;
        reload_begin(control, NULL);
    } else if (control->reloads) {
        struct order *order = control->reloads;
        control->reloads = order->next;
        reload_begin(control, order);
    }
}

static void wait_for_work(struct control *control)
{
    struct pollfd fds[] = {{.fd = control->signals, .events = POLLIN},
                           {.fd = control->bell.fd, .events = POLLIN}};
    int64_t watch_ns = watchdog_next_ns(&control->watchdog);
    int64_t until_ns = watch_ns < control->next_write_ns ? watch_ns : control->next_write_ns;
    int64_t left_ns = until_ns - clock_now_ns(control->clock);
    int timeout_ms = left_ns <= 0 ? 0 : (int)(left_ns / 1000000 + 1);

    /* A reload that waits for its turn comes in the next one. */
    if (!control->reload && !control->stop_asked && (control->reload_asked || control->reloads))
        timeout_ms = 0;
    (void)poll(fds, 2, timeout_ms);
}

static void tell_status(struct control *control)
{
    int64_t now_ns = clock_now_ns(control->clock);
    char line[256];

    if (now_ns < control->next_status_ns || control->stopping || control->reload)
        return;
    control->next_status_ns = now_ns + STATUS_NS;
    if (notify_is_wanted() && status_line(&control->registry, line, sizeof line))
        notify_status(line);
}

/* Once a turn, and a turn comes at least once a second. */
static void tick(struct control *control)
{
    registry_tick(&control->registry);
    admin_tick(control->admin);
    log_tick(false);
    log_metrics_tick(&control->log_metrics, &control->registry);
    notify_tick(control->stopping || control->reload);
    watchdog_tick(&control->watchdog, &control->registry);
    tell_status(control);
}

static void loop(struct control *control)
{
    bool running = true;

    while (running) {
        doorbell_arm(&control->bell);
        control__write_states(control);
        running = control__reap(control);
        if (running)
            wait_for_work(control);
        doorbell_disarm(&control->bell);
        control__take_signals(control);
        orders_take(control);
        take_reloads(control);
        tick(control);
    }
}

static int fail_early(const leat_error *error)
{
    (void)fprintf(stderr, "leat: %s\n", error->text);
    return exit_code_of(error);
}

static void log_start(const struct config *config)
{
    leat_field fields[] = {LEAT_F_STR("version", LEAT_VERSION), LEAT_F_STR("config", config->path),
                           LEAT_F_UINT("pipelines", config->pipeline_count),
                           LEAT_F_UINT("memory", config->memory)};

    log_event(NULL, NULL, LEAT_LOG_INFO, "started", fields, 4);
}

static void begun(struct control *control)
{
    registry_begun(&control->registry);
    notify_send("READY=1\nSTATUS=running");
}

/* With a thread left behind the process ends here: all that it may still use stays as it is. */
static void close_control(struct control *control)
{
    orders_refuse_all(control);
    commands_finish(COMMANDS_END_MS);
    admin_stop(control->admin);
    if (control->left_behind)
        _exit(control->exit_code);
    watchdog_fini(&control->watchdog);
    registry_fini(&control->registry);
    (void)close(control->signals);
    doorbell_fini(&control->bell);
    state_close(&control->state);
    control__free_configs(control);
}

int control_run(struct config *config)
{
    struct control control = {.clock = &clock_real, .bell = {.fd = -1}};
    leat_error error = {.size = sizeof error};

    /* Large buffers of a library (a row of 200 MB) go back to the system when they are freed, and
     * threads share two heaps instead of having one each. */
    (void)mallopt(M_MMAP_THRESHOLD, 2 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
    (void)mallopt(M_ARENA_MAX, 2);
    log_init(config);
    if (!control__keep_config(&control, config)) {
        (void)fprintf(stderr, "leat: cannot start: no memory\n");
        return EX_CANTCREAT;
    }
    if (!state_open(&control.state, config->state_directory, &error)) {
        control__free_configs(&control);
        return fail_early(&error);
    }
    if (!doorbell_init(&control.bell) ||
        !registry_init(&control.registry, config, control.clock, &control.bell) ||
        !control__open_signals(&control)) {
        (void)fprintf(stderr, "leat: cannot start: %s\n", strerror(errno));
        control__free_configs(&control);
        return EX_CANTCREAT;
    }
    control.pipelines = control.registry.pipelines;
    watchdog_init(&control.watchdog, control.clock);
    log_start(config);
    control.admin = admin_start(&control.registry, &error);
    if (!control.admin) {
        close_control(&control);
        return fail_early(&error);
    }
    for (size_t i = 0; i < config->pipeline_count && control.exit_code == 0; i++)
        (void)control__make_pipeline(&control, i, CONTROL_FIRST_TRY_MS);
    if (control.exit_code != 0)
        control__stop(&control);
    else
        begun(&control);
    loop(&control);
    control__ignore_signals();
    log_tick(true);
    log_event(NULL, NULL, LEAT_LOG_INFO, "stopped", NULL, 0);
    if (control.exit_code != 0)
        (void)fprintf(stderr, "leat: %s\n", control.reason);
    close_control(&control);
    return control.exit_code;
}
