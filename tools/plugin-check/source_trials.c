/* SPDX-License-Identifier: Apache-2.0
 *
 * source_trials.c -- what is tried with a source.  [child, main]
 */
#include "given_back.h"
#include "source_host.h"
#include "trials.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { QUIET_MS = 400, ENOUGH = 2000 };

static struct source_host hosts[2];

static void begin(void)
{
    subject_load();
    relay_start();
}

static void must_start(struct source_host *host, const struct source_host *earlier,
                       uint64_t position)
{
    if (!source_host_start(host, earlier, position))
        give_up();
}

/* A stream that says nothing proves nothing. */
static void must_have_read(const struct source_host *host)
{
    if (host->count > 0 || found_any())
        return;
    if (!page->skipped[0])
        (void)snprintf(page->skipped, sizeof page->skipped,
                       "no change came: give the source something to read");
    give_up();
}

static void trial_life(void)
{
    begin();
    page->crash = C_DESTROY;
    call_begin("destroy(NULL)", settings.timeout_ms);
    subject.source->destroy(NULL);
    (void)call_end();
    page->crash = C_ENDING;
    source_host_open(&hosts[0], 0);
    source_host_close(&hosts[0]);
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], NULL, 0);
    source_host_stop(&hosts[0], 500);
    source_host_close(&hosts[0]);
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], NULL, 0);
    source_host_close(&hosts[0]); /* without a stop */
}

static void trial_read(void)
{
    begin();
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], NULL, 0);
    source_host_read(&hosts[0], ENOUGH, QUIET_MS, 4, false);
    must_have_read(&hosts[0]);
    source_host_stop(&hosts[0], 500);
    source_host_close(&hosts[0]);
}

/* Two readings of one stream; the second one begins behind change number `from` of the first. */
static void compare(enum clause clause, const struct source_host *one,
                    const struct source_host *other, uint32_t from, const char *when)
{
    for (uint32_t i = 0; i < other->count && i + from < one->count && i + from < SEEN_MAX; i++) {
        const struct seen *a = &one->seen[i + from], *b = &other->seen[i];
        if (leat_identity_compare(a->identity, b->identity) != 0) {
            finding(clause, "%s: change %u is %llX:%lld, and was %llX:%lld", when, i,
                    (unsigned long long)b->identity.position, (long long)b->identity.seq,
                    (unsigned long long)a->identity.position, (long long)a->identity.seq);
            return;
        }
        if (a->sum != b->sum) {
            finding(clause, "%s: the change %llX:%lld says something else than before", when,
                    (unsigned long long)b->identity.position, (long long)b->identity.seq);
            return;
        }
    }
    if (other->count == 0 && one->count > from)
        finding(clause, "%s: nothing came", when);
}

static void trial_pressure(void)
{
    begin();
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], NULL, 0);
    source_host_read(&hosts[0], ENOUGH, QUIET_MS, 4, false);
    must_have_read(&hosts[0]);
    source_host_stop(&hosts[0], 500);
    source_host_close(&hosts[0]);
    source_host_open(&hosts[1], 0);
    hosts[1].pressure = 3; /* a third of all opens and reserves says AGAIN */
    hosts[1].piece_bytes = 512;
    must_start(&hosts[1], &hosts[0], hosts[0].position);
    source_host_read(&hosts[1], ENOUGH, QUIET_MS, 0, false);
    compare(C_PRESSURE, &hosts[0], &hosts[1], 0, "with AGAIN from the host");
    source_host_stop(&hosts[1], 500);
    source_host_close(&hosts[1]);
}

static void trial_resume(void)
{
    begin();
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], NULL, 0);
    hosts[0].piece_bytes = 512;
    source_host_read(&hosts[0], ENOUGH / 2, QUIET_MS, 4, false);
    must_have_read(&hosts[0]);
    source_host_stop(&hosts[0], 500);
    source_host_close(&hosts[0]);
    uint32_t from = 0;
    uint64_t safe = hosts[0].position;
    for (uint32_t i = 0; i < hosts[0].count / 2 && i < SEEN_MAX; i++)
        if (hosts[0].seen[i].safe) {
            from = i + 1;
            safe = hosts[0].seen[i].safe;
        }
    source_host_open(&hosts[1], 0);
    must_start(&hosts[1], &hosts[0], safe);
    source_host_read(&hosts[1], ENOUGH / 2, QUIET_MS, 4, true);
    compare(C_RESUME, &hosts[0], &hosts[1], from, "started at a safe position");
    source_host_stop(&hosts[1], 500);
    source_host_close(&hosts[1]);
}

