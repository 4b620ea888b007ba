/* SPDX-License-Identifier: Apache-2.0
 *
 * socket.h -- one TCP connection, plain or TLS, used by one thread and never blocking but in
 * socket_open and socket_start_tls, which keep to their deadline.  Never raises SIGPIPE.
 */
#ifndef NATS_SOCKET_H
#define NATS_SOCKET_H

#include "options.h"

#include <openssl/types.h>

struct socket {
    int fd; /* -1: closed */
    SSL *ssl;
    SSL_CTX *context;
    bool read_wants_write; /* TLS: a read can only go on when the socket takes bytes */
};

/* Milliseconds of CLOCK_MONOTONIC: deadlines are real time, whatever the host's clock says. */
int64_t socket_clock_ms(void);

/* Connects to the first address of the host that answers. */
leat_status socket_open(struct socket *s, const char *host, const char *port, int64_t deadline_ms,
                        leat_error *error);
/* Certificates are always verified, against options' authorities or the system's, for `host`. */
leat_status socket_start_tls(struct socket *s, const struct nats_options *options, const char *host,
                             int64_t deadline_ms, leat_error *error);
/* Forgives a closed one.  What was not sent yet is thrown away (RST): nothing of it may arrive
 * behind what another connection sends. */
void socket_close(struct socket *s);

/* Bytes moved; 0: not now; -1: the connection is gone. */
int64_t socket_read(struct socket *s, void *dst, size_t size);
int64_t socket_write(struct socket *s, const void *src, size_t len);

/* Waits for the socket (and wake_fd, when not -1) at most timeout_ms (-1: for ever).  Never fails:
 * an interrupted wait is a short one.  True when wake_fd is readable. */
bool socket_wait(const struct socket *s, bool for_write, int wake_fd, int64_t timeout_ms);

#endif
