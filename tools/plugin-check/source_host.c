/* SPDX-License-Identifier: Apache-2.0
 *
 * source_host.c -- see source_host.h.
 */
#include "source_host.h"

#include "judge.h"
#include "source_calls.h"
#include "source_judge.h"
#include "trial.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void source_host_prepare(struct source_host *host, uint32_t extra)
{
    memset(host, 0, sizeof *host);
    host->extra = extra;
    host->piece_bytes = 65536;
    source_calls_fill(host);
}

void source_host_open(struct source_host *host, uint32_t extra)
{
    source_host_prepare(host, extra);
    host->error = (leat_error){.size = sizeof host->error};
    call_begin("create", settings.timeout_ms);
    leat_status status =
        subject.source->create(&host->host, subject.options, &host->source, &host->error);
    judge_create(status, host->source, &host->error, call_end());
}

struct starting {
    struct source_host *host;
    leat_source_start start;
};

static leat_status call_start(void *argument)
{
    struct starting *it = argument;
    return subject.source->start(it->host->source, &it->start, &it->host->error);
}

bool source_host_start(struct source_host *host, const struct source_host *earlier,
                       uint64_t position)
{
    struct starting it = {.host = host, .start = {.size = sizeof it.start, .position = position}};
    leat_pair facts[FACTS_MAX];
    for (uint32_t i = 0; earlier && i < earlier->fact_count; i++)
        facts[i] = (leat_pair){earlier->fact_texts[i][0], earlier->fact_texts[i][1]};
    it.start.facts = facts;
    it.start.fact_count = earlier ? earlier->fact_count : 0;
    host->position = position;
    host->last_safe = position;
    host->error = (leat_error){.size = sizeof host->error};
    leat_status status = relay(call_start, &it, "start", settings.timeout_ms);
    (void)call_end();
    judge_error("start", status, &host->error);
    if (status > LEAT_EOF || status < LEAT_EFATAL)
        finding(C_STATUS, "start returned %d", (int)status);
    if (status >= 0)
        return true;
    (void)snprintf(page->skipped, sizeof page->skipped, "start does not succeed: %.200s",
                   host->error.text);
    return false;
}

static leat_status call_poll(void *argument)
{
    uint64_t *arguments = argument;
    struct source_host *host = (struct source_host *)(uintptr_t)arguments[0];
    return subject.source->poll(host->source, (int32_t)(uint32_t)arguments[1], &host->error);
}

leat_status source_host_poll(struct source_host *host, int32_t wait_ms, const char *name)
{
    uint64_t arguments[2] = {(uintptr_t)host, (uint32_t)wait_ms};
    uint64_t count;
    host->error = (leat_error){.size = sizeof host->error};
    leat_status status =
        relay(call_poll, arguments, name, settings.timeout_ms + (wait_ms > 0 ? wait_ms : 0));
    int64_t took_ms = call_end();
    if (wait_ms >= 0 && took_ms > wait_ms + judge_slack_ms())
        finding(C_WAITING, "%s took %lld ms", name, (long long)took_ms);
    (void)!read(host->host.wake_fd, &count, sizeof count);
    judge_error("poll", status, &host->error);
    if (status > LEAT_EOF || status < LEAT_EFATAL || status == LEAT_ERETRY)
        finding(C_STATUS, "poll returned %d: a source mends a lost connection by itself",
                (int)status);
    host->ended = status == LEAT_EOF;
    return status;
}

static leat_status call_progress(void *argument)
{
    uint64_t *arguments = argument;
    struct source_host *host = (struct source_host *)(uintptr_t)arguments[0];
    leat_progress progress = {.size = sizeof progress,
                              .durable_position = arguments[1],
                              .returned_serial = host->returned};
    subject.source->progress(host->source, &progress);
    return LEAT_OK;
}

/* Gives the oldest back until `keep` are left, and tells it. */
static void give_back(struct source_host *host, uint32_t keep, bool confirm)
{
    uint64_t before = host->returned;
    while (host->tail - host->head > keep) {
        struct out *out = &host->outs[host->head++ % OUT_MAX];
        judge_relation_again(out);
        for (uint32_t i = 0; i < out->piece_count; i++)
            lend_set(out->pieces[i], LEND_BACK);
        host->returned = out->serial;
        host->told_safe = out->safe;
    }
    if (host->returned == before)
        return;
    uint64_t arguments[2] = {(uintptr_t)host, confirm ? host->told_safe : 0};
    (void)relay(call_progress, arguments, "progress", settings.timeout_ms);
    int64_t took_ms = call_end();
    if (took_ms > judge_slack_ms())
        finding(C_WAITING, "progress took %lld ms", (long long)took_ms);
}

void source_host_read(struct source_host *host, uint32_t changes, int64_t quiet_ms, uint32_t keep,
                      bool confirm)
{
    uint32_t until = host->count + changes;
    int64_t moved_ns = check_now_ns();
    while (host->count < until && !host->ended) {
        uint32_t before = host->count;
        leat_status status = source_host_poll(host, host->count == 0 ? 100 : 20, "poll");
        give_back(host, keep, confirm);
        if (status < 0) {
            (void)snprintf(page->skipped, sizeof page->skipped, "poll ends the pipeline: %.200s",
                           host->error.text);
            return;
        }
        if (host->count != before)
            moved_ns = check_now_ns();
        if (check_now_ns() - moved_ns > quiet_ms * 1000000)
            return;
    }
}

static leat_status call_stop(void *argument)
{
    uint64_t *arguments = argument;
    struct source_host *host = (struct source_host *)(uintptr_t)arguments[0];
    return subject.source->stop(host->source, (uint32_t)arguments[1]);
}

void source_host_stop(struct source_host *host, uint32_t deadline_ms)
{
    char name[32];
    uint64_t arguments[2] = {(uintptr_t)host, deadline_ms};
    (void)snprintf(name, sizeof name, "stop(%u)", deadline_ms);
    leat_status status = relay(call_stop, arguments, name, settings.timeout_ms + deadline_ms);
    int64_t took_ms = call_end();
    host->stopped = true;
    if (took_ms > deadline_ms + judge_slack_ms())
        finding(C_STOP, "%s took %lld ms", name, (long long)took_ms);
    if (status > LEAT_EOF || status < LEAT_EFATAL)
        finding(C_STATUS, "stop returned %d", (int)status);
}

void source_host_close(struct source_host *host)
{
    /* What is still out stays valid until destroy: the daemon's workers may be reading it. */
    for (uint32_t i = host->head; i != host->tail; i++)
        judge_relation_again(&host->outs[i % OUT_MAX]);
    call_begin("destroy", settings.timeout_ms);
    subject.source->destroy(host->source);
    (void)call_end();
    for (uint32_t i = host->head; i != host->tail; i++)
        for (uint32_t k = 0; k < host->outs[i % OUT_MAX].piece_count; k++)
            lend_set(host->outs[i % OUT_MAX].pieces[k], LEND_STOPPED);
    (void)close(host->host.wake_fd);
}
