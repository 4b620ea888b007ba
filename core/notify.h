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

/* Once a second at least: while it stops, asks for the time that is still needed. */
void notify_tick(bool stopping);

/* WATCHDOG_USEC, when it is meant for this process; 0: nobody watches. */
int64_t notify_watchdog_us(void);

#endif
