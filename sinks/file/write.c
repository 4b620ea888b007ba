/* SPDX-License-Identifier: Apache-2.0
 *
 * write.c -- see sink.h.  Records that lie side by side in memory are written as one piece,
 * straight from the batch; nothing is copied here.
 *
 * WHEN IT FAILS.  A write that fails is cut back to the last whole record, and tried again later:
 * on a full disk that is all there is to do.  A sync that fails is another matter: the kernel may
 * have dropped the pages and will call the next sync a success.  So that file is never synced
 * again: it is cut back to what an earlier sync confirmed and closed, and what comes next goes to a
 * new segment.
 */
#include "sink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- telling --------------------------------------------------------------------------------- */

void sink_problem_text(struct leat_sink *sink, const char *what, const struct lane *lane,
                       const char *why)
{
    struct stat st;
    if (sink->io->fstat(sink->directory.fd, &st) == 0 && st.st_nlink == 0)
        sink->lost = true;
    if (sink->problem.status == LEAT_OK)
        (void)error_set(&sink->problem, LEAT_ERETRY, 0, "%s in %.200s%s%.200s: %s", what,
                        sink->directory.path, lane && lane->route_len ? "/" : "",
                        lane ? lane->route : "", why);
    if (sink->failing)
        return;
    sink->failing = true;
    const leat_field fields[] = {LEAT_F_STR("directory", sink->directory.path),
                                 LEAT_F_STR("error", sink->problem.text)};
    sink->host->log(sink->host, LEAT_LOG_ERROR, "cannot write, will try again", fields, 2);
}

void sink_problem(struct leat_sink *sink, const char *what, const struct lane *lane)
{
    leat_error error = {.size = sizeof error};
    if (sink->problem.status != LEAT_OK) {
        sink_problem_text(sink, what, lane, "");
        return;
    }
    char path[2200];
    size_t len = strlen(sink->directory.path);
    len = len < 1000 ? len : 1000;
    memcpy(path, sink->directory.path, len);
    if (lane && lane->route_len) {
        path[len++] = '/';
        memcpy(path + len, lane->route, lane->route_len);
        len += lane->route_len;
    }
    path[len] = '\0';
    (void)error_errno(&error, what, path, NULL);
    sink->problem = error;
    sink_problem_text(sink, what, lane, "");
}

/* ---- taking back ----------------------------------------------------------------------------- */

static void drop_frame(struct leat_sink *sink, const struct lane *lane)
{
    if (sink->compressing != lane)
        return;
    compressor_reset(sink->compressor);
    sink->compressing = NULL;
}

static void log_abandoned(struct leat_sink *sink, const struct lane *lane, bool cut)
{
    char name[SEGMENT_NAME_MAX];
    name_format(&lane->segment.name, name);
    const leat_field fields[] = {LEAT_F_STR("directory", sink->directory.path),
                                 LEAT_F_STR("route", lane->route), LEAT_F_STR("segment", name),
                                 LEAT_F_UINT("durable_bytes", lane->segment.durable),
                                 LEAT_F_STR("cut", cut ? "yes" : "no")};
    sink->host->log(sink->host, LEAT_LOG_ERROR, "segment abandoned, a new one follows", fields, 5);
}

/* So that a reader does not stumble over an open frame in a finished segment.  Best effort: the
 * next start looks again. */
static void close_last_frame(struct leat_sink *sink, const struct segment *segment)
{
    struct tail tail;
    uint64_t size;
    struct record_limits limits = {.known = false};
    if (tail_scan(sink->scanner, sink->io, segment->fd, &segment->name, &limits, 0, &tail) == 0 &&
        tail.keep == segment->durable)
        (void)tail_mend(sink->io, segment->fd, &tail, &size);
}

static void remove_empty(struct leat_sink *sink, const struct lane *lane)
{
    char name[SEGMENT_NAME_MAX];
    name_format(&lane->segment.name, name);
    int folder = directory_lane(&sink->directory, lane_route(lane), false);
    if (folder < 0)
        return;
    (void)sink->io->unlinkat(folder, name, 0);
    (void)io_close(sink->io, folder);
}

