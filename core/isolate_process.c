/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_process.c -- begins and ends the helper process of an isolated sink: what it gets, and
 * how it ended.  [worker]  Its exec is in isolate_spawn.c.
 */
#include "isolate_internal.h"
#include "isolate_options.h"
#include "memfd.h"
#include "plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what it gets --------------------------------------------------------------------------- */

static int make_shared(leat_sink *sink)
{
    int fd = memfd_make("leat-sink-rings");
    void *map;

    if (fd < 0)
        return -1;
    if (ftruncate(fd, sizeof *sink->shared) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        goto fail;
    map = mmap(NULL, sizeof *sink->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        goto fail;
    sink->shared = map;
    isolate_tell_level(sink);
    return fd;
fail:
    (void)close(fd);
    return -1;
}

/* The helper cannot keep them longer than the memory lives, and nobody else can name them. */
static int make_options(const leat_sink *sink, uint64_t *size)
{
    const struct config_sink *config = sink->worker->config;
    size_t length = 0;
    char *bytes = isolate_options_pack(config->plugin, config->options, &length);
    int fd = bytes ? memfd_make("leat-sink-options") : -1;
    bool good = fd >= 0 && length > 0 && pwrite(fd, bytes, length, 0) == (ssize_t)length;

    if (bytes)
        explicit_bzero(bytes, length);
    free(bytes);
    *size = length;
    if (good)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static bool say_hello(leat_sink *sink, const leat_sink_start *start, int bell)
{
    const struct worker *worker = sink->worker;
    struct isolate_message *message = &sink->message;
    struct isolate_hello hello = {
        .pool_base = (uint64_t)(uintptr_t)worker->pool.base,
        .pool_size = pool_bytes(&worker->pool),
        .durable = start->durable,
        .known = start->known,
        .parent = getpid(),
        .is_trial = sink->is_trial,
        .secrets = worker->host.extension(&worker->host, LEAT_EXTENSION_SECRETS) != NULL,
    };
    int fds[ISOLATE_FDS] = {worker->pool.fd, make_shared(sink),
                            make_options(sink, &hello.options_size), bell, sink->bell};
    bool good = fds[ISOLATE_FD_SHARED] >= 0 && fds[ISOLATE_FD_OPTIONS] >= 0 &&
                strlen(start->name_space) < sizeof hello.name_space;

    (void)snprintf(hello.pipeline, sizeof hello.pipeline, "%s", worker->host.pipeline);
    (void)snprintf(hello.instance, sizeof hello.instance, "%s", worker->host.instance);
    (void)snprintf(hello.plugin, sizeof hello.plugin, "%s", plugin_name(worker->config->plugin));
    (void)snprintf(hello.path, sizeof hello.path, "%s", plugin_path(worker->config->plugin));
    (void)snprintf(hello.name_space, sizeof hello.name_space, "%s", start->name_space);
    (void)snprintf(hello.format, sizeof hello.format, "%s", start->format);
    memset(message, 0, offsetof(struct isolate_message, text));
    message->kind = ISOLATE_HELLO;
    message->length = sizeof hello;
    memcpy(message->text, &hello, sizeof hello);
    good = good && isolate_send(sink->socket, message, fds, ISOLATE_FDS, MSG_DONTWAIT);
    for (int i = ISOLATE_FD_SHARED; i <= ISOLATE_FD_OPTIONS; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    return good;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void reset(leat_sink *sink)
{
    sink->offered = sink->done = sink->told = sink->epoch = sink->lent_count = 0;
    sink->failed = sink->gone = sink->stopped = sink->has_started = sink->is_down = false;
    sink->hangs = sink->grows = false;
    sink->asked = 0;
    sink->status = LEAT_OK;
    sink->breach[0] = '\0';
    sink->metric_count = 0;
    memset(sink->lent, 0, sizeof sink->lent);
}

static void drop_descriptor(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void drop_resources(leat_sink *sink)
{
    drop_descriptor(&sink->process);
    drop_descriptor(&sink->socket);
    drop_descriptor(&sink->bell);
    drop_descriptor(&sink->voice);
    if (sink->shared)
        (void)munmap(sink->shared, sizeof *sink->shared);
    sink->shared = NULL;
}

/* The pairs of which the helper gets one end each.  False with errno set. */
static bool make_pairs(leat_sink *sink, int *socket, int *bell, int *voice)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    sink->socket = ends[0];
    *socket = ends[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    sink->bell = ends[0];
    *bell = ends[1];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    sink->voice = ends[0];
    *voice = ends[1];
    return fcntl(sink->voice, F_SETFL, O_NONBLOCK) ==
           0; /* of our end; theirs has a flag of its own */
}

bool isolate_begin(leat_sink *sink, const leat_sink_start *start, leat_error *error)
{
    int socket = -1, bell = -1, voice = -1;
    int wrong;
    char how[128];

    reset(sink);
    sink->was_begun = false;
    wrong = make_pairs(sink, &socket, &bell, &voice) ? 0 : errno;
    if (wrong == 0)
        wrong = isolate_spawn(sink, socket, voice, &sink->pid);
    if (wrong != 0)
        sink->pid = 0;
    else if ((sink->process = pidfd_open(sink->pid, 0)) < 0 || !say_hello(sink, start, bell))
        wrong = errno;
    drop_descriptor(&socket);
    drop_descriptor(&bell);
    drop_descriptor(&voice);
    if (wrong == 0) {
        sink->was_begun = true;
        isolate_watch_begin(sink);
        return true;
    }
    (void)isolate_end(sink, 0, how, sizeof how);
    (void)snprintf(error->text, sizeof error->text, "cannot begin the process of plugin %s: %s",
                   plugin_name(sink->worker->config->plugin), strerror(wrong));
    return false;
}

void isolate_describe_end(const siginfo_t *end, char *how, size_t size)
{
    if (end->si_code == CLD_EXITED)
        (void)snprintf(how, size, "ended by itself with status %d", end->si_status);
    else
        (void)snprintf(how, size, "was killed by signal %d (%s)", end->si_status,
                       strsignal(end->si_status));
}

bool isolate_end(leat_sink *sink, int32_t patience_ms, char *how, size_t size)
{
    struct pollfd fd = {.fd = sink->process, .events = POLLIN};
    siginfo_t end = {0};
    bool is_well = false;

    (void)snprintf(how, size, "is no more");
    if (sink->pid > 0) {
        if (sink->process < 0 || patience_ms == 0 || poll(&fd, 1, patience_ms) <= 0)
            (void)kill(sink->pid, SIGKILL);
        while (waitid(P_PID, (id_t)sink->pid, &end, WEXITED | WNOWAIT) != 0 && errno == EINTR)
            ;
        (void)kill(-sink->pid, SIGKILL); /* what it began, while its number is still its own */
        while (waitid(P_PID, (id_t)sink->pid, &end, WEXITED) != 0 && errno == EINTR)
            ;
        isolate_describe_end(&end, how, size);
        is_well = end.si_code == CLD_EXITED && end.si_status == 0;
        isolate_take_voice(sink, true);
        sink->pid = 0;
        isolate_set_metric(sink, sink->pid_metric, 0);
        isolate_set_metric(sink, sink->memory_metric, 0);
    }
    drop_resources(sink);
    return is_well;
}
