/* SPDX-License-Identifier: Apache-2.0
 *
 * advice.h -- what to do where `leat check` cannot connect, log in or read the stream.  [main]
 */
#ifndef NATS_ADVICE_H
#define NATS_ADVICE_H

#include "client.h"

/* Of the error that client_open or stream_read gave: the exit code, and in `fix` the command or the
 * line of a configuration that mends it.  Knows our own texts and the server's. */
int32_t advice_on(const struct client *client, const char *error, char *fix, size_t size);

/* The same of a stream that stream_accept refuses. */
struct stream_info;
void advice_on_stream(const struct stream_info *info, const struct nats_options *options, char *fix,
                      size_t size);

#endif
