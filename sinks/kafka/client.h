/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h -- librdkafka handles as this sink needs them: a producer that never reorders, loses or
 * repeats, and a reader that looks at what is on a topic.  Properties that would break a promise
 * are refused here.
 */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include "options.h"

#include <librdkafka/rdkafka.h>

enum client_kind { CLIENT_PRODUCER = 0, CLIENT_READER, CLIENT_CHECKER };

struct client_owner { /* what a handle's opaque points at; the first member of whoever owns it */
    const leat_host *host;
};

/* [main] [worker] The configuration of a handle, secrets read anew.  NULL with *error filled. Owned
 * by the caller until client_create takes it.  owner: borrowed until the handle is destroyed; NULL:
 * nothing is logged. */
rd_kafka_conf_t *client_conf(const struct kafka_options *options, struct client_owner *owner,
                             enum client_kind kind, leat_error *error);

/* [main] [worker] The handle.  Takes the configuration in any case.  NULL with *error filled. */
rd_kafka_t *client_create(rd_kafka_conf_t *conf, enum client_kind kind, leat_error *error);

/* [main] Why a property may not be set; NULL: it may. */
const char *client_property_refused(const char *name);

/* [any] Fills *error and returns its status. */
leat_status client_fail(leat_error *error, leat_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* [any] */
static inline void client_error_init(leat_error *error)
{
    memset(error, 0, sizeof *error);
    error->size = sizeof *error;
}

/* [any] What is to be added when the brokers refuse our password; static, maybe empty.  Librdkafka
 * before 2.6.1 writes the client's nonce twice, which Kafka 4 takes for a wrong password. */
const char *client_login_advice(const struct kafka_options *options);

#endif
