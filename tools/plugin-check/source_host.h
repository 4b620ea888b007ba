/* SPDX-License-Identifier: Apache-2.0
 *
 * source_host.h -- the host's side of a source, on the model of core/source_loop.c, with eyes
 * everywhere.
 *
 * [child, main], but for what the plugin calls.  A batch's memory is a row of small pieces;
 * published it is read-only, given back it is closed.  Every change is looked at when it is
 * published, and kept as an identity and a sum, so that two readings of a stream can be compared.
 */
#ifndef CHECK_SOURCE_HOST_H
#define CHECK_SOURCE_HOST_H

#include "lend.h"
#include "subject.h"

enum { SEEN_MAX = 4096, OUT_MAX = 256, PIECES_OF_BATCH = 1024, FACTS_MAX = 16 };

struct seen {
    leat_identity identity;
    uint64_t sum;  /* of everything that the change says */
    uint64_t safe; /* the safe position of its batch, with its last change; else 0 */
};

struct out {
    struct piece *writer; /* the leat_writer, lent */
    struct piece *pieces[PIECES_OF_BATCH];
    uint32_t piece_count;
    uint64_t serial, safe;
    const leat_relation *relation; /* of its last row */
    uint64_t relation_sum;
};

struct source_host {
    leat_host host; /* first */
    unsigned char longer[64];
    leat_source *source;
    struct out outs[OUT_MAX]; /* a queue of what was published and not given back */
    uint32_t head, tail;
    struct out *open;
    bool begun, stopped, ended, full_pieces;
    uint32_t extra;
    size_t piece_bytes; /* of an ordinary piece */
    uint32_t pressure;  /* every so many-th open and reserve says AGAIN; 0: none */
    uint32_t calls;
    uint64_t serial, last_safe, returned, told_safe;
    struct seen seen[SEEN_MAX];
    uint32_t count; /* changes seen; those behind SEEN_MAX are checked and forgotten */
    leat_identity last;
    uint64_t open_transaction; /* position of the transaction that is not whole yet; 0: none */
    /* what a later start is told */
    uint64_t position;
    leat_pair facts[FACTS_MAX];
    char fact_texts[FACTS_MAX][2][128];
    uint32_t fact_count;
    leat_error error;
};

void source_host_prepare(struct source_host *host, uint32_t extra);
void source_host_open(struct source_host *host, uint32_t extra);
bool source_host_start(struct source_host *host, const struct source_host *earlier,
                       uint64_t position);
leat_status source_host_poll(struct source_host *host, int32_t wait_ms, const char *name);

/* Polls until `changes` more were published, the source has ended, or nothing has come for
 * `quiet_ms`. keep: batches that stay out.  confirm: their safe positions are told. */
void source_host_read(struct source_host *host, uint32_t changes, int64_t quiet_ms, uint32_t keep,
                      bool confirm);
void source_host_stop(struct source_host *host, uint32_t deadline_ms);
void source_host_close(struct source_host *host);
void source_host_wake(struct source_host *host);

#endif
