/* SPDX-License-Identifier: Apache-2.0
 *
 * command.c -- see command.h.  Nothing of a command's values is ever part of its text: they are
 * variables of its environment, and the environment is made, not inherited, so that no secret of
 * the daemon's reaches it.
 */
#include "command.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 2000 /* between SIGTERM and SIGKILL */
#define STACK_BYTES ((size_t)128 * 1024)
#define VARIABLES_MAX 48

struct command {
    char pipeline[64], instance[64];
    char *text;                         /* owned */
    char *variables[VARIABLES_MAX + 1]; /* owned, NULL at the end */
    int64_t timeout_ms;
    pid_t pid; /* under the lock; 0: not begun, or reaped */
    bool used;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct command commands[COMMANDS_MAX]; /* under lock: used, pid */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

/* ---- one command's memory -------------------------------------------------------------------- */

/* A free place; NULL: none is left, or this pipeline's last command still runs. */
static struct command *take(const char *pipeline)
{
    struct command *found = NULL;

    (void)pthread_mutex_lock(&all.lock);
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *command = &all.commands[i];
        if (command->used && strcmp(command->pipeline, pipeline) == 0) {
            found = NULL;
            break;
        }
        if (!command->used && !found)
            found = command;
    }
    if (found) {
        memset(found, 0, sizeof *found);
        found->used = true;
        (void)snprintf(found->pipeline, sizeof found->pipeline, "%s", pipeline);
    }
    (void)pthread_mutex_unlock(&all.lock);
    return found;
}

static void give(struct command *command)
{
    free(command->text);
    for (size_t i = 0; command->variables[i]; i++)
        free(command->variables[i]);
    (void)pthread_mutex_lock(&all.lock);
    command->used = false;
    (void)pthread_cond_broadcast(&all.ended);
    (void)pthread_mutex_unlock(&all.lock);
}

static bool add_variable(struct command *command, const char *name, const char *value)
{
    size_t count = 0, size = strlen(name) + strlen(value) + 2;

    while (command->variables[count])
        count++;
    if (count == VARIABLES_MAX || !(command->variables[count] = malloc(size)))
        return false;
    (void)snprintf(command->variables[count], size, "%s=%s", name, value);
    return true;
}

static bool fill(struct command *command, const char *text, const leat_pair *environment,
                 size_t count)
{
    static const char *const inherited[] = {"PATH", "HOME", "LANG", "TZ"};
    bool ok = (command->text = strdup(text)) != NULL;

    for (size_t i = 0; i < sizeof inherited / sizeof *inherited && ok; i++)
        if (getenv(inherited[i]))
            ok = add_variable(command, inherited[i], getenv(inherited[i]));
    for (size_t i = 0; i < count && ok; i++)
        ok = add_variable(command, environment[i].name, environment[i].value);
    return ok;
}

/* ---- its life, in its own thread ------------------------------------------------------------- */

