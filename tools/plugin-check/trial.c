/* SPDX-License-Identifier: Apache-2.0
 *
 * trial.c -- see trial.h.  The parent has one thread and waits for events: the child's end, or the
 * time at which the call that it is in must have come back.
 */
#include "trial.h"

#include "lend.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct page *page;

static const struct trial *current;
static pid_t judge; /* the process that reports */

int64_t check_now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void finding(enum clause clause, const char *format, ...)
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    char text[FINDING_TEXT];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    while (atomic_flag_test_and_set(&busy))
        ; /* held for a copy only, also by a signal handler that ends the process */
    uint32_t count = atomic_load(&page->finding_count);
    bool known = count == FINDINGS_MAX;
    for (uint32_t i = 0; i < count && !known; i++)
        known = page->findings[i].clause == clause && strcmp(page->findings[i].text, text) == 0;
    if (!known) {
        page->findings[count].clause = clause;
        memcpy(page->findings[count].text, text, sizeof text);
        atomic_store(&page->finding_count, count + 1);
    }
    atomic_flag_clear(&busy);
}

bool found_any(void)
{
    return atomic_load(&page->finding_count) > 0;
}

void give_up(void)
{
    atomic_store(&page->ended, true);
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* ---- in the child ---------------------------------------------------------------------------- */

/* How long the threads that call plugins were ready to run and were not let: a machine that has other
 * things to do.  A call that sleeps is not ready, and one that computes is running: neither counts. */
enum { CALLERS = 3 };
static _Atomic int schedules[CALLERS]; /* descriptors, plus 1 */
static int64_t starved_before_ns;

static void watch_schedule(int number)
{
    atomic_store(&schedules[number], open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) + 1);
}

static int64_t starved_ns(void)
{
    int64_t sum = 0;
    for (int i = 0; i < CALLERS; i++) {
        char text[100];
        long long ran, waited;
        int fd = atomic_load(&schedules[i]) - 1;
        ssize_t len = fd < 0 ? 0 : pread(fd, text, sizeof text - 1, 0);
        text[len > 0 ? len : 0] = '\0';
        if (sscanf(text, "%lld %lld", &ran, &waited) == 2)
            sum += waited;
    }
    return sum;
}

void call_begin(const char *name, int64_t limit_ms)
{
    starved_before_ns = starved_ns();
    (void)snprintf(page->call, sizeof page->call, "%s", name);
    atomic_store(&page->call_limit_ns, limit_ms * 1000000);
    atomic_store(&page->call_since_ns, check_now_ns());
}

int64_t call_end(void)
{
    int64_t since_ns = atomic_exchange(&page->call_since_ns, 0);
    int64_t took_ns = check_now_ns() - since_ns;
    if (took_ns > 100000000)
        took_ns -= starved_ns() - starved_before_ns;
    process_compare(page->call);
    return took_ns > 0 ? took_ns / 1000000 : 0;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    leat_status (*function)(void *);
    void *argument;
    leat_status status;
    int turn, asked;    /* asked: the thread whose job it is; -1: nobody's */
    _Atomic int inside; /* the number of the thread that is inside, plus 1 */
} relays = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER, .asked = -1};

static _Thread_local int relay_number;

