/* SPDX-License-Identifier: Apache-2.0
 *
 * control_signals.c -- the signals that the daemon takes, and what each one asks for.  [main]
 *
 * They come through a signalfd in the control thread's loop.  Each only asks control.c for something.
 * Once the daemon stops, SIGTERM and SIGINT have a handler, the only one there is: the process ends at
 * once, whatever the control thread waits for by then.
 */
#include "control_internal.h"

#include "log.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signal_set(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1);
    (void)sigaddset(set, SIGUSR2);
}

/* Before any other thread exists, so that all inherit the mask and only the signalfd sees them. */
bool control__open_signals(struct control *control)
{
    sigset_t set;

    signal_set(&set);
    (void)signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    control->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return control->signals >= 0;
}

/* Ends the process as if the signal had not been caught: nothing more is confirmed.  It may interrupt
 * anything, so nothing is called here that may not be. */
static void die_of(int number)
{
    static const char words[] = "leat: second signal, exiting at once\n";
    sigset_t set;

    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + number);
}

void control__await_second_signal(void)
{
    struct sigaction action = {.sa_handler = die_of};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void take_signal(struct control *control, int number)
{
    leat_field fields[] = {LEAT_F_STR("signal", strsignal(number))};

    if (number == SIGTERM || number == SIGINT) {
        log_event(NULL, NULL, LEAT_LOG_INFO, "stopping, what is in flight is finished", fields, 1);
        control__stop(control);
        return;
    }
    if (number == SIGHUP) {
        control->reload_asked = true; /* many at once are one */
        return;
    }
    log_event(NULL, NULL, LEAT_LOG_INFO, "signal without effect", fields, 1);
}

void control__ignore_signals(void)
{
    sigset_t set;

    signal_set(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void control__take_signals(struct control *control)
{
    struct signalfd_siginfo info;

    while (read(control->signals, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(control, (int)info.ssi_signo);
}
