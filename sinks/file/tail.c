/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.c -- see the header.
 */
#include "tail.h"
#include "xxh64.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

enum { CHUNK = FRAME_READ, WINDOW_LOG_MAX = 24 };

struct tail_scanner {
    struct frame_reader reader;
    ZSTD_DCtx *zstd;
    unsigned char *content; /* CHUNK bytes of decompressed content */
    struct record_scan scan;
};

struct tail_scanner *tail_scanner_create(void)
{
    struct tail_scanner *scanner = calloc(1, sizeof *scanner);
    if (!scanner)
        return NULL;
    scanner->content = malloc(CHUNK);
    scanner->zstd = ZSTD_createDCtx();
    if (frame_reader_init(&scanner->reader) != 0 || !scanner->content || !scanner->zstd) {
        tail_scanner_destroy(scanner);
        return NULL;
    }
    (void)ZSTD_DCtx_setParameter(scanner->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return scanner;
}

void tail_scanner_destroy(struct tail_scanner *scanner)
{
    if (!scanner)
        return;
    frame_reader_fini(&scanner->reader);
    ZSTD_freeDCtx(scanner->zstd);
    free(scanner->content);
    free(scanner);
}

/* What one scan needs, so that its parts need not be handed about. */
struct job {
    struct tail_scanner *scanner;
    const struct segment_name *name;
    const struct record_limits *limits;
    uint64_t unsynced;
    struct tail *tail;
};

/* Nothing newer than what is known durable can have been unsynced; nor, in a segment that another
 * one follows, anything but what is to be cut. */
static bool settled(const struct job *job)
{
    const struct tail *tail = job->tail;
    if (job->limits->bounded && tail->any && tail->keep == tail->size)
        return true;
    return tail->any && !tail->damaged && job->limits->known &&
           leat_identity_compare(tail->last, job->limits->durable) <= 0;
}

static int unreadable(const struct job *job)
{
    errno = job->scanner->reader.os_errno;
    return -1;
}

/* ---- not compressed -------------------------------------------------------------------------- */

/* Scans from `from`, where a record begins. */
static int scan_plain(struct job *job, uint64_t from)
{
    struct frame_reader *reader = &job->scanner->reader;
    struct record_scan *scan = &job->scanner->scan;
    struct tail *tail = job->tail;
    record_init(scan, job->name->format, job->limits);
    for (uint64_t at = from; at < tail->size;) {
        size_t len = tail->size - at < CHUNK ? (size_t)(tail->size - at) : CHUNK;
        const unsigned char *p = frame_read(reader, at, len);
        if (!p && reader->os_errno)
            return unreadable(job);
        if (!p)
            break; /* it shrank meanwhile: what is missing does not count */
        record_feed(scan, p, len);
        at += len;
    }
    tail->any = scan->any;
    tail->last = scan->last;
    tail->keep = from + scan->end;
    tail->damaged = scan->damaged;
    tail->overlap = scan->beyond;
    return 0;
}

/* Behind the last newline in [0, before); 0 when there is none. */
static int line_start(struct job *job, uint64_t before, uint64_t *start)
{
    while (before > 0) {
        size_t len = before < CHUNK ? (size_t)before : CHUNK;
        const unsigned char *p = frame_read(&job->scanner->reader, before - len, len);
        if (!p && job->scanner->reader.os_errno)
            return unreadable(job);
        const unsigned char *newline = p ? memrchr(p, '\n', len) : NULL;
        if (newline) {
            *start = before - len + (uint64_t)(newline - p) + 1;
            return 0;
        }
        before -= len;
    }
    *start = 0;
    return 0;
}

static int scan_lines(struct job *job)
{
    uint64_t size = job->tail->size, end, from;
    /* The last whole line alone. */
    if (line_start(job, size, &end) != 0 || line_start(job, end ? end - 1 : 0, &from) != 0 ||
        scan_plain(job, from) != 0)
        return -1;
    if (from == 0 || settled(job))
        return 0;
    uint64_t window = size > job->unsynced ? size - job->unsynced : 0;
    uint64_t begin = window < from ? window : from;
    for (;;) {
        if (line_start(job, begin, &from) != 0 || scan_plain(job, from) != 0)
            return -1;
        if (from == 0 || job->tail->any)
            return 0;
        begin = begin / 2; /* not one whole record: look further back */
    }
}

/* ---- zstd ------------------------------------------------------------------------------------ */

struct frame_scan {
    struct xxh64 hash;
    bool open; /* keep lies inside a frame */
    bool checksum;
};

/* A piece of a frame: into the decompressor, and what comes out into the record scanner. */
static bool feed_piece(struct job *job, const unsigned char *piece, size_t size,
                       struct frame_scan *frame)
{
    struct tail_scanner *scanner = job->scanner;
    ZSTD_inBuffer in = {piece, size, 0};
    size_t produced;
    do {
        ZSTD_outBuffer out = {scanner->content, CHUNK, 0};
        size_t before = in.pos;
        size_t hint = ZSTD_decompressStream(scanner->zstd, &out, &in);
        if (ZSTD_isError(hint))
            return false;
        produced = out.pos;
        xxh64_add(&frame->hash, scanner->content, produced);
        record_feed(&scanner->scan, scanner->content, produced);
        if (hint == 0 && in.pos < in.size)
            return false; /* the frame ended before its pieces did */
        if (produced == 0 && in.pos == before && in.pos < in.size)
            return false;
    } while (in.pos < in.size || produced == CHUNK);
    return true;
}

/* All before `at` is whole records. */
static void keep_to(struct job *job, uint64_t at, bool inside, struct frame_scan *frame,
                    struct xxh64 *hash)
{
    struct record_scan *scan = &job->scanner->scan;
    job->tail->keep = at;
    job->tail->any = scan->any;
    job->tail->last = scan->last;
    frame->open = inside;
    *hash = frame->hash;
}

/* An empty last block, and the checksum where the frame has one. */
static void close_frame(struct tail *tail, const struct frame_scan *frame, const struct xxh64 *hash)
{
    static const uint8_t last_block[] = {1, 0, 0};
    tail->close_len = 0;
    if (!frame->open)
        return;
    memcpy(tail->close, last_block, sizeof last_block);
    tail->close_len = sizeof last_block;
    if (!frame->checksum)
        return;
    uint64_t sum = xxh64_value(hash);
    for (int i = 0; i < 4; i++)
        tail->close[tail->close_len++] = (uint8_t)(sum >> (8 * i));
}

/* Scans from `from`, where a frame begins. */
static int scan_frames(struct job *job, uint64_t from)
{
    struct tail_scanner *scanner = job->scanner;
    struct frame_walk walk;
    struct frame_scan frame = {.open = false};
    struct xxh64 kept_hash = {.total = 0};
    *job->tail = (struct tail){.size = job->tail->size, .keep = from};
    record_init(&scanner->scan, job->name->format, job->limits);
    frame_walk_init(&walk, &scanner->reader, from);
    for (;;) {
        enum frame_step step = frame_walk_step(&walk);
        if (step == FRAME_UNREADABLE)
            return unreadable(job);
        if (step == FRAME_TORN || step == FRAME_BAD || step == FRAME_END)
            break;
        if (step == FRAME_HEADER) {
            (void)ZSTD_DCtx_reset(scanner->zstd, ZSTD_reset_session_only);
            xxh64_init(&frame.hash);
        }
        const unsigned char *p = frame_read(&scanner->reader, walk.piece_at, walk.piece_size);
        if (!p && scanner->reader.os_errno)
            return unreadable(job);
        if (!p || !feed_piece(job, p, walk.piece_size, &frame))
            break;
        if (step != FRAME_HEADER && record_at_end(&scanner->scan)) {
            keep_to(job, walk.at, step == FRAME_BLOCK, &frame, &kept_hash);
            frame.checksum = walk.checksum;
        }
    }
    job->tail->damaged = scanner->scan.damaged;
    job->tail->overlap = scanner->scan.beyond;
    close_frame(job->tail, &frame, &kept_hash);
    return 0;
}

/* The last frame's start, and the start of the frame in which the byte `mark` lies. */
static int find_frames(struct job *job, uint64_t mark, uint64_t *last, uint64_t *marked)
{
    struct frame_walk walk;
    frame_walk_init(&walk, &job->scanner->reader, 0);
    *last = *marked = 0;
    for (;;) {
        enum frame_step step = frame_walk_step(&walk);
        if (step == FRAME_UNREADABLE)
            return unreadable(job);
        if (step == FRAME_TORN || step == FRAME_BAD || step == FRAME_END)
            return 0;
        if (step != FRAME_HEADER)
            continue;
        *last = walk.piece_at;
        if (*last <= mark)
            *marked = *last;
    }
}

static int scan_zstd(struct job *job)
{
    uint64_t last, from, mark = 0;
    if (job->tail->size > job->unsynced)
        mark = job->tail->size - job->unsynced;
    if (find_frames(job, mark, &last, &from) != 0 || scan_frames(job, last) != 0)
        return -1;
    if (last == 0 || settled(job))
        return 0;
    for (;;) {
        if (scan_frames(job, from) != 0)
            return -1;
        if (from == 0 || job->tail->any)
            return 0;
        if (find_frames(job, from / 2, &last, &from) != 0)
            return -1;
    }
}

/* ---- both ------------------------------------------------------------------------------------ */

int tail_scan(struct tail_scanner *scanner, const struct io *io, int fd,
              const struct segment_name *name, const struct record_limits *limits,
              uint64_t unsynced, struct tail *tail)
{
    struct job job = {scanner, name, limits, unsynced, tail};
    struct stat st;
    *tail = (struct tail){.size = 0};
    if (io->fstat(fd, &st) != 0)
        return -1;
    tail->size = (uint64_t)st.st_size;
    frame_reader_begin(&scanner->reader, io, fd, tail->size);
    if (name->zstd)
        return scan_zstd(&job);
    return name->format == SEGMENT_MSGPACK ? scan_plain(&job, 0) : scan_lines(&job);
}

int tail_mend(const struct io *io, int fd, const struct tail *tail, uint64_t *size)
{
    *size = tail->size;
    if (tail->keep < tail->size) {
        if (io->ftruncate(fd, (off_t)tail->keep) != 0)
            return -1;
        *size = tail->keep;
    }
    if (tail->close_len) {
        uint8_t bytes[sizeof tail->close];
        memcpy(bytes, tail->close, sizeof bytes);
        struct iovec piece = {bytes, tail->close_len};
        if (io_write(io, fd, &piece, 1, tail->keep) != 0)
            return -1;
        *size = tail->keep + tail->close_len;
    }
    return 0;
}
