/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.h -- a file sink in a temporary folder, with a disk that fails where a test says.
 *
 * The stream is always the same: record i has position 0x1000 + i / 3 and seq i % 3, so that a test
 * speaks of records by number.  What the folder holds is read back by code that shares nothing with
 * the sink's own.
 */
#ifndef FILE_FIXTURE_H
#define FILE_FIXTURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fake_sink_host.h"
#include "sink.h"

struct faults {           /* of the disk; zeroed: none */
    int write_errno;      /* every pwritev fails with it once write_budget is used up */
    int64_t write_budget; /* bytes that still go in */
    size_t write_most;    /* bytes one pwritev takes at the most; 0: all */
    int interrupts;       /* so many calls of pwritev and fdatasync answer EINTR first */
    int sync_errno;       /* fdatasync fails with it ... */
    int sync_skip;        /* ... after this many that succeed ... */
    int sync_times;       /* ... this many times; 0: for ever */
    int fsync_errno, truncate_errno, open_errno;
    int dead; /* nothing reaches the disk any more, and nothing fails */
};
extern struct faults faults;
struct calls {
    int pwritev, fdatasync, fsync, ftruncate, pieces;
};
extern struct calls calls;

struct fixture {
    char base[64];      /* temporary; removed at the end */
    char directory[96]; /* base/out */
    struct file_config config;
    struct fake_host *fake;
    const leat_sink_ops *ops;
    leat_sink *sink;
    leat_sink_start start;
    leat_error error;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Starts with what the fixture's `start` says is known; asserts that it succeeds. */
void sink_up(struct fixture *fixture);
leat_status sink_try(struct fixture *fixture);                 /* does not assert */
void sink_down(struct fixture *fixture, uint32_t deadline_ms); /* stop and destroy */
/* As after kill -9: files as they are, no last word. */
void sink_kill(struct fixture *fixture);

leat_identity identity_of(int i);
/* A JSON value for record i, about `size` bytes long; the buffer is static. */
const char *value_of(int i, size_t size);
struct fake_batch *batch_of(struct fixture *fixture, int from, int to, size_t size,
                            const char *route);
/* Submits records [from, to) as one batch and polls: true when they are durable then. */
bool offer(struct fixture *fixture, int from, int to, size_t size, const char *route);
/* What a host does after a start: offers [0, to) but for what the sink said it holds, in batches
 * of `step`. */
void offer_rest(struct fixture *fixture, int to, int step, size_t size);

/* Reads every segment of a folder in order of its name and returns how many records it holds;
 * asserts that they are records 0, 1, 2 ... each once.  Reading stops at a torn tail. */
int count_in(const char *directory);
int count_in_route(struct fixture *fixture, const char *route, int **numbers);
/* The names of the segments, sorted; NULL-terminated, owned: free_names. */
char **segment_names(const char *directory);
void free_names(char **names);
size_t name_count(char **names);
void read_file(const char *directory, const char *name, char **bytes, size_t *size);
void write_file(const char *directory, const char *name, const char *bytes, size_t size);

#endif
