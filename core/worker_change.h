/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_change.h -- what comes over a sink from outside: it is paused, dropped, or its instance is
 * replaced by one with other options.
 */
#ifndef LEAT_WORKER_CHANGE_H
#define LEAT_WORKER_CHANGE_H

#include "worker.h"

/* [control] The new worker goes on exactly where the old one stopped: it gets the batches that the
 * old one had not given back, and knows which of their records are durable.  The old one's thread
 * has ended; its sink was stopped.  False: no memory, and nothing has changed. */
bool worker_inherit(struct worker *worker, struct worker *old);

/* [control] The same for a sink of a pipeline that begins anew at the confirmed position: no
 * batches, but what is durable behind that position is not delivered again. */
bool worker_remember(struct worker *worker, const struct worker *old);

#endif
