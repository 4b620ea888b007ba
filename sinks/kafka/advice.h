/* SPDX-License-Identifier: Apache-2.0
 *
 * advice.h -- what to do where `leat check` cannot make a client, reach a broker or log in.  [main]
 */
#ifndef KAFKA_ADVICE_H
#define KAFKA_ADVICE_H

#include "options.h"

/* Each gives the exit code, and in `fix` the command or the line of a configuration that mends
 * it. */

/* No client can be made: our own text, or librdkafka's. */
int32_t advice_on_options(const char *error, char *fix, size_t size);

/* The brokers refuse the login. */
int32_t advice_on_login(const struct kafka_options *options, char *fix, size_t size);

/* No broker answers: librdkafka's text of the last trouble. */
int32_t advice_on_reach(const struct kafka_options *options, const char *trouble, char *fix,
                        size_t size);

/* The first broker of the option, for a command line. */
const char *advice_broker(const struct kafka_options *options);

#endif
