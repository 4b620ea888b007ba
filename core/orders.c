/* SPDX-License-Identifier: Apache-2.0
 *
 * orders.c -- what the admin endpoint asked for.  [main]  Reloads are in reload.c.
 */
#include "control_internal.h"
#include "encode.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers -------------------------------------------------------------------------------- */

void order_grant(struct order *order, unsigned code, const char *more)
{
    order->code = code;
    order->answer.length = 0;
    text_print(&order->answer, "{\"ok\":true%s}\n", more);
    order->done(order);
}

void order_refuse(struct order *order, unsigned code, const char *error)
{
    order->code = code;
    order->answer.length = 0;
    text_put_string(&order->answer, "{\"error\":");
    text_put_json(&order->answer, error);
    text_put_string(&order->answer, "}\n");
    order->done(order);
}

static void grant_state(struct order *order, unsigned code, const char *state)
{
    char more[256];

    /* Both names are of the configuration: nothing in them wants an escape. */
    if (order->sink[0])
        (void)snprintf(more, sizeof more, ",\"pipeline\":\"%s\",\"sink\":\"%s\",\"state\":\"%s\"",
                       order->pipeline, order->sink, state);
    else
        (void)snprintf(more, sizeof more, ",\"pipeline\":\"%s\",\"state\":\"%s\"", order->pipeline,
                       state);
    order_grant(order, code, more);
}

static void say(const struct order *order, const char *message)
{
    log_event(order->pipeline, order->sink[0] ? order->sink : NULL, LEAT_LOG_INFO, message, NULL,
              0);
}

/* ---- pipelines ------------------------------------------------------------------------------ */

