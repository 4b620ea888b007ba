/* SPDX-License-Identifier: Apache-2.0
 *
 * admin.h -- the admin endpoint: HTTP over a unix socket, and over TCP where that is configured.
 *
 * Each address is a libmicrohttpd daemon with one thread of its own, which answers from a picture
 * of the registry (status.h).  It allocates and may be slow; it never waits for a source or worker
 * thread, and they never wait for it.  Requests are bounded in number, size and time.  Over TCP it
 * only answers questions; commands are taken from the unix socket.
 */
#ifndef LEAT_ADMIN_H
#define LEAT_ADMIN_H

#include "registry.h"

struct admin;

/* [main] Listens on config->http_listen.  An address that was not written by the user may fail,
 * with a warning.  NULL with *error (exit code 73): one that was written cannot be used. */
struct admin *admin_start(struct registry *registry, leat_error *error);

/* [main] Once a second: ends connections that take too long over one request. */
void admin_tick(struct admin *admin);

void admin_stop(struct admin *admin); /* [main] NULL is allowed */

#endif
