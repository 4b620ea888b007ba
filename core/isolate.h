/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate.h -- a sink in a process of its own (isolate: true).
 *
 * To the worker it is an ordinary sink: operations that hand each batch to a helper process, which
 * is this same binary (`leat __sink`) with that one plugin.  Each start begins a helper, each stop
 * ends it, so a helper that died is a sink that went down: it is tried again after the worker's
 * back-off, and asked what it holds.  What a helper says is never believed: see isolate_results.c.
 */
#ifndef LEAT_ISOLATE_H
#define LEAT_ISOLATE_H

#include <leat/plugin.h>

struct worker;

/* [any] The operations for a plugin whose own are `theirs`.  Their host must be a worker (worker.h)
 * with a shared pool. */
void isolate_ops(const leat_sink_ops *theirs, leat_sink_ops *out);

/* [main] Between create and the worker's first step: what the plugin's own create says, in a process
 * for that alone.  Waits for it, at most so long and at most isolate_timeout.  A process that ends or
 * hangs in it: EFATAL, with 70. */
leat_status isolate_try(struct worker *worker, int32_t longest_ms, leat_error *error);

/* [main] The helper: leat __sink.  Returns the exit status. */
int isolate_helper(int argc, char **argv);

#endif
