/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_watch.c -- whether a helper process still turns: a few times within isolate_timeout it is
 * asked, and its loop answers.  As often it is looked at how much memory it has.  [worker]
 *
 * A plugin that waits for its server goes on turning; one that hangs in a call, or a process that
 * was stopped, does not.  What counts is looks without an answer, not time alone: daemon and helper
 * may have been frozen together.
 */
#include "isolate_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define LOOKS 4

/* What it has taken for itself: the pool, which it shares, is not counted twice. */
static int64_t memory_of(pid_t pid)
{
    char path[64], text[128] = "";
    long long resident = 0, shared = 0;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) <= 0 ||
        sscanf(text, "%*d %lld %lld", &resident, &shared) != 2)
        resident = shared = 0;
    (void)close(fd);
    return (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

static void look_at_memory(leat_sink *sink)
{
    int64_t bytes = memory_of(sink->pid), most = sink->worker->config->isolate_memory;

    isolate_set_metric(sink, sink->memory_metric, (double)bytes);
    sink->grows = most > 0 && bytes > most;
}

void isolate_watch_begin(leat_sink *sink)
{
    sink->missed = 0;
    sink->look_at_ns = 0;
}

int32_t isolate_watch(leat_sink *sink)
{
    int64_t between_ns = sink->worker->config->isolate_timeout_ms * 1000000 / LOOKS;
    int64_t now_ns = sink->host->now_ns(sink->host);
    uint32_t answered;

    if (now_ns < sink->look_at_ns)
        return (int32_t)((sink->look_at_ns - now_ns) / 1000000 + 1);
    look_at_memory(sink);
    answered = atomic_load_explicit(&sink->shared->answered, memory_order_relaxed);
    sink->missed = answered == sink->asked ? 0 : sink->missed + 1;
    if (sink->missed >= LOOKS) {
        sink->hangs = true;
        return 0;
    }
    if (sink->missed == 0)
        atomic_store_explicit(&sink->shared->asked, ++sink->asked, memory_order_release);
    isolate_ring(&sink->shared->helper_asleep, sink->bell);
    sink->look_at_ns = now_ns + between_ns;
    return (int32_t)(between_ns / 1000000 + 1);
}
