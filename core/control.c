/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c -- see control.h.
 */
#include "control.h"

#include "admin.h"
#include "exit_code.h"
#include "log.h"
#include "log_metrics.h"
#include "notify.h"
#include "pipeline.h"
#include "registry.h"
#include "state.h"
#include "watchdog.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

struct control {
    const struct config *config;
    const struct clock *clock;
    struct state_directory state;
    struct doorbell bell;
    int signals;
    struct registry registry;
    struct pipeline **pipelines; /* registry.pipelines: read here, set by registry_set only */
    struct admin *admin;
    struct watchdog watchdog;
    struct log_metrics log_metrics;
    int64_t next_write_ns;
    bool stopping;
    int exit_code;
    char reason[LEAT_ERROR_TEXT + 128]; /* of the first failure */
};

/* ---- signals -------------------------------------------------------------------------------- */

static void signal_set(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1);
    (void)sigaddset(set, SIGUSR2);
}

/* Before any other thread exists, so that all inherit the mask and only the signalfd sees them. */
static bool open_signals(struct control *control)
{
    sigset_t set;

    signal_set(&set);
    (void)signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    control->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return control->signals >= 0;
}

static void ask_all_to_stop(struct control *control)
{
    int64_t deadline_ns =
        clock_now_ns(control->clock) + control->config->shutdown_timeout_ms * 1000000;

    control->stopping = true;
    atomic_store_explicit(&control->registry.stopping, true, memory_order_relaxed);
    notify_send("STOPPING=1\nSTATUS=finishing what is in flight");
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (control->pipelines[i])
            pipeline_ask_stop(control->pipelines[i], deadline_ns);
}

/* The second one ends the process as if it had not been caught: nothing more is confirmed. */
static void die_of(int number)
{
    sigset_t set;

    (void)signal(number, SIG_DFL);
    signal_set(&set);
    (void)raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + number);
}

static void take_signal(struct control *control, int number)
{
    leat_field fields[] = {LEAT_F_STR("signal", strsignal(number))};

    if (number == SIGTERM || number == SIGINT) {
        if (control->stopping) {
            log_event(NULL, NULL, LEAT_LOG_WARN, "second signal, exiting at once", fields, 1);
            die_of(number);
        }
        log_event(NULL, NULL, LEAT_LOG_INFO, "stopping, what is in flight is finished", fields, 1);
        ask_all_to_stop(control);
        return;
    }
    log_event(NULL, NULL, LEAT_LOG_INFO, "signal without effect", fields, 1);
}

static void take_signals(struct control *control)
{
    struct signalfd_siginfo info;

    while (read(control->signals, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(control, (int)info.ssi_signo);
}

/* What came over the admin endpoint. */
static void take_commands(struct control *control)
{
    struct registry *registry = &control->registry;

    if (atomic_exchange_explicit(&registry->stop_asked, false, memory_order_acquire)
        && !control->stopping) {
        log_event(NULL, NULL, LEAT_LOG_INFO, "stopping by command, what is in flight is finished",
                  NULL, 0);
        ask_all_to_stop(control);
    }
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        if (!atomic_exchange_explicit(&registry->drain_asked[i], false, memory_order_acquire)
            || !control->pipelines[i] || control->stopping)
            continue;
        log_event(control->config->pipelines[i].name, NULL, LEAT_LOG_INFO, "draining by command",
                  NULL, 0);
        pipeline_ask_stop(control->pipelines[i],
                          clock_now_ns(control->clock)
                              + control->config->shutdown_timeout_ms * 1000000);
    }
}

/* ---- state files ---------------------------------------------------------------------------- */

static void write_state(struct control *control, struct pipeline *pipeline, bool all)
{
    struct journal_entry entry;
    leat_error error = {.size = sizeof error};

    if (!journal_take(&pipeline->journal, all, &entry))
        return;
    if (state_save(&control->state, pipeline->config->name, &entry, &error)) {
        journal_written(&pipeline->journal, &entry);
        atomic_store_explicit(&pipeline->cannot_record, false, memory_order_relaxed);
    } else {
        leat_field fields[] = {LEAT_F_STR("error", error.text)};
        note_write(&pipeline->record_note, error.text, NULL);
        atomic_store_explicit(&pipeline->cannot_record, true, memory_order_relaxed);
        journal_failed(&pipeline->journal);
        log_event(pipeline->config->name, NULL, LEAT_LOG_ERROR,
                  "cannot record the position, nothing is confirmed until that works", fields, 1);
    }
}

static void write_states(struct control *control)
{
    int64_t now_ns = clock_now_ns(control->clock);
    bool all = now_ns >= control->next_write_ns || control->stopping;
    int64_t interval_ms = 1000;

    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        if (control->pipelines[i])
            write_state(control, control->pipelines[i], all);
        if (control->config->pipelines[i].confirm_interval_ms < interval_ms)
            interval_ms = control->config->pipelines[i].confirm_interval_ms;
    }
    if (all)
        control->next_write_ns = now_ns + interval_ms * 1000000;
}

/* ---- pipelines ------------------------------------------------------------------------------ */

static void note_failure(struct control *control, const char *pipeline, const char *culprit,
                         const leat_error *error)
{
    leat_field fields[] = {LEAT_F_STR("error", error->text)};

    log_event(pipeline, culprit, LEAT_LOG_ERROR, "pipeline failed", fields, 1);
    if (control->exit_code != 0)
        return;
    control->exit_code = exit_code_of(error);
    (void)snprintf(control->reason, sizeof control->reason, "pipeline %s: %s: %s", pipeline, culprit,
                   error->text);
}

