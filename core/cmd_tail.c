/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_tail.c -- leat tail: shows records as they pass, beside a daemon that may run.  [main]
 *
 * It is a pipeline like the daemon's, whose only sink is the standard output and whose source
 * watches (leat_source_start.watch).  The state directory is neither read nor locked, and the
 * daemon's slot stays where it is.
 */
#include "commands.h"

#include "encode.h"
#include "exit_code.h"
#include "log.h"
#include "pipeline.h"
#include "plugins.h"
#include "tail_request.h"
#include "tail_waiting.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_MS 1000

/* ---- what is shown -------------------------------------------------------------------------- */

static const struct config_pipeline *find_pipeline(const struct config *config, const char *name)
{
    for (size_t i = 0; name && i < config->pipeline_count; i++)
        if (strcmp(config->pipelines[i].name, name) == 0)
            return &config->pipelines[i];
    if (!name && config->pipeline_count == 1)
        return &config->pipelines[0];
    if (name)
        (void)fprintf(stderr, "leat: %s has no pipeline \"%s\"; it has", config->path, name);
    else
        (void)fprintf(stderr,
                      "leat: %s has several pipelines: choose one with --pipeline:", config->path);
    for (size_t i = 0; i < config->pipeline_count; i++)
        (void)fprintf(stderr, " %s", config->pipelines[i].name);
    (void)fprintf(stderr, "\n");
    return NULL;
}

static const struct config_sink *find_sink(const struct config_pipeline *pipeline, const char *name)
{
    for (size_t i = 0; i < pipeline->sink_count; i++)
        if (strcmp(pipeline->sinks[i].name, name) == 0)
            return &pipeline->sinks[i];
    (void)fprintf(stderr, "leat: pipeline %s has no sink \"%s\"; it has", pipeline->name, name);
    for (size_t i = 0; i < pipeline->sink_count; i++)
        (void)fprintf(stderr, " %s", pipeline->sinks[i].name);
    (void)fprintf(stderr, "\n");
    return NULL;
}

/* One view: the pipeline as configured, but with one sink. */
struct view {
    struct config_pipeline pipeline;
    struct config_sink sink;
    struct tail_output output;
    struct tail_waiting waiting;
    struct doorbell bell;
    int signals;
    bool begun, ending;
};

/* EX_OK, or what is wrong. */
static int make_view(const struct tail_request *request, const struct config_pipeline *pipeline,
                     struct view *view)
{
    const struct config_sink *as = request->route ? find_sink(pipeline, request->route) : NULL;
    const leat_route_rules *rules = as ? plugin_sink_ops(as->plugin)->route : NULL;

    if (request->route && !as)
        return EX_USAGE;
    if (as && !rules) {
        (void)fprintf(stderr, "leat: sink %s has no routes; leave --route out\n", as->name);
        return EX_USAGE;
    }
    if (!(plugin_source_ops(pipeline->source)->caps & LEAT_SOURCE_WATCHES)) {
        (void)fprintf(stderr, "leat: source plugin %s cannot be watched beside a daemon\n",
                      plugin_name(pipeline->source));
        return EX_CONFIG;
    }
    if (as)
        view->sink = *as;
    if (request->format >= 0)
        view->sink.format = request->format;
    view->output = (struct tail_output){
        .fd = STDOUT_FILENO,
        .binary = view->sink.format == ENCODE_MSGPACK,
        .terminal = isatty(STDOUT_FILENO) != 0,
        .routes = as != NULL,
        .filter = &request->filter,
        .bell = &view->bell,
    };
    if (view->output.binary && (view->output.terminal || view->output.routes)) {
        (void)fprintf(stderr, "leat: tail: msgpack goes neither to a terminal nor behind routes; "
                              "write --format json\n");
        return EX_USAGE;
    }
    tail_output_init(&view->output, rules);
    view->sink.name = "tail";
    view->sink.plugin = &view->output.plugin;
    view->sink.options = &view->output;
    view->sink.templates = NULL;
    view->sink.on_reject = CONFIG_REJECT_STOP;
    view->sink.stall_warning_ms = 0; /* whoever reads may take their time */
    view->pipeline = *pipeline;
    view->pipeline.sinks = &view->sink;
    view->pipeline.sink_count = 1;
    return EX_OK;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static bool open_signals(struct view *view)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    view->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return view->signals >= 0;
}

