/* SPDX-License-Identifier: Apache-2.0
 *
 * url.h -- a server's address as people write it: [nats|tls://][user[:password]@]host[:port]. [any]
 */
#ifndef NATS_URL_H
#define NATS_URL_H

#include <stdbool.h>

struct url {
    char host[256], port[6];
    char user[256], password[256]; /* percent-decoded */
    bool tls, has_user, has_password;
};

/* NULL, or what is wrong with it (static). */
const char *url_parse(const char *text, struct url *url);

#endif
