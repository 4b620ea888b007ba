/* SPDX-License-Identifier: Apache-2.0
 *
 * control_signals.c -- the signals that the daemon takes, and what each one asks for.  [main]
 *
 * They come through a signalfd in the control thread's loop, so no handler ever runs.  Each only asks
 * control.c for something, but for the second SIGTERM or SIGINT, which ends the process at once.
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

/* The second one ends the process as if it had not been caught: nothing more is confirmed. */
static void die_of(int number)
{
    sigset_t set;

    (void)signal(number, SIG_DFL);
    signal_set(&set);
    (void)raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + number);
}

static void take_signal(struct control *control, int number)
{
    leat_field fields[] = {LEAT_F_STR("signal", strsignal(number))};

    if (number == SIGTERM || number == SIGINT) {
        if (control->stop_asked) {
            log_event(NULL, NULL, LEAT_LOG_WARN, "second signal, exiting at once", fields, 1);
            die_of(number);
        }
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

void control__take_signals(struct control *control)
{
    struct signalfd_siginfo info;

    while (read(control->signals, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(control, (int)info.ssi_signo);
}
