/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_source_host.h -- the host's side of a source, for tests: batches over bounded memory,
 * refusals on demand.  [any one thread]
 *
 * Batches are made of slabs of malloc, each its own block, so that ASan sees a byte too many.  What
 * was published stays in a list until the test gives it back.  The clock stands unless a test moves
 * it.
 */
#ifndef LEAT_TESTS_FAKE_SOURCE_HOST_H
#define LEAT_TESTS_FAKE_SOURCE_HOST_H

#include <leat/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fake_batch;

struct fake_source_host {
    leat_host host; /* first: the source is given its address */

    /* settable */
    size_t slab_bytes;   /* of an ordinary slab; a larger row gets one of its own */
    size_t memory_bytes; /* for all batches that are out; more than this in one row is EREJECT */
    size_t target_bytes; /* a batch that holds this much says full; 0: never */
    uint32_t again_opens, again_reserves; /* so many of the next calls answer AGAIN */
    uint32_t extra_change_bytes;          /* a host whose leat_change has grown */
    int64_t clock_ns;
    int32_t busy; /* what sinks_busy says */

    /* what was seen */
    struct fake_batch *first, *last; /* published, not given back; in order */
    struct fake_batch *open;
    size_t used_bytes;
    uint64_t next_serial, published, changes;
    uint64_t safe_position;  /* of the last batch published */
    uint64_t idle_position;  /* the last that was said; */
    uint64_t idle_count;     /* how often */
    uint64_t begin_position; /* of the last leat_origin */
    uint32_t begins, confirms, wakes, logs;
};

struct fake_batch {
    leat_writer writer;
    struct fake_batch *next;
    struct fake_slab *slabs;
    size_t bytes;
};

void fake_source_host_init(struct fake_source_host *fake);
void fake_source_host_fini(struct fake_source_host *fake); /* frees every batch, the open one too */

/* Gives the oldest `count` batches back; returns the serial of the last of them, 0 for none. */
uint64_t fake_source_host_return(struct fake_source_host *fake, size_t count);

#ifdef __cplusplus
}
#endif
#endif
