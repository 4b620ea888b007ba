/* SPDX-License-Identifier: Apache-2.0
 *
 * login.h -- the CONNECT line: who we are, with secrets that are read from their files each time.
 * Reads files; talks to nobody.  [any]
 */
#ifndef NATS_LOGIN_H
#define NATS_LOGIN_H

#include "options.h"

enum { LOGIN_MAX = 32 * 1024 };

struct login { /* borrowed */
    const struct nats_options *options;
    const leat_host *host;       /* asked for secrets as they are now; NULL: as they were read */
    const char *user, *password; /* out of the URL; NULL: none.  user alone is a token */
    const char *nonce;           /* of the server's INFO; may be empty */
    const char *name;            /* that the server's monitoring shows */
    bool tls;
};

/* Writes "CONNECT {...}\r\n" to dst (LOGIN_MAX bytes); *len is its length.  The caller wipes dst
 * when it is sent. */
leat_status login_write(const struct login *login, char *dst, size_t *len, leat_error *error);

#endif
