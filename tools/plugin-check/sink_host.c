/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_host.c -- a sink's life, from create to destroy.  See sink_host.h; its work is in sink_work.c.
 */
#include "sink_host.h"

#include "judge.h"
#include "sink_calls.h"
#include "stream.h"
#include "trial.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sink_host_prepare(struct sink_host *host, uint32_t extra)
{
    memset(host, 0, sizeof *host);
    (void)pthread_mutex_init(&host->lock, NULL);
    host->extra = extra;
    host->window = 16;
    host->made = host->until = page->made;
    sink_calls_fill(host);
}

void sink_host_open(struct sink_host *host, uint32_t extra)
{
    sink_host_prepare(host, extra);
    host->error = (leat_error){.size = sizeof host->error};
    call_begin("create", settings.timeout_ms);
    leat_status status =
        subject.sink->create(&host->host, subject.options, &host->sink, &host->error);
    judge_create(status, host->sink, &host->error, call_end());
}

void sink_host_close(struct sink_host *host)
{
    call_begin("destroy", settings.timeout_ms);
    subject.sink->destroy(host->sink);
    int64_t took_ms = call_end();
    if (took_ms > judge_slack_ms())
        finding(C_WAITING, "destroy took %lld ms", (long long)took_ms);
    host->stopped = true;
    for (uint32_t i = host->head; i != host->tail; i++)
        if (host->parts[i % PARTS_MAX].piece)
            lend_set(host->parts[i % PARTS_MAX].piece, LEND_STOPPED);
    (void)close(host->host.wake_fd);
}

static leat_status call_start(void *argument)
{
    struct sink_host *host = argument;
    return subject.sink->start(host->sink, &host->start, &host->error);
}

static leat_status call_stop(void *argument)
{
    uint64_t *arguments = argument;
    struct sink_host *host = (struct sink_host *)(uintptr_t)arguments[0];
    return subject.sink->stop(host->sink, (uint32_t)arguments[1]);
}

void sink_host_stop(struct sink_host *host, uint32_t deadline_ms)
{
    char name[32];
    uint64_t arguments[2] = {(uintptr_t)host, deadline_ms};
    (void)snprintf(name, sizeof name, "stop(%u)", deadline_ms);
    leat_status status = relay(call_stop, arguments, name, settings.timeout_ms + deadline_ms);
    host->stopped = true;
    int64_t took_ms = call_end();
    if (took_ms > deadline_ms + judge_slack_ms())
        finding(C_STOP, "%s took %lld ms", name, (long long)took_ms);
    if (status > LEAT_EOF || status < LEAT_EFATAL)
        finding(C_STATUS, "stop returned %d", (int)status);
    (void)sink_host_take(host);
    (void)pthread_mutex_lock(&host->lock);
    for (uint32_t i = host->head; i != host->tail; i++) { /* what it still had counts as not done */
        struct part *part = &host->parts[i % PARTS_MAX];
        if (part->state != PART_LENT)
            continue;
        lend_set(part->piece, LEND_STOPPED);
        part->piece = NULL;
        part->state = PART_READY;
        part->refused = false;
        host->lent--;
    }
    host->next = host->head;
    host->failing = host->recovering = host->up = false;
    (void)pthread_mutex_unlock(&host->lock);
}

/* The parts that the sink holds are left out, as the daemon does it. */
static void skip_held(struct sink_host *host)
{
    leat_identity last = host->start.last;
    if (host->start.holds == LEAT_HOLDS_NOTHING || host->start.holds == LEAT_HOLDS_UNKNOWN ||
        host->start.holds == LEAT_HOLDS_SELF)
        return;
    page->held = true;
    while (host->head != host->tail) {
        struct part *part = &host->parts[host->head % PARTS_MAX];
        while (part->count > 0 && leat_identity_compare(stream_identity(part->from), last) <= 0) {
            part->from++;
            part->count--;
            part->piece = NULL;
        }
        if (part->count > 0)
            break;
        host->head++;
    }
    while (host->made < host->until && host->head == host->tail &&
           leat_identity_compare(stream_identity(host->made), last) <= 0)
        host->made++;
    host->next = host->head;
}

static void check_holds(struct sink_host *host)
{
    const leat_sink_start *start = &host->start;
    bool durable = page->has_durable && !page->held_back;
    if (start->holds > LEAT_HOLDS_SELF)
        finding(C_STATUS, "start says that it holds %u, which is no LEAT_HOLDS", start->holds);
    if (start->holds == LEAT_HOLDS_NOTHING && durable)
        finding(C_DURABLE,
                "it gave records back with OK, and says after the next start that it is empty");
    if (start->holds != LEAT_HOLDS_LAST)
        return;
    if (durable && leat_identity_compare(start->last, page->durable) < 0)
        finding(
            C_DURABLE,
            "records up to %llX:%lld were given back with OK, and after the next start it holds "
            "only those up to %llX:%lld",
            (unsigned long long)page->durable.position, (long long)page->durable.seq,
            (unsigned long long)start->last.position, (long long)start->last.seq);
    if (leat_identity_compare(start->last, stream_identity(page->made + 100000)) > 0)
        finding(C_COUNT,
                "start says that it holds %llX:%lld, which was never offered; if that is left from "
                "another stream, give it an empty place",
                (unsigned long long)start->last.position, (long long)start->last.seq);
}

bool sink_host_start(struct sink_host *host)
{
    int64_t until_ns = check_now_ns() + settings.timeout_ms * 1000000;
    leat_status status = LEAT_AGAIN;
    char why[LEAT_ERROR_TEXT] = "it is never ready";
    while (check_now_ns() < until_ns) {
        host->start = (leat_sink_start){.size = (uint32_t)(sizeof host->start),
                                        .name_space = STREAM_NAME_SPACE,
                                        .known = page->has_durable,
                                        .durable = page->durable,
                                        .format = subject.config.format ? "msgpack" : "json"};
        host->error = (leat_error){.size = sizeof host->error};
        host->stopped = false;
        status = relay(call_start, host, "start", 2 * settings.timeout_ms);
        (void)call_end();
        judge_error("start", status, &host->error);
        if (status == LEAT_OK) {
            check_holds(host);
            skip_held(host);
            host->up = true;
            return true;
        }
        if (status > LEAT_AGAIN || status < LEAT_EFATAL)
            finding(C_STATUS, "start returned %d", (int)status);
        if (status == LEAT_AGAIN) {
            (void)sink_host_poll(host, 50, "poll(50)");
            continue;
        }
        (void)snprintf(why, sizeof why, "%s", host->error.text);
        if (status != LEAT_ERETRY)
            break;
        sink_host_stop(host, 0);
        (void)poll(NULL, 0, 100);
    }
    (void)snprintf(page->skipped, sizeof page->skipped, "start does not succeed: %.200s", why);
    return false;
}
