/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.h -- the admin endpoint's listening sockets.  [main]
 *
 * "unix:/PATH": mode 0660, its folder is made where it is missing; a socket that a dead daemon left
 * is replaced, one that somebody answers on is not.  "HOST:PORT": a name or number, [::1]:PORT.
 */
#ifndef LEAT_LISTEN_H
#define LEAT_LISTEN_H

#include <leat/plugin.h>

#include <sys/stat.h>

struct listener {
    int fd;         /* -1: closed.  Owned by who opened it */
    bool local;     /* a unix socket */
    bool loopback;  /* TCP that only this machine reaches */
    char path[108]; /* of a unix socket; empty otherwise */
    struct stat made;
};

/* False with a text: what failed, on what, why. */
bool listener_open(struct listener *listener, const char *address, leat_error *error);

/* Closes it, and removes the socket's file, unless it has become somebody else's by now. */
void listener_close(struct listener *listener);

/* For clients too: a connected socket, or -1 with errno.  timeout_ms: for each read and write. */
int listen_connect(const char *address, int timeout_ms);

#endif
