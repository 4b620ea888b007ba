/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.c -- see notify.h.  One datagram a message, to a path or (with @) an abstract name.
 */
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void notify_send(const char *text)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = name ? strlen(name) : 0;
    int fd;

    if (length < 2 || length >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@'))
        return;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

bool notify_is_wanted(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_reloading(void)
{
    char text[96];
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reloading",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(text);
}

void notify_status(const char *line)
{
    static char told[300]; /* the control thread's alone */
    char text[300];

    (void)snprintf(text, sizeof text, "STATUS=%s", line);
    if (strcmp(text, told) == 0)
        return;
    memcpy(told, text, sizeof told);
    notify_send(text);
}

/* shutdown_timeout is the bound, and the daemon keeps it; systemd's own must not come first. */
void notify_tick(bool takes_time)
{
    if (takes_time)
        notify_send("EXTEND_TIMEOUT_USEC=10000000");
}

int64_t notify_watchdog_us(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    char *end;
    long long us;

    if (!interval || !getenv("NOTIFY_SOCKET") || (pid && *pid && atol(pid) != (long)getpid()))
        return 0;
    us = strtoll(interval, &end, 10);
    return *end || us < 1000 ? 0 : us;
}