static int find_pipeline(const struct control *control, const char *name)
{
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (strcmp(control->config->pipelines[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* NULL: refused. */
static struct pipeline *running(struct control *control, struct order *order, int *index)
{
    struct pipeline *pipeline;

    *index = find_pipeline(control, order->pipeline);
    pipeline = *index < 0 ? NULL : control->pipelines[*index];
    if (*index < 0)
        order_refuse(order, 404, "there is no such pipeline; GET /status names them");
    else if (control->reload)
        order_refuse(order, 409, "a reload is under way; try again in a moment");
    else if (!pipeline || pipeline_state(pipeline) != PIPELINE_RUNNING)
        order_refuse(order, 409, "this pipeline has ended; a reload begins it again");
    else
        return pipeline;
    return NULL;
}

/* ---- what is answered when it has come about ------------------------------------------------- */

static void wait_for(struct control *control, struct order *order)
{
    struct order **last = &control->waiting;

    while (*last)
        last = &(*last)->next;
    order->next = NULL;
    *last = order;
}

static void drain(struct control *control, struct order *order, struct pipeline *pipeline)
{
    say(order, "draining by command: nothing new is taken");
    pipeline_set_hold(pipeline, PIPELINE_DRAINED);
    wait_for(control, order);
}

/* True: it is so.  *given_up: another command came between, or the pipeline is gone. */
static bool has_come_about(struct control *control, const struct order *order, bool *given_up)
{
    int index = find_pipeline(control, order->pipeline);
    struct pipeline *pipeline = index < 0 ? NULL : control->pipelines[index];
    int sink = pipeline && order->sink[0] ? pipeline_find_sink(pipeline, order->sink) : 0;

    *given_up = !pipeline || sink < 0;
    if (*given_up)
        return false;
    if (order->kind == ORDER_DRAIN) {
        *given_up = atomic_load(&pipeline->hold) != PIPELINE_DRAINED;
        return !*given_up && atomic_load_explicit(&pipeline->source.settled, memory_order_acquire);
    }
    *given_up = atomic_load(&pipeline->channels[sink].order) != CHANNEL_GO;
    if (*given_up || journal_is_dropped(&pipeline->journal, order->sink))
        return false;
    control__write_state(control, pipeline, true);
    return true;
}

static void answer_waiting(struct control *control)
{
    struct order **at = &control->waiting;

    while (*at) {
        struct order *order = *at;
        bool drains = order->kind == ORDER_DRAIN, given_up;
        bool done = has_come_about(control, order, &given_up);

        if (!done && !given_up &&
            clock_now_ns(control->clock) - order->since_ns < CONTROL_ANSWER_NS) {
            at = &order->next;
            continue;
        }
        *at = order->next;
        if (given_up)
            order_refuse(order, 409, "another command came between");
        else if (done)
            grant_state(order, 200, drains ? "drained" : "running");
        else
            grant_state(order, 202, drains ? "draining" : "starting");
    }
}

static void hold(struct order *order, struct pipeline *pipeline, enum pipeline_hold hold)
{
    say(order,
        hold == PIPELINE_PAUSED ? "paused by command: nothing new is taken" : "goes on by command");
    pipeline_set_hold(pipeline, hold);
    grant_state(order, 200, hold == PIPELINE_PAUSED ? "paused" : "running");
}

/* ---- sinks ---------------------------------------------------------------------------------- */

/* On disk before it is answered: a restart knows of it. */
static void drop(struct control *control, struct order *order, struct pipeline *pipeline,
                 uint32_t sink)
{
    if (pipeline_drop_sink(pipeline, sink, "by command") == LEAT_EREJECT) {
        order_refuse(order, 409,
                     "it is the last sink that is left: without it everything would be confirmed "
                     "and delivered nowhere; pause or drain the pipeline instead");
        return;
    }
    control__write_state(control, pipeline, true);
    grant_state(order, 200, "dropped");
}

static void refuse_gap(struct order *order, leat_identity from, leat_identity to)
{
    char text[640], first[32], last[32];

    first[encode_lsn(from.position, first)] = '\0';
    last[encode_lsn(to.position, last)] = '\0';
    (void)snprintf(
        text, sizeof text,
        "a gap: this sink was dropped when it had everything up to %s seq %lld, and what "
        "follows up to %s seq %lld is confirmed and will not come again; to go on without "
        "those records: POST /pipelines/%s/sinks/%s/resume?accept_gap=true",
        first, (long long)from.seq, last, (long long)to.seq, order->pipeline, order->sink);
    order_refuse(order, 409, text);
}

/* Nothing that it has missed may be confirmed, else the gap has to be accepted. */
static void take_back(struct control *control, struct order *order, int index, uint32_t sink)
{
    struct pipeline *pipeline = control->pipelines[index];
    struct journal_entry *entry = malloc(sizeof *entry);
    leat_identity from, to;
    bool gap;

    if (!entry) {
        order_refuse(order, 500, "no memory");
        return;
    }
    journal_read(&pipeline->journal, entry);
    gap = journal_gap(entry, order->sink, &from, &to);
    free(entry);
    if (gap && !order->accept_gap) {
        refuse_gap(order, from, to);
    } else if (gap) {
        leat_field fields[] = {LEAT_F_LSN("missing_behind", from.position),
                               LEAT_F_LSN("missing_up_to", to.position)};
        log_event(order->pipeline, order->sink, LEAT_LOG_WARN,
                  "sink resumed with a gap, by command", fields, 2);
        pipeline_set_order(pipeline, sink, CHANNEL_GO);
        wait_for(control, order);
    } else {
        reload_take_back(control, (size_t)index, order);
    }
}

static void command_sink(struct control *control, struct order *order, int index)
{
    struct pipeline *pipeline = control->pipelines[index];
    int sink = pipeline_find_sink(pipeline, order->sink);
    int now = sink < 0 ? 0 : atomic_load(&pipeline->channels[sink].order);

    if (sink < 0) {
        order_refuse(order, 404, "this pipeline has no such sink; GET /status names them");
    } else if (order->kind == ORDER_SINK_DROP) {
        drop(control, order, pipeline, (uint32_t)sink);
    } else if (now == CHANNEL_DROP && order->kind == ORDER_SINK_PAUSE) {
        order_refuse(order, 409, "this sink is dropped: it gets nothing anyway");
    } else if (now == CHANNEL_DROP) {
        take_back(control, order, index, (uint32_t)sink);
    } else {
        bool pause = order->kind == ORDER_SINK_PAUSE;
        say(order, pause ? "paused by command: nothing more is submitted" : "goes on by command");
        pipeline_set_order(pipeline, (uint32_t)sink, pause ? CHANNEL_PAUSE : CHANNEL_GO);
        grant_state(order, 200, pause ? "paused" : "running");
    }
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void queue_reload(struct control *control, struct order *order)
{
    struct order **last = &control->reloads;

    while (*last)
        last = &(*last)->next;
    order->next = NULL;
    *last = order;
}

static void shut_down(struct control *control, struct order *order)
{
    if (!control->stop_asked)
        log_event(NULL, NULL, LEAT_LOG_INFO, "stopping by command, what is in flight is finished",
                  NULL, 0);
    order_grant(order, 202, ",\"state\":\"stopping\"");
    control__stop(control);
}

static void execute(struct control *control, struct order *order)
{
    struct pipeline *pipeline;
    int index;

    if (order->kind == ORDER_SHUTDOWN) {
        shut_down(control, order);
        return;
    }
    if (control->stop_asked) {
        order_refuse(order, 503, "the daemon is stopping");
        return;
    }
    if (order->kind == ORDER_RELOAD) {
        queue_reload(control, order);
        return;
    }
    pipeline = running(control, order, &index);
    if (!pipeline)
        return;
    if (order->kind == ORDER_DRAIN)
        drain(control, order, pipeline);
    else if (order->kind == ORDER_PAUSE || order->kind == ORDER_RESUME)
        hold(order, pipeline, order->kind == ORDER_PAUSE ? PIPELINE_PAUSED : PIPELINE_GOES);
    else
        command_sink(control, order, index);
}

void orders_take(struct control *control)
{
    struct order *order;

    while ((order = registry_take(&control->registry, false)) != NULL)
        execute(control, order);
    answer_waiting(control);
}

static void refuse_list(struct order **list)
{
    while (*list) {
        struct order *order = *list;
        *list = order->next;
        order_refuse(order, 503, "the daemon has stopped");
    }
}

void orders_refuse_all(struct control *control)
{
    struct order *order;

    while ((order = registry_take(&control->registry, true)) != NULL)
        order_refuse(order, 503, "the daemon has stopped");
    refuse_list(&control->reloads);
    refuse_list(&control->waiting);
}
