/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.h -- tells systemd how the daemon is (sd_notify(3), the protocol by hand).  [main]
 *
 * Without NOTIFY_SOCKET every function does nothing.
 */
#ifndef LEAT_NOTIFY_H
#define LEAT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Lines of NAME=VALUE. */
void notify_send(const char *text);

/* False: nobody listens, so nothing has to be made up. */
bool notify_is_wanted(void);

/* A reload begins: RELOADING, with the time that systemd wants to see; READY ends it. */
void notify_reloading(void);

/* One line for `systemctl status`; the same one again is not sent. */
void notify_status(const char *line);

/* Once a second at least: while it stops or reloads, asks for the time that is still needed. */
void notify_tick(bool takes_time);

/* WATCHDOG_USEC, when it is meant for this process; 0: nobody watches. */
int64_t notify_watchdog_us(void);

#endif
