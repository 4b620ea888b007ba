/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_trials.c -- what is tried with a sink.  [child, main]
 */
#include "given_back.h"
#include "judge.h"
#include "process.h"
#include "sink_host.h"
#include "stream.h"
#include "trials.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct sink_host hosts[2];

static void begin(void)
{
    subject_load();
    relay_start();
}

/* A sink whose server is not there cannot be tried further; the trial counts as skipped. */
static void must_start(struct sink_host *host)
{
    if (!sink_host_start(host))
        give_up();
}

static void must_deliver(struct sink_host *host, uint64_t count)
{
    if (!sink_host_deliver(host, host->made + count) && host->fatal)
        finding(C_RETRY, "the instance gave up, though nothing was wrong: %s", host->error.text);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void trial_life(void)
{
    begin();
    page->crash = C_DESTROY;
    call_begin("destroy(NULL)", settings.timeout_ms);
    subject.sink->destroy(NULL);
    (void)call_end();
    page->crash = C_ENDING;
    sink_host_open(&hosts[0], 0);
    sink_host_open(&hosts[1], 0);
    sink_host_close(&hosts[0]);
    sink_host_close(&hosts[1]);
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    sink_host_stop(&hosts[0], 1000);
    must_start(&hosts[0]);
    sink_host_stop(&hosts[0], 0);
    sink_host_close(&hosts[0]);
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    sink_host_close(&hosts[0]); /* without a stop */
}

/* ---- delivery -------------------------------------------------------------------------------- */

static void trial_deliver(void)
{
    begin();
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    must_deliver(&hosts[0], 400);
    /* A while without work: a second answer, or a late touch, would come now. */
    for (int i = 0; i < 3 && hosts[0].up; i++)
        (void)sink_host_poll(&hosts[0], 20, "poll(20)");
    sink_host_stop(&hosts[0], 1000);
    must_start(&hosts[0]); /* says what it holds */
    must_deliver(&hosts[0], 40);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

static void trial_one_thing_at_a_time(void)
{
    begin();
    sink_host_open(&hosts[0], 0);
    hosts[0].window = 1;
    must_start(&hosts[0]);
    must_deliver(&hosts[0], 60);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

/* The child dies as by a power failure of the process: no stop, no destroy, no exit handler. */
static void trial_killed(void)
{
    begin();
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    (void)sink_host_deliver(&hosts[0], hosts[0].made + 60);
    give_up();
}

static void trial_after_kill(void)
{
    begin();
    sink_host_open(&hosts[0], 0);
    /* The stream begins again at an earlier position, as it does for the daemon. */
    hosts[0].made = page->made > 30 ? page->made - 30 : 0;
    hosts[0].until = page->made + 60;
    must_start(&hosts[0]);
    if (!sink_host_deliver(&hosts[0], hosts[0].until) && hosts[0].fatal)
        finding(C_RETRY, "it does not take records that come again after a crash: %s",
                hosts[0].error.text);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

static void trial_pressure(void)
{
    begin();
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    hosts[0].window = 128;
    hosts[0].until = hosts[0].made + 1500;
    for (int i = 0; i < 4; i++) { /* AGAIN is answered by another offer, at another address */
        (void)sink_host_submit(&hosts[0]);
        (void)sink_host_submit(&hosts[0]);
    }
    if (!sink_host_deliver(&hosts[0], hosts[0].until) && hosts[0].fatal)
        finding(C_RETRY, "the instance gave up under pressure: %s", hosts[0].error.text);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

static void trial_stop_in_flight(void)
{
    static const uint32_t deadlines[] = {0, 300, 0};
    begin();
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        hosts[0].window = 64;
        hosts[0].until = hosts[0].made + 300;
        (void)sink_host_submit(&hosts[0]);
        sink_host_stop(&hosts[0], deadlines[i]);
        (void)poll(NULL, 0, 100); /* what comes now comes too late */
        must_start(&hosts[0]);
        hosts[0].window = 16;
        if (!sink_host_deliver(&hosts[0], hosts[0].until) && hosts[0].fatal)
            finding(C_RETRY, "after stop and start the same records are refused: %s",
                    hosts[0].error.text);
    }
    (void)sink_host_submit(&hosts[0]);
    sink_host_close(&hosts[0]); /* destroy with work in flight */
    (void)poll(NULL, 0, 100);
}

/* The server goes away under it, or the disk is full; then all is well again. */
static void trial_fault(void)
{
    bool marks[1024];
    struct rlimit files;
    begin();
    process_mark_fds(marks);
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    must_deliver(&hosts[0], 40);
    hosts[0].until = hosts[0].made + 1500;
    hosts[0].window = 3;
    (void)sink_host_submit(&hosts[0]);
    (void)getrlimit(RLIMIT_FSIZE, &files);
    (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){1, files.rlim_max});
    (void)process_cut_sockets(marks);
    for (int i = 0; i < 5 && hosts[0].up; i++) {
        (void)sink_host_submit(&hosts[0]);
        leat_status status = sink_host_poll(&hosts[0], 20, "poll(20)");
        (void)sink_host_take(&hosts[0]);
        if (status < 0)
            sink_host_stop(&hosts[0], 0);
        if (status < 0 && status != LEAT_ERETRY)
            hosts[0].fatal = true;
    }
    (void)setrlimit(RLIMIT_FSIZE, &files);
    if (hosts[0].fatal) /* hard, but honest: the daemon ends and is started again */
        (void)snprintf(page->skipped, sizeof page->skipped,
                       "it ends at a lost server or a full disk: %.180s", hosts[0].error.text);
    else if (!hosts[0].up)
        must_start(&hosts[0]);
    if (!hosts[0].fatal && !sink_host_deliver(&hosts[0], hosts[0].until) && hosts[0].fatal)
        finding(C_RETRY, "it does not come back after a lost server or a full disk: %s",
                hosts[0].error.text);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

static void *wake_later(void *argument)
{
    (void)poll(NULL, 0, 100);
    sink_host_wake(argument);
    return NULL;
}

static void trial_waiting(void)
{
    pthread_t thread;
    begin();
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    (void)sink_host_poll(&hosts[0], 0, "poll(0)");
    (void)sink_host_poll(&hosts[0], 50, "poll(50)");
    sink_host_wake(&hosts[0]);
    (void)sink_host_poll(&hosts[0], -1, "poll(-1), wake_fd readable");
    if (pthread_create(&thread, NULL, wake_later, &hosts[0]) == 0) {
        (void)sink_host_poll(&hosts[0], -1, "poll(-1), wake_fd later");
        (void)pthread_join(thread, NULL);
    }
    must_deliver(&hosts[0], 20);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

enum { SPIN_WAIT_MS = 100, SPIN_LOOK_MS = 300, SPIN_TURNS = 50, SPIN_LOOKS = 3 };

static int64_t computed_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A look at a sink without work; true, with what it did, where it took a processor for itself. */
static bool spins(struct sink_host *host, char *what, size_t size)
{
    int64_t computed = computed_ns(), begun = check_now_ns(), took = 0;
    int turns = 0;
    while (turns < SPIN_TURNS && took < SPIN_LOOK_MS * 1000000LL && host->up) {
        if (sink_host_poll(host, SPIN_WAIT_MS, "poll(100)") < 0)
            return false; /* its server is gone: no judgement of this */
        turns++;
        took = check_now_ns() - begun;
    }
    computed = computed_ns() - computed;
    if (turns == SPIN_TURNS)
        (void)snprintf(what, size, "poll(100) came back %d times in %lld ms", turns,
                       (long long)(took / 1000000));
    else
        (void)snprintf(what, size, "poll(100) computed for %lld of %lld ms",
                       (long long)(computed / 1000000), (long long)(took / 1000000));
    return turns == SPIN_TURNS || computed > took / 2;
}

/* What comes late (the end of a compression, an answer) may wake it for a while, but not each time. */
static void trial_idle(void)
{
    char what[100];
    int spun = 0;
    begin();
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    must_deliver(&hosts[0], 40);
    while (hosts[0].up && spun < SPIN_LOOKS && spins(&hosts[0], what, sizeof what))
        spun++;
    if (spun == SPIN_LOOKS)
        finding(C_WAITING,
                "with nothing to do %s: that takes a processor for nothing; sleep in poll(2) on "
                "wake_fd and your descriptors until one is readable, or max_wait_ms is over",
                what);
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

static void trial_newer_host(void)
{
    begin();
    sink_host_open(&hosts[0], 24);
    must_start(&hosts[0]);
    must_deliver(&hosts[0], 150);
    sink_host_stop(&hosts[0], 1000);
    must_start(&hosts[0]); /* what it holds must be what it was given, not what stood beside it */
    sink_host_stop(&hosts[0], 1000);
    sink_host_close(&hosts[0]);
}

/* ---- what is given back ---------------------------------------------------------------------- */

static void whole_life(void)
{
    sink_host_open(&hosts[0], 0);
    must_start(&hosts[0]);
    must_deliver(&hosts[0], 12);
    (void)sink_host_submit(&hosts[0]);
    sink_host_stop(&hosts[0], 300);
    sink_host_close(&hosts[0]);
}

static void trial_given_back(void)
{
    begin();
    given_back_watch(whole_life);
}

static void take_report(leat_check *check, int32_t severity, int32_t exit_code, const char *text,
                        const char *fix)
{
    (void)check;
    (void)fix;
    if (severity < LEAT_FINDING_OK || severity > LEAT_FINDING_ERROR)
        finding(C_EXTENSION, "check reported the severity %d", (int)severity);
    if (!text || !*text)
        finding(C_EXTENSION, "check reported something without a text");
    if (exit_code < 0 || exit_code > 78)
        finding(C_EXTENSION, "check reported the exit code %d", (int)exit_code);
}

static void trial_extras(void)
{
    begin();
    sink_host_open(&hosts[0], 0);
    if (subject.sink->extension && subject.sink->extension(hosts[0].sink, "org.example.no-such/1"))
        finding(C_EXTENSION, "extension knows \"org.example.no-such/1\"");
    sink_host_close(&hosts[0]);
    if (!subject.sink->check)
        return;
    leat_check check = {.size = sizeof check, .deadline_ms = 2000, .report = take_report};
    call_begin("check", 2000 + settings.timeout_ms);
    subject.sink->check(subject.options, &check);
    int64_t took_ms = call_end();
    if (took_ms > 2000 + judge_slack_ms())
        finding(C_EXTENSION, "check took %lld ms of 2000", (long long)took_ms);
}

const struct trial sink_trials[] = {
    {.name = "descriptor",
     .run = trial_descriptor,
     .what = "the constant, the note, the option table"},
    {.name = "life",
     .run = trial_life,
     .what = "create, start, stop, destroy in every legal order"},
    {.name = "half_made", .run = trial_half_made, .what = "create without memory, then destroy"},
    {.name = "deliver",
     .run = trial_deliver,
     .what = "batches of every size, given back once, in order"},
    {.name = "one_at_a_time", .run = trial_one_thing_at_a_time, .what = "one batch at a time"},
    {.name = "killed", .run = trial_killed, .what = "killed when the last OK has come"},
    {.name = "after_kill",
     .run = trial_after_kill,
     .again = true,
     .what = "what was given back with OK is there, and comes again"},
    {.name = "pressure",
     .run = trial_pressure,
     .what = "more than it takes: AGAIN, and the same again"},
    {.name = "stop_in_flight",
     .run = trial_stop_in_flight,
     .what = "stop and destroy with work in flight"},
    {.name = "fault", .run = trial_fault, .what = "its server goes away, or the disk is full"},
    {.name = "waiting", .run = trial_waiting, .what = "poll waits as told and wakes as told"},
    {.name = "idle", .run = trial_idle, .what = "poll sleeps while there is nothing to do"},
    {.name = "newer_host",
     .run = trial_newer_host,
     .crash = C_GROWING,
     .what = "a host of a later minor version"},
    {.name = "given_back",
     .run = trial_given_back,
     .what = "descriptors, threads and memory after destroy"},
    {.name = "extras", .run = trial_extras, .what = "extension and check"},
};
const size_t sink_trial_count = sizeof sink_trials / sizeof *sink_trials;
