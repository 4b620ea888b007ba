/* SPDX-License-Identifier: Apache-2.0
 *
 * lane.c -- see sink.h.  Lanes are kept for as long as the sink runs, for they know what they hold;
 * files are open for config.open_files of them, the least recently used are closed.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

static uint32_t hash_of(leat_bytes route)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < route.len; i++)
        hash = (hash ^ (unsigned char)route.ptr[i]) * 16777619u;
    return hash % LANE_BUCKETS;
}

struct lane *lane_find(struct leat_sink *sink, leat_bytes route)
{
    struct lane *lane = sink->buckets[hash_of(route)];
    while (lane && (lane->route_len != route.len ||
                    (route.len && memcmp(lane->route, route.ptr, route.len) != 0)))
        lane = lane->chain;
    return lane;
}

struct lane *lane_make(struct leat_sink *sink, leat_bytes route, const char **reject)
{
    *reject = NULL;
    if (route.len && sink->lane_count >= sink->config->max_routes) {
        *reject = "there are max_routes folders already: raise it, or use a coarser route";
        return NULL;
    }
    struct lane *lane = calloc(1, sizeof *lane + route.len + 1);
    if (!lane)
        return NULL;
    if (route.len)
        memcpy(lane->route, route.ptr, route.len);
    lane->route_len = (uint32_t)route.len;
    lane->segment.fd = -1;
    struct lane **bucket = &sink->buckets[hash_of(route)];
    lane->chain = *bucket;
    *bucket = lane;
    sink->lane_count++;
    return lane;
}

void lanes_clear(struct leat_sink *sink)
{
    for (uint32_t i = 0; i < LANE_BUCKETS; i++) {
        while (sink->buckets[i]) {
            struct lane *lane = sink->buckets[i];
            sink->buckets[i] = lane->chain;
            lane_close(sink, lane);
            free(lane);
        }
    }
    sink->dirty = sink->touched = sink->compressing = NULL;
    sink->lane_count = 0;
}

void lane_mark_dirty(struct leat_sink *sink, struct lane *lane)
{
    if (lane->dirty)
        return;
    lane->dirty = true;
    lane->dirty_next = sink->dirty;
    sink->dirty = lane;
}

void lane_close(struct leat_sink *sink, struct lane *lane)
{
    if (lane->segment.fd < 0)
        return;
    /* An error here would be about bytes that were synced, or that nobody was told are. */
    (void)io_close(sink->io, lane->segment.fd);
    lane->segment.fd = -1;
    for (uint32_t i = 0; i < sink->open_count; i++)
        if (sink->open[i] == lane)
            sink->open[i] = sink->open[--sink->open_count];
}

/* Room for one more open file. */
static int make_room(struct leat_sink *sink)
{
    if (sink->open_count < sink->config->open_files)
        return 0;
    struct lane *oldest = sink->open[0];
    for (uint32_t i = 1; i < sink->open_count; i++)
        if (sink->open[i]->used < oldest->used)
            oldest = sink->open[i];
    if ((oldest->dirty || sink->compressing == oldest) && lane_sync(sink, oldest, true) != 0)
        return -1;
    lane_close(sink, oldest);
    return 0;
}

/* When the file was made, on the host's clock; the wall clock can only err on how long ago. */
static int64_t begun_at(const struct leat_sink *sink, int fd)
{
    int64_t now = sink->host->now_ns(sink->host);
    struct statx sx;
    struct timespec wall;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) != 0 || !(sx.stx_mask & STATX_BTIME) ||
        clock_gettime(CLOCK_REALTIME, &wall) != 0 || wall.tv_sec <= sx.stx_btime.tv_sec)
        return now;
    int64_t age_s = wall.tv_sec - sx.stx_btime.tv_sec;
    return age_s < INT64_MAX / 2000000000 ? now - age_s * 1000000000 : now;
}

/* Back to a segment that was closed for want of files, or that start has found.  1: it is not what
 * it was, and not to be used. */
static int reopen(struct leat_sink *sink, struct lane *lane, int folder)
{
    struct segment *segment = &lane->segment;
    char name[SEGMENT_NAME_MAX];
    struct stat st;
    name_format(&segment->name, name);
    segment->fd = io_open(sink->io, folder, name, O_RDWR, 0);
    if (segment->fd < 0)
        return errno == ENOENT || errno == ELOOP ? 1 : -1;
    if (sink->io->fstat(segment->fd, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != segment->size)
        return 1;
    if (segment->begun_ns == 0)
        segment->begun_ns = begun_at(sink, segment->fd);
    if (!segment->torn)
        return 0;
    struct tail tail;
    struct record_limits limits = {.known = false};
    if (tail_scan(sink->scanner, sink->io, segment->fd, &segment->name, &limits, 0, &tail) != 0)
        return -1;
    if (tail.keep != segment->size)
        return 1;
    if (tail_mend(sink->io, segment->fd, &tail, &segment->size) != 0) {
        (void)sink->io->ftruncate(segment->fd, (off_t)segment->durable);
        segment->size = segment->durable;
        return -1;
    }
    segment->torn = false;
    return 0;
}

static int create(struct leat_sink *sink, struct lane *lane, int folder, leat_identity first)
{
    struct segment *segment = &lane->segment;
    struct segment_name name = {first, 0, sink->format, sink->compressor != NULL};
    if (leat_identity_compare(segment->name.first, first) == 0)
        name.counter = segment->name.counter + 1;
    int fd;
    for (;; name.counter++) {
        char text[SEGMENT_NAME_MAX];
        if (name.counter > 0xffff) {
            errno = EEXIST;
            return -1;
        }
        name_format(&name, text);
        fd = io_open(sink->io, folder, text, O_RDWR | O_CREAT | O_EXCL, sink->file_mode);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    if (fd < 0)
        return -1;
    (void)fchmod(fd, sink->file_mode); /* whatever the umask */
    *segment = (struct segment){.fd = fd,
                                .name = name,
                                .usable = true,
                                .fresh = true,
                                .begun_ns = sink->host->now_ns(sink->host)};
    lane->uncut = false; /* the next segment's name says from where on it does not count */
    return 0;
}

int lane_prepare(struct leat_sink *sink, struct lane *lane, leat_identity first)
{
    lane->used = ++sink->stamp;
    if (lane->segment.fd >= 0 && !lane->segment.torn)
        return 0;
    lane_close(sink, lane);
    if (make_room(sink) != 0)
        return -1;
    int folder = directory_lane(&sink->directory, lane_route(lane), true);
    if (folder < 0) {
        sink_problem(sink, "cannot make or open the folder", lane);
        return -1;
    }
    int failed = lane->segment.usable ? reopen(sink, lane, folder) : 1;
    if (failed > 0) {
        (void)io_close(sink->io, lane->segment.fd);
        lane->segment.fd = -1;
        lane->segment.usable = false;
        failed = create(sink, lane, folder, first);
    }
    if (failed) {
        sink_problem(sink, "cannot open or create a segment", lane);
        (void)io_close(sink->io, lane->segment.fd);
        lane->segment.fd = -1;
    } else {
        sink->open[sink->open_count++] = lane;
    }
    (void)io_close(sink->io, folder);
    return failed;
}

int lane_finish(struct leat_sink *sink, struct lane *lane)
{
    if (lane_sync(sink, lane, true) != 0)
        return -1;
    lane_close(sink, lane);
    lane->segment.usable = false;
    lane->retain = true;
    return 0;
}
