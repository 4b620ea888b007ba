/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_voice.c -- what a helper process writes to its standard output and error: a line of the
 * log each, under the sink's name, and how many lines it may log at all.  [worker]
 *
 * It holds one unfinished line at most, and cuts what is longer.
 */
#include "isolate_internal.h"

#include "log_level.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Enough for what a crash has to say, and no more than a log can bear for ever. */
#define LINES_AT_ONCE 1000
#define LINE_EVERY_NS ((int64_t)10000000)
#define READS_A_TURN 64
#define READS_AT_END 512 /* more than a pipe holds */
#define ROOM (sizeof((leat_sink *)0)->spoken - 1)

void isolate_tell_level(leat_sink *sink)
{
    int32_t level = LEAT_LOG_DEBUG;

    while (level > LEAT_LOG_ERROR &&
           !log__is_wanted(sink->host->pipeline, sink->host->instance, level))
        level--;
    atomic_store_explicit(&sink->shared->log_level, level, memory_order_relaxed);
}

bool isolate_may_log(leat_sink *sink)
{
    int64_t now_ns = sink->host->now_ns(sink->host);

    if (sink->log_due_ns < now_ns)
        sink->log_due_ns = now_ns;
    if (sink->log_due_ns - now_ns > LINES_AT_ONCE * LINE_EVERY_NS) {
        sink->unlogged++;
        return false;
    }
    sink->log_due_ns += LINE_EVERY_NS;
    if (sink->unlogged > 0) {
        leat_field fields[] = {LEAT_F_UINT("lines", sink->unlogged)};
        sink->unlogged = 0;
        sink->host->log(sink->host, LEAT_LOG_WARN, "isolated sink says more than is logged", fields,
                        1);
    }
    return true;
}

/* The byte behind the line is overwritten. */
static void say(leat_sink *sink, char *line, size_t length)
{
    leat_field fields[] = {LEAT_F_INT("pid", sink->pid), LEAT_F_STR("text", line)};

    line[length] = '\0';
    if (*line && isolate_may_log(sink))
        sink->host->log(sink->host, LEAT_LOG_WARN, "isolated sink wrote to its standard error",
                        fields, 2);
}

/* The lines that are whole, and one that has no room for more. */
static void say_lines(leat_sink *sink)
{
    size_t at = 0;
    char *end;

    while ((end = memchr(sink->spoken + at, '\n', sink->spoken_length - at))) {
        say(sink, sink->spoken + at, (size_t)(end - sink->spoken) - at);
        at = (size_t)(end - sink->spoken) + 1;
    }
    if (at == 0 && sink->spoken_length == ROOM) {
        say(sink, sink->spoken, sink->spoken_length);
        at = sink->spoken_length;
    }
    memmove(sink->spoken, sink->spoken + at, sink->spoken_length - at);
    sink->spoken_length -= at;
}

void isolate_take_voice(leat_sink *sink, bool is_end)
{
    ssize_t got = 0;

    for (int i = 0; sink->voice >= 0 && i < (is_end ? READS_AT_END : READS_A_TURN); i++) {
        got = read(sink->voice, sink->spoken + sink->spoken_length, ROOM - sink->spoken_length);
        if (got <= 0)
            break;
        sink->spoken_length += (size_t)got;
        say_lines(sink);
    }
    if (is_end || (got == 0 && sink->voice >= 0) ||
        (got < 0 && errno != EAGAIN && errno != EINTR)) {
        say(sink, sink->spoken, sink->spoken_length);
        sink->spoken_length = 0;
        if (sink->voice >= 0)
            (void)close(sink->voice);
        sink->voice = -1;
    }
}