static int spawn(struct command *command, pid_t *pid)
{
    char *words[] = {(char[]){"sh"}, (char[]){"-c"}, command->text, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    int wrong;

    (void)sigemptyset(&none);
    (void)sigemptyset(&usual);
    (void)sigaddset(&usual, SIGPIPE);
    if ((wrong = posix_spawn_file_actions_init(&files)) != 0)
        return wrong;
    if ((wrong = posix_spawnattr_init(&attributes)) == 0) {
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                        POSIX_SPAWN_SETSIGDEF);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setsigdefault(&attributes, &usual);
        wrong = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        if (wrong == 0)
            wrong = posix_spawn_file_actions_adddup2(&files, 2, 1);
        if (wrong == 0)
            wrong = posix_spawn_file_actions_addclosefrom_np(&files, 3);
        if (wrong == 0)
            wrong = posix_spawn(pid, "/bin/sh", &files, &attributes, words, command->variables);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return wrong;
}

/* False: it still runs after so long. */
static bool has_ended(int process, int64_t limit_ms)
{
    struct pollfd fd = {.fd = process, .events = POLLIN};
    struct timespec begun, now;
    int64_t left_ms = limit_ms;

    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (;;) {
        int ready = poll(&fd, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        left_ms = limit_ms - ((int64_t)(now.tv_sec - begun.tv_sec) * 1000 +
                              (now.tv_nsec - begun.tv_nsec) / 1000000);
        if (left_ms <= 0)
            return false;
    }
}

static void say(const struct command *command, int32_t level, const char *message, const char *name,
                int64_t number)
{
    const leat_field fields[] = {LEAT_F_INT(name, number)};

    log_event(command->pipeline, command->instance, level, message, fields, 1);
}

static void tell_end(const struct command *command, const siginfo_t *end, bool killed)
{
    if (killed)
        say(command, LEAT_LOG_ERROR, "command took too long and was killed", "timeout_ms",
            command->timeout_ms);
    else if (end->si_code != CLD_EXITED)
        say(command, LEAT_LOG_ERROR, "command was ended by a signal", "signal", end->si_status);
    else if (end->si_status != 0)
        say(command, LEAT_LOG_ERROR, "command failed", "status", end->si_status);
    else
        say(command, LEAT_LOG_INFO, "command ended well", "status", 0);
}

static void attend(struct command *command, pid_t pid)
{
    siginfo_t end = {0};
    int process = pidfd_open(pid, 0);
    bool killed = process < 0 || !has_ended(process, command->timeout_ms);

    if (killed) {
        (void)kill(-pid, SIGTERM);
        if (process < 0 || !has_ended(process, GRACE_MS))
            (void)kill(-pid, SIGKILL);
    }
    if (process >= 0)
        (void)close(process);
    /* Not a process id any more once it is reaped: nobody may kill it behind this. */
    (void)pthread_mutex_lock(&all.lock);
    command->pid = 0;
    (void)pthread_mutex_unlock(&all.lock);
    while (waitid(P_PID, (id_t)pid, &end, WEXITED) != 0 && errno == EINTR)
        ;
    tell_end(command, &end, killed);
}

static void *command_main(void *argument)
{
    struct command *command = argument;
    pid_t pid = 0;
    int wrong = spawn(command, &pid);

    if (wrong != 0) {
        const leat_field fields[] = {LEAT_F_STR("error", strerror(wrong))};
        log_event(command->pipeline, command->instance, LEAT_LOG_ERROR, "command cannot be run",
                  fields, 1);
    } else {
        (void)pthread_mutex_lock(&all.lock);
        command->pid = pid;
        (void)pthread_mutex_unlock(&all.lock);
        attend(command, pid);
    }
    give(command);
    return NULL;
}

static bool start_thread(struct command *command)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool ok;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    ok = pthread_create(&thread, &attributes, command_main, command) == 0;
    (void)pthread_attr_destroy(&attributes);
    return ok;
}

/* ---- what others call ------------------------------------------------------------------------ */

static leat_status run(const leat_host *host, const char *text, const leat_pair *environment,
                       size_t count, int64_t timeout_ms)
{
    struct command *command = take(host->pipeline);

    if (!command)
        return LEAT_AGAIN;
    (void)snprintf(command->instance, sizeof command->instance, "%s", host->instance);
    command->timeout_ms = timeout_ms > 0 ? timeout_ms : 60000;
    if (!fill(command, text, environment, count) || !start_thread(command)) {
        give(command);
        return LEAT_AGAIN;
    }
    return LEAT_OK;
}

const leat_commands commands_for_plugins = {.size = sizeof commands_for_plugins, .run = run};

static bool any_runs(void)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (all.commands[i].used)
            return true;
    return false;
}

void commands_finish(int64_t limit_ms)
{
    struct timespec until;
    int wrong = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += limit_ms / 1000;
    (void)pthread_mutex_lock(&all.lock);
    while (any_runs() && wrong == 0)
        wrong = pthread_cond_timedwait(&all.ended, &all.lock, &until);
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (all.commands[i].used && all.commands[i].pid > 0)
            (void)kill(-all.commands[i].pid, SIGKILL);
    while (any_runs())
        (void)pthread_cond_wait(&all.ended, &all.lock);
    (void)pthread_mutex_unlock(&all.lock);
}
