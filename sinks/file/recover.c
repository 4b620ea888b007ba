/* SPDX-License-Identifier: Apache-2.0
 *
 * recover.c -- see sink.h.  At start each lane's newest segment is looked at, first reading only:
 * so that damage to what was durable is found before anything is cut.  Then tails are mended, and
 * synced before anybody is told what is held.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>

/* What can stand behind the last sync beside config.max_unsynced: one batch.  Of one that is larger
 * nothing is believed that does not read as whole records. */
enum { BATCH_SLACK = 16 * 1024 * 1024 };

struct recovery {
    struct leat_sink *sink;
    leat_error *error;
    leat_status status; /* of the visitor that stopped the walk */
    struct record_limits limits;
    uint64_t unsynced;
    struct mark newest; /* over all lanes */
    uint64_t dropping;  /* bytes that would be cut */
    bool damaged;
    char damaged_name[SEGMENT_NAME_MAX];
};

static void mark_raise(struct mark *mark, leat_identity identity)
{
    if (!mark_covers(mark, identity))
        *mark = (struct mark){identity, true};
}

static leat_status failed_on(struct recovery *recovery, const char *what, const char *name)
{
    return error_errno(recovery->error, what, recovery->sink->directory.path, name);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* Scans segment i of the folder.  The next one's name says from where on it does not count. */
static int scan_segment(struct recovery *recovery, int folder, const struct segment_name *names,
                        size_t count, size_t i, int flags, struct tail *tail)
{
    char file[SEGMENT_NAME_MAX];
    struct record_limits limits = recovery->limits;
    if (i + 1 < count) {
        limits.bounded = true;
        limits.bound = names[i + 1].first;
    }
    name_format(&names[i], file);
    int fd = io_open(recovery->sink->io, folder, file, flags, 0);
    if (fd < 0)
        return -1;
    if (tail_scan(recovery->sink->scanner, recovery->sink->io, fd, &names[i], &limits,
                  recovery->unsynced, tail) == 0)
        return fd;
    int saved = errno;
    (void)io_close(recovery->sink->io, fd);
    errno = saved;
    return -1;
}

static int look(struct recovery *recovery, int folder, const struct segment_name *names,
                size_t count, struct lane *lane)
{
    for (size_t i = count; i-- > 0 && !lane->last.set;) {
        struct tail tail;
        int fd = scan_segment(recovery, folder, names, count, i, O_RDONLY, &tail);
        if (fd < 0)
            return -1;
        (void)io_close(recovery->sink->io, fd);
        if (i + 1 == count)
            recovery->dropping += tail.size - tail.keep;
        if (tail.damaged) {
            recovery->damaged = true;
            name_format(&names[i], recovery->damaged_name);
        }
        if (tail.any)
            lane->last = (struct mark){tail.last, true};
    }
    if (lane->last.set)
        mark_raise(&recovery->newest, lane->last.identity);
    return 0;
}

static int visit(void *context, int folder, leat_bytes route)
{
    struct recovery *recovery = context;
    struct segment_name *names;
    size_t count;
    const char *reject;
    if (directory_segments(folder, &names, &count) != 0) {
        recovery->status = failed_on(recovery, "cannot list", route.len ? route.ptr : NULL);
        return 1;
    }
    struct lane *lane = lane_make(recovery->sink, route, &reject);
    int failed = 0;
    if (!lane) {
        recovery->status = error_set(recovery->error, LEAT_ECONFIG, EX_CONFIG, "directory %s: %s",
                                     recovery->sink->directory.path,
                                     reject ? reject : "no memory for its folders");
        failed = 1;
    } else if (count && look(recovery, folder, names, count, lane) != 0) {
        recovery->status = failed_on(recovery, "cannot read", route.len ? lane->route : NULL);
        failed = 1;
    }
    free(names);
    return failed;
}

/* Cutting may only take what nobody was told is durable. */
static leat_status judge(struct recovery *recovery)
{
    const struct record_limits *limits = &recovery->limits;
    bool short_of =
        limits->known && recovery->dropping && !mark_covers(&recovery->newest, limits->durable);
    if (!recovery->damaged && !short_of)
        return LEAT_OK;
    return error_set(recovery->error, LEAT_EFATAL, 65,
                     "directory %s lost records that were durable (a damaged segment%s%s; nothing "
                     "was changed): look at the disk, then restore the segment or begin a new "
                     "directory",
                     recovery->sink->directory.path, recovery->damaged ? " " : "",
                     recovery->damaged ? recovery->damaged_name : "");
}

/* ---- mending --------------------------------------------------------------------------------- */

static void log_mended(struct recovery *recovery, const struct lane *lane, const char *name,
                       const struct tail *tail)
{
    struct leat_sink *sink = recovery->sink;
    const leat_field fields[] = {LEAT_F_STR("directory", sink->directory.path),
                                 LEAT_F_STR("route", lane->route), LEAT_F_STR("segment", name),
                                 LEAT_F_UINT("dropped_bytes", tail->size - tail->keep),
                                 LEAT_F_UINT("kept_bytes", tail->keep)};
    if (tail->keep < tail->size)
        sink->host->log(sink->host, LEAT_LOG_WARN, "torn tail mended", fields, 5);
    else if (tail->close_len)
        sink->host->log(sink->host, LEAT_LOG_INFO, "open frame closed", fields, 5);
}

/* A finished segment was whole and synced when the next one was made, or it was abandoned and could
 * not be cut.  Anything else that is wrong with it is the disk's doing, and not for us to cut. */
static bool leave_alone(struct recovery *recovery, const char *name, const struct tail *tail)
{
    if (!tail->damaged && (tail->any || tail->overlap || tail->size == 0))
        return false;
    struct leat_sink *sink = recovery->sink;
    const leat_field fields[] = {LEAT_F_STR("directory", sink->directory.path),
                                 LEAT_F_STR("segment", name),
                                 LEAT_F_UINT("whole_bytes", tail->keep)};
    sink->host->log(sink->host, LEAT_LOG_ERROR, "a finished segment is damaged", fields, 3);
    return true;
}

/* Mends one segment; *tail is how it was found, *size how large it is now.  One that holds nothing
 * is removed: its name speaks of a record that may never come.  1: it was left alone. */
static int mend_segment(struct recovery *recovery, int folder, const struct segment_name *names,
                        size_t count, size_t i, struct tail *tail, uint64_t *size)
{
    const struct io *io = recovery->sink->io;
    char name[SEGMENT_NAME_MAX];
    name_format(&names[i], name);
    int fd = scan_segment(recovery, folder, names, count, i, O_RDWR, tail);
    if (fd < 0)
        return -1;
    int failed;
    *size = 0;
    if (i + 1 < count && leave_alone(recovery, name, tail)) {
        (void)io_close(io, fd);
        return 1;
    }
    if (!tail->any)
        failed = io->unlinkat(folder, name, 0);
    else
        failed = tail_mend(io, fd, tail, size) != 0 || io->fsync(fd) != 0;
    int saved = errno;
    (void)io_close(io, fd);
    errno = saved;
    return failed ? -1 : 0;
}

static void adopt(struct leat_sink *sink, struct lane *lane, const struct segment_name *name,
                  const struct tail *tail, uint64_t size)
{
    lane->segment = (struct segment){.fd = -1, .name = *name, .size = size, .durable = size};
    /* Another format or compression now: that goes into a segment of its own. */
    lane->segment.usable = name->format == sink->format && name->zstd == (sink->compressor != NULL);
    lane->last = lane->durable = (struct mark){tail->last, true};
}

/* From the newest segment back to the first that needs nothing done. */
static int mend_folder(struct recovery *recovery, int folder, struct lane *lane,
                       const struct segment_name *names, size_t count)
{
    bool adopted = false;
    lane->last = lane->durable = (struct mark){.set = false};
    for (size_t i = count; i-- > 0;) {
        struct tail tail;
        uint64_t size;
        char name[SEGMENT_NAME_MAX];
        int answer = mend_segment(recovery, folder, names, count, i, &tail, &size);
        if (answer < 0)
            return -1;
        if (answer > 0)
            break;
        name_format(&names[i], name);
        log_mended(recovery, lane, name, &tail);
        bool clean = tail.any && tail.keep == tail.size && tail.close_len == 0;
        if (adopted && clean)
            break;
        if (!adopted && tail.any) {
            adopt(recovery->sink, lane, &names[i], &tail, size);
            adopted = true;
        }
    }
    return recovery->sink->io->fsync(folder);
}

static leat_status mend_lane(struct recovery *recovery, struct lane *lane)
{
    struct leat_sink *sink = recovery->sink;
    struct segment_name *names = NULL;
    size_t count = 0;
    leat_status status = LEAT_OK;
    int folder = directory_lane(&sink->directory, lane_route(lane), false);
    if (folder < 0 || directory_segments(folder, &names, &count) != 0 ||
        mend_folder(recovery, folder, lane, names, count) != 0)
        status = failed_on(recovery, "cannot mend", lane->route_len ? lane->route : NULL);
    free(names);
    (void)io_close(sink->io, folder);
    return status;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* What an earlier failure of this instance left behind: bytes that read well, because they are in
 * memory, and may not be on the disk. */
static leat_status cut_untrusted(struct recovery *recovery)
{
    struct leat_sink *sink = recovery->sink;
    for (uint32_t i = 0; i < LANE_BUCKETS; i++)
        for (struct lane *lane = sink->buckets[i]; lane; lane = lane->chain) {
            if (!lane->uncut)
                continue;
            char name[SEGMENT_NAME_MAX];
            name_format(&lane->segment.name, name);
            int folder = directory_lane(&sink->directory, lane_route(lane), false);
            int fd = folder < 0 ? -1 : io_open(sink->io, folder, name, O_RDWR, 0);
            bool failed = (folder < 0 || fd < 0)
                              ? errno != ENOENT
                              : sink->io->ftruncate(fd, (off_t)lane->segment.durable) != 0;
            int saved = errno;
            (void)io_close(sink->io, fd);
            (void)io_close(sink->io, folder);
            errno = saved;
            if (failed)
                return failed_on(recovery, "cannot cut", name);
            lane->uncut = false;
        }
    return LEAT_OK;
}

static leat_status mend_all(struct recovery *recovery)
{
    struct leat_sink *sink = recovery->sink;
    for (uint32_t i = 0; i < LANE_BUCKETS; i++)
        for (struct lane *lane = sink->buckets[i]; lane; lane = lane->chain) {
            leat_status status = mend_lane(recovery, lane);
            if (status != LEAT_OK)
                return status;
        }
    return LEAT_OK;
}

static leat_status recover_lanes(struct recovery *recovery)
{
    struct leat_sink *sink = recovery->sink;
    leat_status status = cut_untrusted(recovery);
    if (status != LEAT_OK)
        return status;
    lanes_clear(sink);
    int stopped = directory_walk(&sink->directory, visit, recovery);
    if (stopped < 0)
        return failed_on(recovery, "cannot walk", NULL);
    if (stopped)
        return recovery->status;
    status = judge(recovery);
    return status == LEAT_OK ? mend_all(recovery) : status;
}

static void report(struct recovery *recovery, leat_sink_start *start)
{
    struct leat_sink *sink = recovery->sink;
    bool routed = false;
    recovery->newest.set = false;
    for (uint32_t i = 0; i < LANE_BUCKETS; i++)
        for (const struct lane *lane = sink->buckets[i]; lane; lane = lane->chain) {
            if (!lane->last.set)
                continue;
            mark_raise(&recovery->newest, lane->last.identity);
            routed = routed || lane->route_len;
        }
    /* Files of several lanes are synced one after the other: one may hold a record that is newer
     * than one that another lacks. */
    start->holds = !recovery->newest.set ? LEAT_HOLDS_NOTHING
                   : routed              ? LEAT_HOLDS_SELF
                                         : LEAT_HOLDS_LAST;
    start->last = recovery->newest.identity;
}

leat_status sink_recover(struct leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    struct recovery recovery = {.sink = sink, .error = error};
    recovery.limits.known = start->known != 0;
    recovery.limits.durable = start->durable;
    recovery.unsynced = (uint64_t)sink->config->max_unsynced + BATCH_SLACK;
    leat_status status = directory_open(&sink->directory, sink->io, sink->config->directory,
                                        start->name_space ? start->name_space : "", error);
    if (status == LEAT_OK && !sink->scanner && !(sink->scanner = tail_scanner_create()))
        status = error_set(error, LEAT_ERETRY, EX_OSERR, "no memory to look at the segments");
    if (status == LEAT_OK)
        status = recover_lanes(&recovery);
    if (status != LEAT_OK)
        return status;
    report(&recovery, start);
    return LEAT_OK;
}