static void *relay_main(void *argument)
{
    int number = (int)(intptr_t)argument;
    relay_number = number + 1;
    watch_schedule(relay_number);
    (void)pthread_mutex_lock(&relays.lock);
    for (;;) { /* until the child ends */
        if (relays.asked != number) {
            (void)pthread_cond_wait(&relays.moved, &relays.lock);
            continue;
        }
        (void)pthread_mutex_unlock(&relays.lock);
        sigset_t before, after;
        (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
        atomic_store(&relays.inside, number + 1);
        leat_status status = relays.function(relays.argument);
        atomic_store(&relays.inside, 0);
        (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
        if (memcmp(&before, &after, sizeof before) != 0)
            finding(C_PROCESS, "%s changed the signal mask of its thread", page->call);
        (void)pthread_mutex_lock(&relays.lock);
        relays.status = status;
        relays.asked = -1;
        (void)pthread_cond_broadcast(&relays.moved);
    }
    return NULL;
}

void relay_start(void)
{
    pthread_t thread;
    watch_schedule(0);
    for (intptr_t i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, relay_main, (void *)i) != 0)
            give_up();
}

bool relay_is_inside(void)
{
    return relay_number != 0 && atomic_load(&relays.inside) == relay_number;
}

leat_status relay(leat_status (*function)(void *), void *argument, const char *name,
                  int64_t limit_ms)
{
    (void)pthread_mutex_lock(&relays.lock);
    call_begin(name, limit_ms);
    relays.function = function;
    relays.argument = argument;
    relays.turn = !relays.turn;
    relays.asked = relays.turn;
    (void)pthread_cond_broadcast(&relays.moved);
    while (relays.asked != -1)
        (void)pthread_cond_wait(&relays.moved, &relays.lock);
    leat_status status = relays.status;
    (void)pthread_mutex_unlock(&relays.lock);
    return status;
}

static void on_exit_called(void)
{
    if (getpid() == judge || atomic_load(&page->ended))
        return;
    finding(C_ENDING, "exit was called inside %s", page->call);
    give_up();
}

static void on_fork(void)
{
    if (atomic_load(&page->call_since_ns) != 0)
        finding(C_ENDING, "fork was called inside %s", page->call);
}

_Noreturn static void child(const char *folder)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setenv("LEAT_CHECK_DIR", folder, 1);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* a crash is told as a finding */
    (void)atexit(on_exit_called);
    (void)pthread_atfork(on_fork, NULL, NULL);
    lend_guard();
    process_silence(folder);
    current->run();
    process_output();
    give_up();
}

/* ---- in the parent --------------------------------------------------------------------------- */

static void judge_end(int status)
{
    bool inside = atomic_load(&page->call_since_ns) != 0;
    const char *where = page->call[0] ? page->call : "loading";
    if (atomic_load(&page->ended))
        return;
    if (WIFEXITED(status))
        finding(C_ENDING, "the process ended with status %d %s %s", WEXITSTATUS(status),
                inside ? "inside" : "after", where);
    else if (WIFSIGNALED(status))
        finding(page->crash, "the process died of signal %d (%s) %s %s", WTERMSIG(status),
                strsignal(WTERMSIG(status)), inside ? "inside" : "after", where);
}

/* Milliseconds until the call that the child is in must be over; a while when it is in none. */
static int patience_ms(void)
{
    int64_t since = atomic_load(&page->call_since_ns);
    if (since == 0)
        return 100;
    int64_t left = since + atomic_load(&page->call_limit_ns) - check_now_ns();
    return left <= 0 ? 0 : left > 100000000 ? 100 : (int)(left / 1000000) + 1;
}

void trial_run(const struct trial *trial, const char *folder)
{
    int status = 0;
    int64_t begun_ns = check_now_ns();
    atomic_store(&page->finding_count, 0);
    atomic_store(&page->ended, false);
    atomic_store(&page->call_since_ns, 0);
    page->skipped[0] = page->call[0] = '\0';
    page->crash = trial->crash ? trial->crash : C_ENDING;
    current = trial;
    judge = getpid();
    (void)fflush(stdout); /* else the child would write it again */
    pid_t pid = fork();
    if (pid == 0)
        child(folder);
    if (pid < 0) {
        (void)snprintf(page->skipped, sizeof page->skipped, "cannot fork: %s", strerror(errno));
        return;
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd watch = {.fd = fd, .events = POLLIN};
    while (poll(&watch, 1, patience_ms()) == 0 || (watch.revents & POLLIN) == 0) {
        bool late = check_now_ns() - begun_ns > 12 * settings.timeout_ms * 1000000;
        if (patience_ms() > 0 && !late)
            continue;
        if (late)
            finding(C_WAITING, "the trial was not over after %lld s, in or after %s",
                    (long long)(12 * settings.timeout_ms / 1000), page->call);
        else
            finding(strstr(page->call, "wake_fd")         ? C_RETURN
                    : strncmp(page->call, "stop", 4) == 0 ? C_STOP
                                                          : C_WAITING,
                    "%s did not come back within %lld ms", page->call,
                    (long long)(atomic_load(&page->call_limit_ns) / 1000000));
        atomic_store(&page->ended, true);
        (void)kill(pid, SIGKILL);
        break;
    }
    (void)waitpid(pid, &status, 0);
    (void)close(fd);
    judge_end(status);
}
