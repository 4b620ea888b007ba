/* SPDX-License-Identifier: Apache-2.0
 *
 * check_child.c -- the process that `leat check` tries a plugin in: runs its check, where it is to be
 * tried here, and its create, and tells the command what they find.  It never starts an instance.
 */
#include "check_internal.h"

#include "clock.h"
#include "exit_code.h"
#include "isolate_internal.h"
#include "plugins.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

struct child {
    int socket;
    bool has_errors;
    struct isolate_message message;
};

static void say(struct child *child, uint32_t kind)
{
    child->message.kind = kind;
    if (!isolate_send(child->socket, &child->message, NULL, 0, 0))
        _exit(EX_IOERR); /* nobody listens any more */
}

static void begin_message(struct child *child)
{
    memset(&child->message, 0, offsetof(struct isolate_message, text));
}

static void report_from_child(leat_check *check, int32_t severity, int32_t exit_code,
                              const char *text, const char *fix)
{
    struct child *child = check->context;

    begin_message(child);
    child->message.number = severity;
    child->message.exit_code = exit_code;
    isolate_add_text(&child->message, text, strlen(text));
    if (fix)
        isolate_add_text(&child->message, fix, strlen(fix));
    child->has_errors = child->has_errors || severity == LEAT_FINDING_ERROR;
    say(child, SAYS_FINDING);
}

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t count)
{
    (void)host, (void)level, (void)message, (void)fields, (void)count;
}

static int64_t host_now_ns(const leat_host *host)
{
    (void)host;
    return clock_now_ns(&clock_real);
}

static void host_wake(const leat_host *host)
{
    (void)host;
}

static const void *host_extension(const leat_host *host, const char *id)
{
    (void)host, (void)id;
    return NULL;
}

static void host_batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    (void)host, (void)token, (void)result;
}

static void create_and_destroy(const struct subject *subject, const leat_host *host,
                               leat_error *error)
{
    if (subject->is_source) {
        const leat_source_ops *ops = plugin_source_ops(subject->plugin);
        leat_source *source = NULL;
        error->status = ops->create(host, subject->options, &source, error);
        ops->destroy(source);
    } else {
        const leat_sink_ops *ops = plugin_sink_ops(subject->plugin);
        leat_sink *sink = NULL;
        error->status = ops->create(host, subject->options, &sink, error);
        ops->destroy(sink);
    }
}

/* The host has what a create may call: all that is [any]. */
static void try_create(const struct subject *subject, leat_check *check)
{
    leat_error error = {.size = sizeof error};
    char fix[200];
    leat_host host = {.size = sizeof host,
                      .abi_major = LEAT_ABI_MAJOR,
                      .abi_minor = LEAT_ABI_MINOR,
                      .pipeline = subject->pipeline,
                      .instance = subject->instance,
                      .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                      .log = host_log,
                      .now_ns = host_now_ns,
                      .wake = host_wake,
                      .extension = host_extension,
                      .batch_done = subject->is_source ? NULL : host_batch_done};

    create_and_destroy(subject, &host, &error);
    if (error.status != LEAT_OK && !error.text[0])
        (void)snprintf(error.text, sizeof error.text,
                       "the plugin's create failed with %d and no reason", (int)error.status);
    (void)snprintf(fix, sizeof fix, "correct the option; leat plugins %.100s says what each takes",
                   plugin_name(subject->plugin));
    if (error.status != LEAT_OK)
        report_from_child(check, LEAT_FINDING_ERROR, exit_code_of(&error), error.text, fix);
}

/* What the plugin prints is not the command's answer. */
static void settle(pid_t parent)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EX_UNAVAILABLE);
    (void)setpgid(0, 0);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
}

_Noreturn void check__run_child(const struct subject *subject, const leat_check *given, int socket,
                                pid_t parent)
{
    static struct child child;
    leat_check check = *given;

    settle(parent);
    child.socket = socket;
    check.context = &child;
    check.report = report_from_child;
    if (subject->look)
        subject->look(subject->options, &check);
    if (!child.has_errors) {
        begin_message(&child);
        say(&child, SAYS_CREATES);
        try_create(subject, &check);
    }
    begin_message(&child);
    say(&child, SAYS_ENDED);
    _exit(EX_OK);
}
