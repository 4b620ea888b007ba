/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_host.c -- see sink_host.h.
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

/* ---- life ------------------------------------------------------------------------------------ */

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

/* ---- the work -------------------------------------------------------------------------------- */

struct submission {
    struct sink_host *host;
    struct part *part;
};

static leat_status call_submit(void *argument)
{
    struct submission *it = argument;
    return subject.sink->submit(it->host->sink,
                                (const leat_batch *)(const void *)it->part->piece->data);
}

static bool cut(struct sink_host *host)
{
    static const uint32_t sizes[] = {1, 3, 40, 2, 17, 1, 7, 100};
    if (host->made >= host->until || host->tail - host->head == PARTS_MAX)
        return false;
    uint32_t count = sizes[host->sizes++ % (sizeof sizes / sizeof *sizes)];
    if (host->window == 1) /* a sink may wait for the rest of a transaction */
        count = (uint32_t)(stream_whole(host->made + count) - host->made);
    if (count > host->until - host->made)
        count = (uint32_t)(host->until - host->made);
    host->parts[host->tail++ % PARTS_MAX] =
        (struct part){.from = host->made, .count = count, .token = ++host->token};
    host->made += count;
    if (host->made > page->made)
        page->made = host->made;
    return true;
}

/* OK, AGAIN; or EOF: there is nothing to offer. */
static leat_status submit_one(struct sink_host *host)
{
    if (host->next == host->tail && !cut(host))
        return LEAT_EOF;
    struct part *part = &host->parts[host->next % PARTS_MAX];
    struct submission submission = {host, part};
    part->piece = stream_batch(part->from, part->count, part->attempt, part->token, host->extra);
    lend_set(part->piece, LEND_LENT);
    (void)pthread_mutex_lock(&host->lock);
    part->state = PART_OFFERED;
    (void)pthread_mutex_unlock(&host->lock);
    leat_status status = relay(call_submit, &submission, "submit", settings.timeout_ms);
    int64_t took_ms = call_end();
    if (took_ms > judge_slack_ms())
        finding(C_WAITING, "submit took %lld ms: only poll waits", (long long)took_ms);
    (void)pthread_mutex_lock(&host->lock);
    if (status == LEAT_OK) {
        if (part->state == PART_OFFERED)
            part->state = PART_LENT;
        part->attempt++;
        part->refused = false;
        host->lent++;
        host->next++;
    } else {
        if (part->state == PART_REPORTED)
            finding(C_AGAIN, "submit gave the batch back and returned %d", (int)status);
        if (status != LEAT_AGAIN)
            finding(C_STATUS, "submit returned %d: it may say OK or AGAIN", (int)status);
        part->state = PART_READY;
        part->refused = true;
        lend_set(part->piece, LEND_REFUSED);
        part->piece = NULL;
        status = LEAT_AGAIN;
    }
    (void)pthread_mutex_unlock(&host->lock);
    return status;
}

uint32_t sink_host_submit(struct sink_host *host)
{
    uint32_t count = 0;
    while (host->lent < host->window && !host->recovering && submit_one(host) == LEAT_OK)
        count++;
    return count;
}

static leat_status call_poll(void *argument)
{
    uint64_t *arguments = argument;
    struct sink_host *host = (struct sink_host *)(uintptr_t)arguments[0];
    int32_t wait_ms = (int32_t)(uint32_t)arguments[1];
    if (subject.sink->poll)
        return subject.sink->poll(host->sink, wait_ms, &host->error);
    (void)poll(&(struct pollfd){.fd = host->host.wake_fd, .events = POLLIN}, 1, wait_ms);
    return LEAT_OK;
}

leat_status sink_host_poll(struct sink_host *host, int32_t wait_ms, const char *name)
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
    if (status == LEAT_EOF || status == LEAT_EREJECT || status > LEAT_EOF || status < LEAT_EFATAL)
        finding(C_STATUS, "poll returned %d", (int)status);
    return status;
}

/* One result; true when the part is done with. */
static bool settle(struct sink_host *host, struct part *part)
{
    const leat_result *result = &part->result;
    uint32_t done = result->status == LEAT_OK ? part->count : result->durable_count;
    host->lent--;
    part->piece = NULL;
    if (result->status == LEAT_OK && result->hold_ms > 0)
        page->held_back = true;
    if (done > 0) {
        leat_identity last = stream_identity(part->from + done - 1);
        if (!page->has_durable || leat_identity_compare(last, page->durable) > 0)
            page->durable = last;
        page->has_durable = true;
    }
    if (result->status == LEAT_EREJECT) { /* a dead letter takes it */
        done++;
        host->rejected++;
    }
    if (result->status != LEAT_OK)
        host->recovering = true;
    if (result->status == LEAT_EFATAL || result->status == LEAT_ECONFIG) {
        host->fatal = true;
        (void)snprintf(host->error.text, sizeof host->error.text, "%s", part->text);
    }
    part->from += done;
    part->count -= done;
    part->state = PART_READY;
    return part->count == 0;
}

bool sink_host_take(struct sink_host *host)
{
    bool any = false;
    (void)pthread_mutex_lock(&host->lock);
    for (uint32_t i = host->head; i != host->next; i++) {
        struct part *part = &host->parts[i % PARTS_MAX];
        if (part->state != PART_REPORTED)
            continue;
        any = true;
        (void)settle(host, part);
    }
    while (host->head != host->next && host->parts[host->head % PARTS_MAX].count == 0)
        host->head++;
    if (host->recovering && host->lent == 0) {
        host->recovering = host->failing = false;
        host->recoveries++;
        host->next = host->head;
    }
    (void)pthread_mutex_unlock(&host->lock);
    return any;
}

static bool instance_again(struct sink_host *host)
{
    host->recoveries++;
    sink_host_stop(host, 0);
    (void)poll(NULL, 0, 50);
    return sink_host_start(host);
}

static bool all_done(const struct sink_host *host)
{
    return host->head == host->tail && host->made >= host->until;
}

bool sink_host_deliver(struct sink_host *host, uint64_t until)
{
    int64_t moved_ns = check_now_ns();
    host->until = stream_whole(until);
    while (!all_done(host) && !host->fatal) {
        while (host->next != host->tail && host->parts[host->next % PARTS_MAX].count == 0)
            host->next++; /* finished before what is offered again now */
        bool moved = sink_host_submit(host) > 0;
        leat_status status = sink_host_poll(host, 0, "poll(0)");
        moved = sink_host_take(host) || moved;
        if (status >= 0 && !moved && !all_done(host))
            status = sink_host_poll(host, 100, "poll(100)");
        moved = sink_host_take(host) || moved;
        if (status == LEAT_ERETRY) {
            if (!instance_again(host))
                return false;
        } else if (status < 0) {
            host->fatal = true;
        }
        if (moved)
            moved_ns = check_now_ns();
        if (check_now_ns() - moved_ns <= settings.timeout_ms * 1000000)
            continue;
        if (host->lent > 0)
            finding(C_ANSWER, "%u batches were taken and not given back for %lld s", host->lent,
                    (long long)(settings.timeout_ms / 1000));
        else
            finding(C_ANSWER, "nothing is lent, and submit has said AGAIN for %lld s",
                    (long long)(settings.timeout_ms / 1000));
        return false;
    }
    return all_done(host);
}
