/* SPDX-License-Identifier: Apache-2.0
 *
 * half_made.c -- create with each of its own allocations failing, one after the other.  [child,
 * main]
 *
 * Only what the plugin's own code asks for fails: many a library ends the process where memory
 * does.
 */
#include "heap.h"
#include "sink_host.h"
#include "source_host.h"
#include "trials.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ALLOCATIONS_MAX = 200 };

static union {
    struct sink_host sink;
    struct source_host source;
} host;

static leat_status create(void **made, leat_error *error)
{
    if (subject.sink)
        return subject.sink->create(&host.sink.host, subject.options, (leat_sink **)made, error);
    return subject.source->create(&host.source.host, subject.options, (leat_source **)made, error);
}

static void destroy(void *made)
{
    call_begin("destroy", settings.timeout_ms);
    if (subject.sink)
        subject.sink->destroy(made);
    else
        subject.source->destroy(made);
    (void)call_end();
    (void)close(subject.sink ? host.sink.host.wake_fd : host.source.host.wake_fd);
}

static void judge(leat_status status, const void *made, const leat_error *error, uint64_t n)
{
    if (status >= 0 && !made)
        finding(C_CREATE, "create returned %d and no instance when its allocation %llu failed",
                (int)status, (unsigned long long)n);
    if (status < 0 && !error->text[0])
        finding(C_TEXT, "create returned %d without a text when its allocation %llu failed",
                (int)status, (unsigned long long)n);
}

void trial_half_made(void)
{
    subject_load();
    if (heap_blocks() < 0) {
        (void)snprintf(page->skipped, sizeof page->skipped,
                       "memory does not fail in a build with a sanitizer");
        return;
    }
    page->crash = C_DESTROY;
    for (uint64_t n = 1; n <= ALLOCATIONS_MAX; n++) {
        leat_error error = {.size = sizeof error};
        void *made = NULL;
        if (subject.sink)
            sink_host_prepare(&host.sink, 0);
        else
            source_host_prepare(&host.source, 0);
        heap_fail(n, subject.code_begin, subject.code_end);
        call_begin("create", settings.timeout_ms);
        leat_status status = create(&made, &error);
        bool failed = heap_failed();
        heap_fail(0, NULL, NULL);
        (void)call_end();
        if (failed)
            judge(status, made, &error, n);
        destroy(made);
        if (!failed)
            return;
    }
}