static bool make_pipeline(struct control *control, size_t index)
{
    const struct config_pipeline *config = &control->config->pipelines[index];
    leat_error error = {.size = sizeof error};
    struct journal_entry *known = malloc(sizeof *known);
    struct pipeline_setup setup = {
        .config = config,
        .clock = control->clock,
        .control_bell = &control->bell,
        .memory = (size_t)control->config->memory / control->config->pipeline_count,
        .memory_factor = control->config->pipeline_count,
        .tally_tables = (uint32_t)control->config->metrics_tables,
        .mlock = control->config->mlock,
    };
    struct pipeline *pipeline = NULL;
    leat_status status =
        known ? state_load(&control->state, config->name, known, &error) : LEAT_EFATAL;

    if (status == LEAT_OK)
        setup.known = known;
    if (status == LEAT_OK || status == LEAT_EOF)
        pipeline = pipeline_create(&setup, &error);
    free(known);
    if (pipeline && pipeline_start(pipeline, &error)) {
        registry_set(&control->registry, index, pipeline);
        return true;
    }
    pipeline_destroy(pipeline);
    if (error.status == LEAT_OK)
        error.status = LEAT_EFATAL;
    note_failure(control, config->name, "start", &error);
    return false;
}

static void pipeline_ended(struct control *control, size_t index)
{
    struct pipeline *pipeline = control->pipelines[index];
    bool again;

    pipeline_join(pipeline);
    write_state(control, pipeline, true);
    again = pipeline->regressed && !control->stopping;
    if (again) {
        leat_field fields[] = {LEAT_F_STR("error", pipeline->error.text)};
        log_event(pipeline->config->name, pipeline->culprit, LEAT_LOG_ERROR,
                  "sink went backwards, beginning again at the confirmed position", fields, 1);
    } else if (pipeline->error.status != LEAT_OK) {
        note_failure(control, pipeline->config->name, pipeline->culprit, &pipeline->error);
    } else if (!pipeline->drained && pipeline->source.begun) {
        log_event(pipeline->config->name, NULL, LEAT_LOG_WARN,
                  "stopped before everything in flight was durable, it will be sent again", NULL, 0);
    }
    registry_set(&control->registry, index, NULL);
    pipeline_destroy(pipeline);
    if ((again && make_pipeline(control, index)) || control->exit_code == 0)
        return;
    ask_all_to_stop(control);
}

static bool reap(struct control *control)
{
    bool any_left = false;

    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        if (control->pipelines[i] && pipeline_state(control->pipelines[i]) == PIPELINE_ENDED)
            pipeline_ended(control, i);
        any_left = any_left || control->pipelines[i];
    }
    return any_left;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void wait_for_work(struct control *control)
{
    struct pollfd fds[] = {{.fd = control->signals, .events = POLLIN},
                           {.fd = control->bell.fd, .events = POLLIN}};
    int64_t watch_ns = watchdog_next_ns(&control->watchdog);
    int64_t until_ns = watch_ns < control->next_write_ns ? watch_ns : control->next_write_ns;
    int64_t left_ns = until_ns - clock_now_ns(control->clock);
    int timeout_ms = left_ns <= 0 ? 0 : (int)(left_ns / 1000000 + 1);

    (void)poll(fds, 2, timeout_ms);
}

/* Once a turn, and a turn comes at least once a second. */
static void tick(struct control *control)
{
    registry_tick(&control->registry);
    admin_tick(control->admin);
    log_tick(false);
    log_metrics_tick(&control->log_metrics, &control->registry);
    notify_tick(control->stopping);
    watchdog_tick(&control->watchdog, &control->registry);
}

static void loop(struct control *control)
{
    bool running = true;

    while (running) {
        doorbell_arm(&control->bell);
        write_states(control);
        running = reap(control);
        if (running)
            wait_for_work(control);
        doorbell_disarm(&control->bell);
        take_signals(control);
        take_commands(control);
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

static void close_control(struct control *control)
{
    admin_stop(control->admin);
    watchdog_fini(&control->watchdog);
    registry_fini(&control->registry);
    (void)close(control->signals);
    doorbell_fini(&control->bell);
    state_close(&control->state);
}

int control_run(const struct config *config)
{
    struct control control = {.config = config, .clock = &clock_real, .bell = {.fd = -1}};
    leat_error error = {.size = sizeof error};

    /* Large buffers of a library (a row of 200 MB) go back to the system when they are freed, and
     * threads share two heaps instead of having one each. */
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    (void)mallopt(M_ARENA_MAX, 2);
    log_init(config);
    if (!state_open(&control.state, config->state_directory, &error))
        return fail_early(&error);
    if (!doorbell_init(&control.bell)
        || !registry_init(&control.registry, config, control.clock, &control.bell)
        || !open_signals(&control)) {
        (void)fprintf(stderr, "leat: cannot start: %s\n", strerror(errno));
        return EX_OSERR;
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
        (void)make_pipeline(&control, i);
    if (control.exit_code != 0)
        ask_all_to_stop(&control);
    else
        begun(&control);
    loop(&control);
    log_tick(true);
    log_event(NULL, NULL, LEAT_LOG_INFO, "stopped", NULL, 0);
    if (control.exit_code != 0)
        (void)fprintf(stderr, "leat: %s\n", control.reason);
    close_control(&control);
    return control.exit_code;
}
