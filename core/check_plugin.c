/* SPDX-License-Identifier: Apache-2.0
 *
 * check_plugin.c -- see check_plugin.h.  [main]
 *
 * The process is a fork, not leat __sink: the command has one thread, and has read the options.
 * Findings come over a pair of sockets, a message each; a process that ends without its last
 * message, or says nothing for too long, is a finding itself.  It never outlives the command.
 */
#include "check_plugin.h"

#include "clock.h"
#include "config.h"
#include "exit_code.h"
#include "isolate_internal.h"
#include "plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 200 /* behind the plugin's own deadline */
#define LEAST_MS 300 /* for a create, however long the check took */

/* What is checked: a source or a sink of a pipeline. */
struct subject {
    const char *pipeline, *instance; /* as the plugin's host names them */
    const struct plugin *plugin;
    const void *options;
    bool is_source, isolate;
    void (*look)(const void *options, leat_check *); /* NULL: the plugin has no check, or offline */
};

/* Messages of the process: a finding has its severity in number, then its text and its fix. */
enum { SAYS_FINDING = 1, SAYS_CREATES, SAYS_ENDED };

/* ---- in the process ------------------------------------------------------------------------- */

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
    if (error.status != LEAT_OK)
        report_from_child(check, LEAT_FINDING_ERROR, exit_code_of(&error), error.text, NULL);
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

static _Noreturn void run_child(struct child *child, const struct subject *subject,
                                const leat_check *given)
{
    leat_check check = *given;

    check.context = child;
    check.report = report_from_child;
    if (subject->look)
        subject->look(subject->options, &check);
    if (!child->has_errors) {
        begin_message(child);
        say(child, SAYS_CREATES);
        try_create(subject, &check);
    }
    begin_message(child);
    say(child, SAYS_ENDED);
    _exit(EX_OK);
}

/* ---- in the command ------------------------------------------------------------------------- */

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
    parent->check->report(parent->check, LEAT_FINDING_ERROR, EX_SOFTWARE, text, NULL);
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

/* Until its last message or its end; false: it says nothing for too long. */
static bool listen_to(struct parent *parent, int socket, int64_t until_ns)
{
    struct pollfd fd = {.fd = socket, .events = POLLIN};

    while (!parent->has_ended) {
        int64_t left_ms = (until_ns - clock_now_ns(&clock_real)) / 1000000;
        if (left_ms <= 0)
            return false;
        if (poll(&fd, 1, (int)left_ms) <= 0)
            continue;
        if (isolate_receive(socket, &parent->message, NULL, MSG_DONTWAIT) < 0 || !take(parent))
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
    static struct child child;
    static struct parent parent;
    int64_t until_ns =
        clock_now_ns(&clock_real) + ((int64_t)check->deadline_ms + GRACE_MS) * 1000000;
    pid_t own = getpid(), pid = -1;
    char how[128];
    int ends[2];
    bool hangs;

    child = (struct child){.socket = -1};
    parent = (struct parent){.check = check,
                             .plugin = plugin_name(subject->plugin),
                             .doing = subject->look ? "check" : "create"};
    (void)fflush(NULL); /* else the process has it, too */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        pid = fork();
        if (pid == 0) {
            settle(own);
            (void)close(ends[0]);
            child.socket = ends[1];
            run_child(&child, subject, check);
        }
        (void)close(ends[1]);
        if (pid < 0)
            (void)close(ends[0]);
    }
    if (pid < 0) {
        check->report(check, LEAT_FINDING_ERROR, EX_OSERR, strerror(errno), NULL);
        return;
    }
    hangs = !listen_to(&parent, ends[0], until_ns);
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
