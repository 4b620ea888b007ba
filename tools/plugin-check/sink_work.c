/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_work.c -- a sink at work: parts are cut and offered, results are taken, and what was not
 * durable is offered again.  See sink_host.h.
 */
#include "sink_host.h"

#include "judge.h"
#include "stream.h"
#include "trial.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