/* This file is not to be trusted with anything but what was durable in it before. */
static void lane_abandon(struct leat_sink *sink, struct lane *lane)
{
    struct segment *segment = &lane->segment;
    drop_frame(sink, lane);
    bool cut = sink->io->ftruncate(segment->fd, (off_t)segment->durable) == 0;
    if (cut && segment->durable == 0)
        remove_empty(sink, lane);
    else if (cut && segment->name.zstd)
        close_last_frame(sink, segment);
    lane->uncut = !cut;
    segment->size = segment->durable;
    segment->usable = false;
    lane->last = lane->durable;
    log_abandoned(sink, lane, cut);
    lane_close(sink, lane);
}

/* After a write that failed. */
static void lane_cut_back(struct leat_sink *sink, struct lane *lane)
{
    struct segment *segment = &lane->segment;
    uint64_t to = segment->size;
    if (segment->name.zstd) { /* half a frame is worth nothing: back to the last sync */
        drop_frame(sink, lane);
        to = segment->durable;
        lane->last = lane->durable;
        segment->torn = to > 0;
    }
    if (sink->io->ftruncate(segment->fd, (off_t)to) != 0)
        lane_abandon(sink, lane);
    else
        segment->size = to;
}

/* ---- making durable -------------------------------------------------------------------------- */

static int flush_frame(struct leat_sink *sink, struct lane *lane, bool end)
{
    if (sink->compressing != lane)
        return 0;
    end = end || compressor_frame_full(sink->compressor);
    struct compress_target target = {sink->io, lane->segment.fd, lane->segment.size};
    int failed = compressor_flush(sink->compressor, &target, end);
    lane->segment.size = target.size;
    if (failed) {
        sink_problem(sink, "cannot write a segment", lane);
        lane_cut_back(sink, lane);
        return -1;
    }
    if (end)
        sink->compressing = NULL;
    return 0;
}

/* Nobody but us may have changed it: else what is confirmed would not be there. */
static int check_untouched(struct leat_sink *sink, const struct lane *lane)
{
    struct stat st;
    const char *why = NULL;
    if (sink->io->fstat(lane->segment.fd, &st) != 0) {
        sink_problem(sink, "cannot stat a segment", lane);
        return -1;
    }
    if (st.st_nlink == 0)
        why = "it was removed by somebody else; records that were in it are gone";
    else if ((uint64_t)st.st_size != lane->segment.size)
        why = "its size was changed by somebody else";
    if (why)
        sink_problem_text(sink, "the newest segment", lane, why);
    return why ? -1 : 0;
}

static int sync_folder(struct leat_sink *sink, const struct lane *lane)
{
    int folder = directory_lane(&sink->directory, lane_route(lane), false);
    int failed = folder < 0 || sink->io->fsync(folder) != 0;
    if (failed)
        sink_problem(sink, "cannot sync the folder", lane);
    (void)io_close(sink->io, folder);
    return failed ? -1 : 0;
}

static int sync_segment(struct leat_sink *sink, const struct lane *lane)
{
    int failed;
    if (check_untouched(sink, lane) != 0)
        return -1;
    do
        failed = sink->io->fdatasync(lane->segment.fd);
    while (failed && errno == EINTR);
    if (failed) {
        sink_problem(sink, "cannot sync a segment", lane);
        return -1;
    }
    return lane->segment.fresh ? sync_folder(sink, lane) : 0;
}