/* Nothing is kept: what was shown is recorded as soon as it is known. */
static void record(struct view *view, struct pipeline *pipeline)
{
    struct journal_entry entry;
    char lsn[32];

    if (!journal_take(&pipeline->journal, true, &entry))
        return;
    journal_written(&pipeline->journal, &entry);
    if (view->begun)
        return;
    view->begun = true;
    view->waiting.since_ns = clock_now_ns(&clock_real);
    lsn[encode_lsn(entry.position.value, lsn)] = '\0';
    (void)fprintf(stderr, "leat: pipeline %s from %s on; Ctrl-C ends\n", view->pipeline.name, lsn);
}

static void begin_to_end(struct view *view, struct pipeline *pipeline)
{
    view->ending = true;
    pipeline_ask_stop(pipeline, clock_now_ns(&clock_real));
}

static void take_signal(struct view *view, struct pipeline *pipeline)
{
    struct signalfd_siginfo info;

    while (read(view->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (view->ending)
            _exit(EX_OK); /* asked twice; the slot dies with the connection */
        begin_to_end(view, pipeline);
    }
}

static void run(struct view *view, struct pipeline *pipeline)
{
    /* A reader that goes away is seen even while there is nothing to write. */
    struct pollfd fds[] = {{.fd = view->signals, .events = POLLIN},
                           {.fd = view->bell.fd, .events = POLLIN},
                           {.fd = view->output.fd, .events = 0}};

    view->waiting.since_ns = clock_now_ns(&clock_real);
    while (pipeline_state(pipeline) != PIPELINE_ENDED) {
        doorbell_arm(&view->bell);
        record(view, pipeline);
        if (pipeline_state(pipeline) != PIPELINE_ENDED) {
            int wait_ms = tail_waiting_ms(&view->waiting, clock_now_ns(&clock_real));
            (void)poll(fds, view->ending ? 2 : 3, wait_ms < 0 ? LOOK_MS : wait_ms);
        }
        doorbell_disarm(&view->bell);
        take_signal(view, pipeline);
        if (!view->ending &&
            (atomic_load(&view->output.ended) || fds[2].revents & (POLLERR | POLLHUP)))
            begin_to_end(view, pipeline);
        if (!view->ending)
            tail_waiting_look(&view->waiting, pipeline, &view->output, view->begun,
                              clock_now_ns(&clock_real));
    }
    pipeline_join(pipeline);
}

static int say_failure(const struct failure *failure)
{
    char line[FAILURE_LINE_MAX];

    (void)fprintf(stderr, "leat: %s\n", failure_print(line, failure));
    return exit_code_of(&failure->error);
}

static int end_of(const struct view *view, const struct pipeline *pipeline)
{
    if (atomic_load(&view->output.ended) == TAIL_BROKEN) {
        (void)fprintf(stderr, "leat: cannot write to the standard output\n");
        return EX_IOERR;
    }
    if (pipeline->failure.error.status == LEAT_OK || view->ending)
        return EX_OK;
    return say_failure(&pipeline->failure);
}

static int show(const struct tail_request *request, const struct config *config, struct view *view)
{
    struct failure failure = FAILURE_NONE;
    struct pipeline_setup setup = {
        .config = &view->pipeline,
        .clock = &clock_real,
        .control_bell = &view->bell,
        .memory = (size_t)config->memory / config->pipeline_count,
        .memory_factor = config->pipeline_count,
        .watch = request->watch,
    };
    struct pipeline *pipeline;
    int exit_code;

    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_ARENA_MAX, 2);
    log_init(config);
    log_set_level(LEAT_LOG_ERROR);
    if (!doorbell_init(&view->bell) || !open_signals(view)) {
        (void)fprintf(stderr, "leat: cannot start: %s\n", strerror(errno));
        return EX_CANTCREAT;
    }
    pipeline = pipeline_create(&setup, &failure);
    if (pipeline && pipeline_start(pipeline, &failure)) {
        run(view, pipeline);
        exit_code = end_of(view, pipeline);
    } else {
        exit_code = say_failure(&failure);
    }
    pipeline_destroy(pipeline);
    (void)close(view->signals);
    doorbell_fini(&view->bell);
    return exit_code;
}

int cmd_tail(int argc, char **argv)
{
    struct tail_request request = {.format = -1, .watch = LEAT_WATCH_NOW};
    struct view view = {.bell = {.fd = -1}, .signals = -1};
    const struct config_pipeline *pipeline;
    int exit_code = tail_request_parse(argc, argv, &request) - 1;
    struct config *config = exit_code < 0 ? config_load(request.config, stderr, &exit_code) : NULL;

    if (config) {
        pipeline = find_pipeline(config, request.pipeline);
        exit_code = pipeline ? make_view(&request, pipeline, &view) : EX_USAGE;
        if (exit_code == EX_OK)
            exit_code = show(&request, config, &view);
    }
    config_destroy(config);
    free(request.filter.tables);
    return exit_code;
}
