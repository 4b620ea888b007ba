/* SPDX-License-Identifier: Apache-2.0
 *
 * check_plugin.c -- see check_plugin.h.  [main]
 *
 * The process is a fork, not leat __sink: the command has one thread, and has read the options.
 * Findings come over a pair of sockets, a message each; a process that ends without its last
 * message, or says nothing for too long, is a finding itself.  It never outlives the command.
 */
#include "check_plugin.h"

#include "check_internal.h"
#include "clock.h"
#include "config.h"
#include "isolate_internal.h"
#include "plugins.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define GRACE_MS 200 /* behind the plugin's own deadline */
#define LEAST_MS 300 /* for a create, however long the check took */
#define LOOK_MS 100
#define MS INT64_C(1000000)

/* ---- its process ---------------------------------------------------------------------------- */

struct parent {
    leat_check *check;
    const char *plugin;
    const char *doing; /* "check" or "create" */
    bool has_ended;
    struct isolate_message message;
};

static void find(struct parent *parent, const char *what, const char *how)
{
    char text[400];

    (void)snprintf(text, sizeof text, "plugin %s %s in its %s%s%s", parent->plugin, what,
                   parent->doing, *how ? ": its process " : "", how);
    parent->check->report(parent->check, LEAT_FINDING_ERROR, EX_SOFTWARE, text,
                          "install a mended version of the plugin: leat-plugin-check LIBRARY says "
                          "its author what is wrong with it");
}

/* False: what it sent is none of its messages. */
static bool take(struct parent *parent)
{
    const struct isolate_message *message = &parent->message;
    uint32_t at = 0;
    const char *text;

    if (message->kind == SAYS_CREATES)
        parent->doing = "create";
    if (message->kind == SAYS_ENDED)
        parent->has_ended = true;
    if (message->kind != SAYS_FINDING)
        return message->kind == SAYS_CREATES || message->kind == SAYS_ENDED;
    text = isolate_next_text(message, &at);
    if (!text || message->number < LEAT_FINDING_OK || message->number > LEAT_FINDING_ERROR)
        return false;
    parent->check->report(parent->check, (int32_t)message->number, message->exit_code, text,
                          isolate_next_text(message, &at));
    return true;
}

/* Until its last message or its end; false: it took too long.  A machine that stood still, and the
 * process with it, costs one look: so its time is counted in looks, and not by the clock. */
static bool listen_to(struct parent *parent, int socket, int64_t patience_ns)
{
    struct pollfd fd = {.fd = socket, .events = POLLIN};
    int64_t looked_ns = clock_now_ns(&clock_real);

    while (!parent->has_ended) {
        if (patience_ns <= 0)
            return false;
        bool spoke = poll(&fd, 1, LOOK_MS) > 0;
        int64_t now = clock_now_ns(&clock_real), look_ns = now - looked_ns;
        patience_ns -= look_ns < LOOK_MS * MS ? look_ns : LOOK_MS * MS;
        looked_ns = now;
        if (spoke &&
            (isolate_receive(socket, &parent->message, NULL, MSG_DONTWAIT) < 0 || !take(parent)))
            break;
    }
    return true;
}

/* At once where it does not answer, and with all that it began. */
static void reap(pid_t pid, bool hangs, char *how, size_t size)
{
    siginfo_t end = {0};

    if (hangs)
        (void)kill(pid, SIGKILL);
    while (waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        ;
    (void)kill(-pid, SIGKILL);
    while (waitid(P_PID, (id_t)pid, &end, WEXITED) != 0 && errno == EINTR)
        ;
    isolate_describe_end(&end, how, size);
}

/* Its check, where it has one, and its create. */
static void in_process(const struct subject *subject, leat_check *check)
{
    static struct parent parent;
    int64_t patience_ns = ((int64_t)check->deadline_ms + GRACE_MS) * MS;
    pid_t own = getpid(), pid = -1;
    char how[128];
    int ends[2];
    bool hangs;

    parent = (struct parent){.check = check,
                             .plugin = plugin_name(subject->plugin),
                             .doing = subject->look ? "check" : "create"};
    (void)fflush(NULL); /* else the process has it, too */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        pid = fork();
        if (pid == 0) {
            (void)close(ends[0]);
            check__run_child(subject, check, ends[1], own);
        }
        (void)close(ends[1]);
        if (pid < 0)
            (void)close(ends[0]);
    }
    if (pid < 0) {
        check->report(check, LEAT_FINDING_ERROR, EX_OSERR, strerror(errno), NULL);
        return;
    }
    hangs = !listen_to(&parent, ends[0], patience_ns);
    (void)close(ends[0]);
    reap(pid, hangs, how, sizeof how);
    if (hangs)
        find(&parent, "did not come back in time", "");
    else if (!parent.has_ended)
        find(&parent, "crashed", how);
}

/* ---- one source or sink --------------------------------------------------------------------- */

struct counted {
    leat_check *real;
    bool has_errors;
};

static void count_errors(leat_check *check, int32_t severity, int32_t exit_code, const char *text,
                         const char *fix)
{
    struct counted *counted = check->context;

    counted->has_errors = counted->has_errors || severity == LEAT_FINDING_ERROR;
    counted->real->report(counted->real, severity, exit_code, text, fix);
}

static void check_subject(const struct subject *subject, leat_check *check)
{
    struct subject create_alone = *subject;
    struct counted counted = {.real = check};
    leat_check counting = *check;
    int64_t until_ns = clock_now_ns(&clock_real) + (int64_t)check->deadline_ms * 1000000;

    if (subject->look && subject->isolate) {
        in_process(subject, check);
        return;
    }
    counting.context = &counted;
    counting.report = count_errors;
    if (subject->look)
        subject->look(subject->options, &counting);
    if (counted.has_errors)
        return;
    counting.deadline_ms = (int32_t)((until_ns - clock_now_ns(&clock_real)) / 1000000);
    if (counting.deadline_ms < LEAST_MS)
        counting.deadline_ms = LEAST_MS;
    create_alone.look = NULL;
    in_process(&create_alone, &counting);
}

void check_source(const struct config_pipeline *pipeline, leat_check *check, bool offline)
{
    struct subject subject = {
        .pipeline = pipeline->name,
        .instance = "source",
        .plugin = pipeline->source,
        .options = pipeline->source_options,
        .is_source = true,
        .look = offline ? NULL : plugin_source_ops(pipeline->source)->check,
    };

    check_subject(&subject, check);
}

void check_sink(const char *pipeline, const struct config_sink *sink, leat_check *check,
                bool offline)
{
    struct subject subject = {
        .pipeline = pipeline,
        .instance = sink->name,
        .plugin = sink->plugin,
        .options = sink->options,
        .isolate = sink->isolate,
        .look = offline ? NULL : plugin_sink_ops(sink->plugin)->check,
    };

    check_subject(&subject, check);
}