int lane_sync(struct leat_sink *sink, struct lane *lane, bool end_frame)
{
    struct segment *segment = &lane->segment;
    if (segment->fd < 0)
        return 0;
    if (flush_frame(sink, lane, end_frame) != 0)
        return -1;
    if (segment->size == segment->durable && !segment->fresh)
        return 0;
    sink_stage(sink, "sink_written");
    if (sync_segment(sink, lane) != 0) {
        lane_abandon(sink, lane);
        return -1;
    }
    sink_stage(sink, "sink_synced");
    segment->fresh = false;
    segment->durable = segment->size;
    lane->durable = lane->last;
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct run { /* records on their way into one segment */
    struct iovec pieces[PIECES_MAX];
    int count;
    uint64_t bytes;
    leat_identity last;
};

static int run_compress(struct leat_sink *sink, struct lane *lane, struct run *run)
{
    if (sink->compressing && sink->compressing != lane &&
        flush_frame(sink, sink->compressing, true) != 0)
        return -1;
    sink->compressing = lane;
    struct compress_target target = {sink->io, lane->segment.fd, lane->segment.size};
    int failed = compressor_add(sink->compressor, &target, run->pieces, run->count);
    lane->segment.size = target.size;
    return failed;
}

static int run_plain(struct leat_sink *sink, struct lane *lane, struct run *run)
{
    struct segment *segment = &lane->segment;
    if (io_write(sink->io, segment->fd, run->pieces, run->count, segment->size) != 0)
        return -1;
    segment->size += run->bytes;
    return 0;
}

static int run_write(struct leat_sink *sink, struct lane *lane, struct run *run)
{
    if (run->count == 0)
        return 0;
    lane_mark_dirty(sink, lane);
    int failed = sink->compressor ? run_compress(sink, lane, run) : run_plain(sink, lane, run);
    if (failed) {
        sink_problem(sink, "cannot write a segment", lane);
        lane_cut_back(sink, lane);
        return -1;
    }
    lane->last = (struct mark){run->last, true};
    sink->unsynced += run->bytes;
    run->count = 0;
    run->bytes = 0;
    return 0;
}

/* Adds a record; false when the run is full. */
static bool run_add(struct run *run, const leat_record *record, bool lines)
{
    size_t len = record->value.len + lines;
    struct iovec *last = run->count ? &run->pieces[run->count - 1] : NULL;
    if (last && (const char *)last->iov_base + last->iov_len == record->value.ptr) {
        last->iov_len += len;
    } else {
        if (run->count == PIECES_MAX)
            return false;
        run->pieces[run->count++] = (struct iovec){(void *)(uintptr_t)record->value.ptr, len};
    }
    run->bytes += len;
    run->last = record->identity;
    return true;
}

/* Is it time for a new segment, before a record of this position?  A transaction is kept in one, if
 * it does not make it twice as large as it should be. */
static bool must_rotate(const struct leat_sink *sink, const struct lane *lane,
                        const struct run *run, uint64_t position, int64_t now)
{
    const struct segment *segment = &lane->segment;
    const struct file_config *config = sink->config;
    uint64_t size = segment->size + (sink->compressor ? 0 : run->bytes);
    uint64_t limit = (uint64_t)config->rotate_size;
    if (size == 0)
        return false;
    leat_identity last = run->count ? run->last : lane->last.identity;
    if (last.position == position && (run->count || lane->last.set))
        return size / 2 >= limit;
    return size >= limit ||
           (config->rotate_age_ms && (now - segment->begun_ns) / 1000000 >= config->rotate_age_ms);
}

static int lane_add(struct leat_sink *sink, struct lane *lane, struct run *run,
                    const leat_record *record, int64_t now)
{
    if (lane->segment.usable && lane->segment.fd >= 0 &&
        must_rotate(sink, lane, run, record->identity.position, now))
        if (run_write(sink, lane, run) != 0 || lane_finish(sink, lane) != 0)
            return -1;
    if ((lane->segment.fd < 0 || lane->segment.torn) &&
        lane_prepare(sink, lane, record->identity) != 0)
        return -1;
    if (run_add(run, record, sink->lines))
        return 0;
    if (run_write(sink, lane, run) != 0)
        return -1;
    (void)run_add(run, record, sink->lines);
    return 0;
}

int lane_append(struct leat_sink *sink, struct lane *lane, const leat_batch *batch)
{
    struct run run = {.count = 0};
    int64_t now = sink->host->now_ns(sink->host);
    lane->used = ++sink->stamp;
    for (uint32_t i = lane->first_record;; i = sink->next ? sink->next[i] : i + 1) {
        const leat_record *record = leat_batch_at(batch, i);
        if (!mark_covers(&lane->last, record->identity) &&
            lane_add(sink, lane, &run, record, now) != 0)
            return -1;
        if (i == lane->last_record)
            break;
    }
    return run_write(sink, lane, &run);
}
