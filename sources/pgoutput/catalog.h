/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.h -- what the stream does not say of types and relations, looked up beside it.  [worker]
 *
 * A second, ordinary connection with the same dsn: opened at the first question, kept, opened anew
 * after a failure.  A look-up waits at most its limit, so that feedback is never late for long.
 */
#ifndef LEAT_PGOUTPUT_CATALOG_H
#define LEAT_PGOUTPUT_CATALOG_H

#include "decoder.h"
#include "pgoutput_options.h"

struct catalog;

/* [main] Opens nothing.  NULL: no memory. */
struct catalog *catalog_create(const leat_host *host, const struct pgoutput_options *options);
void catalog_destroy(struct catalog *catalog); /* NULL is allowed */

/* The functions that the decoder calls; static for the life of the catalogue. */
const struct decoder_catalog *catalog_functions(struct catalog *catalog);

/* A look-up's limit: half of the server's time-out, at most 5 s. */
void catalog_limit(struct catalog *catalog, int64_t wal_sender_timeout_ms);

void catalog_close(struct catalog *catalog);

#endif
