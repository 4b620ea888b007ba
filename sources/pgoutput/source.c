/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c -- the life cycle of one source: connect, ask, stream, and again.  [worker] but for
 * create and destroy.  The states and their ways are in source.h; source_internal.h says which file
 * has which.
 *
 * A lost connection is mended for ever, with back-off; only a gap in the data, a configuration that
 * cannot work, or a place that the server can never send ends the pipeline.
 */
#include "source_internal.h"
#include "check.h"
#include "fault.h"
#include "setup.h"
#include "slot_command.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define GOODBYE_MS 5000
#define TIMER_SLACK_NS 5000

/* ---- waiting --------------------------------------------------------------------------------- */

const struct timespec *source_wait_time(const leat_source *source, int64_t until_ns, int32_t max_ms,
                                        struct timespec *out)
{
    int64_t left = until_ns == INT64_MAX ? INT64_MAX : until_ns - source_now(source);
    if (max_ms >= 0 && max_ms * MS < left)
        left = max_ms * MS;
    if (left == INT64_MAX)
        return NULL;
    if (left < 0)
        left = 0;
    *out = (struct timespec){.tv_sec = left / (1000 * MS), .tv_nsec = (long)(left % (1000 * MS))};
    return out;
}

short source_wait(const leat_source *source, int fd, short events, int64_t until_ns, int32_t max_ms)
{
    struct timespec time;
    struct pollfd fds[] = {
        {.fd = fd, .events = events},
        {.fd = source->host->wake_fd, .events = POLLIN},
        {.fd = -1},
        {.fd = -1},
    };
    int64_t creation_ns;
    fds[3].fd = creation_wait(&source->creation, &fds[3].events, &creation_ns);
    if (creation_ns < until_ns)
        until_ns = creation_ns;
    if (source->guard) {
        int64_t guard_ns;
        fds[2].fd = guard_wait(source->guard, &fds[2].events, &guard_ns);
        if (guard_ns < until_ns)
            until_ns = guard_ns;
    }
    int ready = ppoll(fds, 4, source_wait_time(source, until_ns, max_ms, &time), NULL);
    return ready > 0 ? fds[0].revents : (short)0;
}

/* ---- the operations -------------------------------------------------------------------------- */

static void destroy(leat_source *source)
{
    if (!source)
        return;
    source_close(source);
    replication_end(source);
    decoder_destroy(source->decoder);
    guard_destroy(source->guard);
    catalog_destroy(source->catalog);
    text_destroy(source->sql);
    free(source);
}

static leat_status create(const leat_host *host, const void *config, leat_source **out,
                          leat_error *error)
{
    const struct pgoutput_options *options = config;
    leat_status status = options_check(options, error);
    if (status)
        return status;
    leat_source *source = *out = calloc(1, sizeof *source);
    if (!source)
        return fault_set(error, LEAT_EFATAL, 0, "no memory for a source");
    const struct decoder_options decoder_options = {
        .json = options->json,
        .array = options->array,
        .composite = options->composite,
        .types_max = options->types_max,
        .relations_max = options->relations_max,
    };
    source->host = host;
    source->reporting = host->extension ? host->extension(host, LEAT_EXTENSION_STATUS) : NULL;
    source->proof = host->extension ? host->extension(host, LEAT_EXTENSION_PROOF) : NULL;
    source->options = options;
    source->sql = text_create();
    bool guarded = options->guard_interval_ms || options->heartbeat_ms;
    if (guarded)
        source->guard = guard_create(host, options);
    source->catalog = catalog_create(host, options);
    if (source->catalog)
        source->decoder =
            decoder_create(host, &decoder_options, catalog_functions(source->catalog));
    if (!source->sql || !source->catalog || !source->decoder || (guarded && !source->guard))
        return fault_set(error, LEAT_EFATAL, 0, "no memory for a source");
    return LEAT_OK;
}

static leat_status start(leat_source *source, const leat_source_start *begin, leat_error *error)
{
    /* Naps of 100 us are worth nothing with the usual slack of 50 us. */
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    if (LEAT_HAS(begin, leat_source_start, watch) && begin->watch != LEAT_WATCH_NO) {
        watch_begin(&source->watch, source->options, begin->watch, (uint64_t)source_now(source));
        source->options = &source->watch.options;
        guard_destroy(source->guard);
        source->guard = NULL;
    }
    leat_status status = slot_recall(&source->memory, begin, error);
    if (status)
        return status;
    source->durable.lsn = begin->position;
    source->retry_ns = source_now(source);
    source->random = ((uint64_t)source->retry_ns ^ (uint64_t)getpid() << 32) | 1;
    source->state = SOURCE_WAITING;
    return LEAT_OK;
}

static leat_status look_after_slot(leat_source *source, leat_error *error)
{
    const struct replication *stream = &source->stream;
    const struct guard_view view = {
        .streaming = source->state == SOURCE_STREAMING,
        .released = source->state == SOURCE_RELEASED,
        .own_pid = source->own_pid,
        .durable_lsn = source->durable.lsn,
        .commit_us = stream->begin_lsn >= source->durable.lsn ? stream->begin_us : 0,
        .database = source->facts.database,
    };
    leat_status status = guard_step(source->guard, &view, error);
    return status ? source_fail(source, error) : LEAT_OK;
}

static leat_status poll_source(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    leat_status status = source->guard ? look_after_slot(source, error) : LEAT_OK;
    if (status)
        return status;
    switch (source->state) {
    case SOURCE_WAITING:
        if (source_now(source) >= source->retry_ns)
            return source_connect(source, error);
        (void)source_wait(source, -1, 0, source->retry_ns, max_wait_ms);
        return LEAT_OK;
    case SOURCE_CONNECTING:
        return source_step_connecting(source, max_wait_ms);
    case SOURCE_ASKING:
        return source_step_asking(source, max_wait_ms, error);
    case SOURCE_STANDBY:
        return source_step_standby(source, max_wait_ms);
    case SOURCE_STREAMING:
        return source_step_streaming(source, max_wait_ms, error);
    case SOURCE_RELEASED:
        return source_step_released(source, max_wait_ms, error);
    case SOURCE_CLOSED:
        return fault_set(error, LEAT_EFATAL, 70, "poll before start");
    case SOURCE_FAILED:
        break;
    }
    *error = source->failure;
    return source->failure.status;
}

static void progress(leat_source *source, const leat_progress *made)
{
    decoder_returned(source->decoder, made->returned_serial);
    if (made->returned_serial > source->returned_serial)
        source->moved_ns = source_now(source);
    source->returned_serial = made->returned_serial;
    if (made->durable_position <= source->durable.lsn)
        return;
    source->durable.lsn = made->durable_position;
    if (source->state == SOURCE_STREAMING)
        replication_durable(source);
}

static leat_status stop(leat_source *source, uint32_t deadline_ms)
{
    int64_t limit_ms = deadline_ms < GOODBYE_MS ? deadline_ms : GOODBYE_MS;
    if (source->state == SOURCE_STREAMING)
        replication_finish(source, source_now(source) + limit_ms * MS);
    source_close(source);
    replication_end(source);
    catalog_close(source->catalog);
    if (source->guard)
        guard_close(source->guard);
    source->state = SOURCE_CLOSED;
    return LEAT_OK;
}

const leat_source_ops source_ops = {
    .size = sizeof(leat_source_ops),
    .caps = LEAT_SOURCE_WATCHES,
    .create = create,
    .start = start,
    .poll = poll_source,
    .progress = progress,
    .stop = stop,
    .destroy = destroy,
    .check = check_run,
    .setup = setup_print,
    .slot = slot_command,
};
