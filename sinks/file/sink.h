/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h -- the file sink's own structs, shared by its files and by nobody else.
 *
 * A lane is a folder with segments of its own: the base folder for records without a route, a
 * folder below for each route.  Bytes are written as batches come, and all files that were touched
 * are synced together (group commit); a batch is given back only then.
 *
 * WHY NOTHING STANDS TWICE.  A lane knows the identity of the last record it has written and of the
 * last that is durable.  A record that is not newer than the former is not written again, however
 * often it is offered; after a failure the file is cut back and the former falls back to the
 * latter.
 */
#ifndef FILE_SINK_H
#define FILE_SINK_H

#include "compress.h"
#include "directory.h"
#include "error.h"
#include "tail.h"

struct file_config { /* filled by the host from the option table */
    const char *directory;
    int64_t rotate_size, rotate_age_ms;
    int64_t retain_count, retain_age_ms;
    int64_t compression, compression_level;
    int64_t open_files, max_routes;
    int64_t max_unsynced;
    const char *file_mode;
};
enum { COMPRESSION_NONE = 0, COMPRESSION_ZSTD };

struct mark { /* an identity, or none */
    leat_identity identity;
    bool set;
};

/* [worker] May a record of this identity be skipped, for the mark says that it is there? */
static inline bool mark_covers(const struct mark *mark, leat_identity identity)
{
    return mark->set && leat_identity_compare(identity, mark->identity) <= 0;
}

/* Invariants: durable <= size.  fd >= 0 implies usable.  What lies behind `durable` in the file is
 * not newer than lane.last. */
struct segment {
    int fd; /* -1: not open */
    struct segment_name name;
    uint64_t size, durable;
    int64_t begun_ns; /* the host's clock, when its first record came */
    bool usable;      /* to be appended to */
    bool fresh;       /* its name is not synced yet */
    bool torn;        /* zstd: its last frame has to be closed before anything is appended */
};

struct lane {
    struct lane *chain;                     /* of its hash */
    struct lane *dirty_next, *touched_next; /* lists of the sink; see there */
    struct segment segment;                 /* the newest */
    struct mark last, durable;
    uint64_t used;                      /* stamp of its last use */
    uint32_t first_record, last_record; /* of the batch in hand */
    bool dirty;                         /* in the sink's list */
    bool touched;
    bool retain;      /* a segment was finished: look at retention */
    bool uncut;       /* segment.name: what is behind segment.durable could
                       * not be cut and must not be trusted */
    struct tail tail; /* start only: of the newest segment */
    uint32_t route_len;
    char route[];
};

enum { LANE_BUCKETS = 1024, PENDING_MAX = 1024, PIECES_MAX = 64 };

struct pending { /* a lent batch */
    const leat_batch *batch;
    uint32_t limit;     /* records before this one were taken */
    const char *reject; /* static: why record `limit` never will be; NULL: limit is the count */
};

#define BULK_BYTES (128u * 1024u)
#define BULK_DELAY_NS INT64_C(8000000)

struct leat_sink {
    const leat_host *host;
    const struct file_config *config;
    const struct io *io;
    const leat_stages *stages; /* NULL but in a debug build */
    mode_t file_mode;
    bool lines;     /* a newline behind each value */
    uint8_t format; /* SEGMENT_... */
    bool started;
    struct directory directory;
    struct compressor *compressor; /* NULL: no compression */
    struct tail_scanner *scanner;  /* made by start */
    struct lane *compressing;      /* whose frame is open */

    struct lane *buckets[LANE_BUCKETS];
    struct lane **open; /* lanes with an open segment; room for config.open_files */
    uint32_t open_count, lane_count;
    struct lane *dirty;   /* lanes to sync before the pending batches are durable */
    struct lane *touched; /* lanes of the batch in hand */
    uint64_t stamp;

    struct pending pending[PENDING_MAX];
    uint32_t pending_count;
    uint64_t unsynced;         /* bytes */
    int64_t unsynced_since_ns; /* when the first pending batch came */
    bool bulk;                 /* the last commit was a large one: more is coming fast */
    uint32_t *next;            /* of each record in the batch in hand, the next of its lane */
    uint32_t next_room;

    leat_error problem; /* status 0: nothing failed since the last commit */
    bool failing;       /* it was said in the log */
    bool lost;          /* the directory is gone: the host is to stop and start again */
    struct mark resume; /* after ERETRY: nothing newer than this may be offered first */
    int64_t next_retain_ns;
};

/* ---- lane.c: finding and making lanes, opening and closing their files [worker] -------------- */

struct lane *lane_find(struct leat_sink *sink, leat_bytes route);
/* NULL: no memory, or more than config.max_routes (*reject says so then). */
struct lane *lane_make(struct leat_sink *sink, leat_bytes route, const char **reject);
void lanes_clear(struct leat_sink *sink); /* closes and frees all; forgives */
static inline leat_bytes lane_route(const struct lane *lane)
{
    return (leat_bytes){lane->route, lane->route_len};
}
/* A segment that can be appended to, for a record of this identity.  0, or -1 with sink->problem.
 */
int lane_prepare(struct leat_sink *sink, struct lane *lane, leat_identity first);
/* The newest segment is done with: synced, closed, never written again.  0, or -1. */
int lane_finish(struct leat_sink *sink, struct lane *lane);
void lane_close(struct leat_sink *sink, struct lane *lane); /* the file; no sync */
void lane_mark_dirty(struct leat_sink *sink, struct lane *lane);

/* ---- write.c: records into segments, and what to do when that fails [worker] ----------------- */

/* Writes the records of the batch in hand that are this lane's.  0, or -1 with sink->problem. */
int lane_append(struct leat_sink *sink, struct lane *lane, const leat_batch *batch);
/* Makes durable what was written.  0, or -1 with sink->problem; then it is no longer there. */
int lane_sync(struct leat_sink *sink, struct lane *lane, bool end_frame);
/* Notes what failed (errno) unless something is noted already, and says it in the log once. */
/* A named stage at which a test may have the daemon die. */
static inline void sink_stage(const struct leat_sink *sink, const char *stage)
{
    if (sink->stages)
        sink->stages->pass(stage);
}

void sink_problem(struct leat_sink *sink, const char *what, const struct lane *lane);
/* The same with a text. */
void sink_problem_text(struct leat_sink *sink, const char *what, const struct lane *lane,
                       const char *why);

/* ---- commit.c: group commit, giving batches back [worker] ------------------------------------ */

void sink_commit(struct leat_sink *sink);

/* When what is pending should be committed (host's clock; 0: now). */
int64_t sink_commit_due(const struct leat_sink *sink);
leat_status sink_submit(struct leat_sink *sink, const leat_batch *batch);

/* ---- recover.c: start [worker] --------------------------------------------------------------- */

leat_status sink_recover(struct leat_sink *sink, leat_sink_start *start, leat_error *error);

/* ---- retain.c [worker] ----------------------------------------------------------------------- */

void retain_lane(struct leat_sink *sink, const struct lane *lane);
void retain_all(struct leat_sink *sink); /* when it is time */

/* ---- check.c [main] -------------------------------------------------------------------------- */

void file_check(const void *config, leat_check *check);

/* "0640" and the like.  False: it is not a mode, or gives others the right to write. */
bool file_mode_parse(const char *text, mode_t *mode);

#endif