static void *wake_later(void *argument)
{
    (void)poll(NULL, 0, 100);
    source_host_wake(argument);
    return NULL;
}

static void trial_waiting(void)
{
    pthread_t thread;
    begin();
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], NULL, 0);
    source_host_read(&hosts[0], ENOUGH, QUIET_MS, 1, false);
    (void)source_host_poll(&hosts[0], 0, "poll(0)");
    (void)source_host_poll(&hosts[0], 50, "poll(50)");
    source_host_wake(&hosts[0]);
    (void)source_host_poll(&hosts[0], -1, "poll(-1), wake_fd readable");
    if (pthread_create(&thread, NULL, wake_later, &hosts[0]) == 0) {
        (void)source_host_poll(&hosts[0], -1, "poll(-1), wake_fd later");
        (void)pthread_join(thread, NULL);
    }
    source_host_stop(&hosts[0], 500);
    source_host_close(&hosts[0]);
}

static void trial_newer_host(void)
{
    begin();
    source_host_open(&hosts[0], 24);
    must_start(&hosts[0], NULL, 0);
    source_host_read(&hosts[0], ENOUGH / 4, QUIET_MS, 2, false);
    must_have_read(&hosts[0]);
    source_host_stop(&hosts[0], 500);
    source_host_close(&hosts[0]);
}

static void trial_stop_in_flight(void)
{
    static const uint32_t deadlines[] = {0, 300};
    begin();
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        source_host_open(&hosts[i], 0);
        must_start(&hosts[i], i ? &hosts[0] : NULL, i ? hosts[0].position : 0);
        source_host_read(&hosts[i], 50, QUIET_MS, OUT_MAX, false);
        source_host_stop(&hosts[i], deadlines[i]);
        (void)poll(NULL, 0, 100);
        source_host_close(&hosts[i]);
    }
}

static void whole_life(void)
{
    source_host_open(&hosts[0], 0);
    must_start(&hosts[0], hosts[1].begun ? &hosts[1] : NULL, hosts[1].position);
    source_host_read(&hosts[0], 100, QUIET_MS, 2, false);
    source_host_stop(&hosts[0], 300);
    source_host_close(&hosts[0]);
    if (hosts[0].begun) /* a life that found its origin still taken has learned nothing */
        hosts[1] = hosts[0];
}

static void trial_given_back(void)
{
    begin();
    given_back_watch(whole_life);
}

static void trial_extras(void)
{
    begin();
    source_host_open(&hosts[0], 0);
    if (subject.source->extension &&
        subject.source->extension(hosts[0].source, "org.example.no-such/1"))
        finding(C_EXTENSION, "extension knows \"org.example.no-such/1\"");
    source_host_close(&hosts[0]);
}

const struct trial source_trials[] = {
    {.name = "descriptor",
     .run = trial_descriptor,
     .what = "the constant, the note, the option table"},
    {.name = "life",
     .run = trial_life,
     .what = "create, start, stop, destroy in every legal order"},
    {.name = "half_made", .run = trial_half_made, .what = "create without memory, then destroy"},
    {.name = "read", .run = trial_read, .what = "every change is what the value model says"},
    {.name = "pressure",
     .run = trial_pressure,
     .what = "no batch and no memory now: nothing is lost"},
    {.name = "resume", .run = trial_resume, .what = "the same stream behind a safe position"},
    {.name = "waiting", .run = trial_waiting, .what = "poll waits as told and wakes as told"},
    {.name = "newer_host",
     .run = trial_newer_host,
     .crash = C_GROWING,
     .what = "a host of a later minor version"},
    {.name = "stop_in_flight",
     .run = trial_stop_in_flight,
     .what = "stop and destroy with batches out"},
    {.name = "given_back",
     .run = trial_given_back,
     .what = "descriptors, threads and memory after destroy"},
    {.name = "extras", .run = trial_extras, .what = "extension"},
};
const size_t source_trial_count = sizeof source_trials / sizeof *source_trials;
