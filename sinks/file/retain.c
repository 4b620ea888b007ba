/* SPDX-License-Identifier: Apache-2.0
 *
 * retain.c -- removes finished segments, oldest first, where the configuration asks for it.  Never
 * the newest, never a file whose name is not of our pattern.
 */
#include "sink.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

static bool too_old(const struct leat_sink *sink, int folder, const char *name)
{
    struct stat st;
    struct timespec now;
    int64_t age_ms = sink->config->retain_age_ms;
    if (age_ms == 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0)
        return false;
    return now.tv_sec - st.st_mtim.tv_sec > age_ms / 1000;
}

static void remove_segments(struct leat_sink *sink, const struct lane *lane, int folder,
                            const struct segment_name *names, size_t finished)
{
    uint64_t keep = (uint64_t)sink->config->retain_count;
    for (size_t i = 0; i < finished; i++) {
        char name[SEGMENT_NAME_MAX];
        name_format(&names[i], name);
        bool too_many = keep && finished - i > keep;
        if (!too_many && !too_old(sink, folder, name))
            return;
        int failed = sink->io->unlinkat(folder, name, 0);
        const leat_field fields[] = {LEAT_F_STR("directory", sink->directory.path),
                                     LEAT_F_STR("route", lane->route), LEAT_F_STR("segment", name)};
        sink->host->log(sink->host, failed ? LEAT_LOG_WARN : LEAT_LOG_INFO,
                        failed ? "cannot remove an old segment" : "old segment removed", fields, 3);
        if (failed)
            return;
    }
}

void retain_lane(struct leat_sink *sink, const struct lane *lane)
{
    if (sink->config->retain_count == 0 && sink->config->retain_age_ms == 0)
        return;
    struct segment_name *names = NULL;
    size_t count;
    int folder = directory_lane(&sink->directory, lane_route(lane), false);
    if (folder < 0)
        return;
    if (directory_segments(folder, &names, &count) == 0 && count > 1)
        remove_segments(sink, lane, folder, names, count - 1);
    free(names);
    (void)io_close(sink->io, folder);
}

void retain_all(struct leat_sink *sink)
{
    const int64_t most_ns = 600 * (int64_t)1000000000;
    int64_t age_ms = sink->config->retain_age_ms, now = sink->host->now_ns(sink->host);
    if ((sink->config->retain_count == 0 && age_ms == 0) || now < sink->next_retain_ns)
        return;
    int64_t period_ns = age_ms && age_ms < most_ns / 100000 ? age_ms * 100000 : most_ns;
    sink->next_retain_ns = now + period_ns;
    for (uint32_t i = 0; i < LANE_BUCKETS; i++)
        for (const struct lane *lane = sink->buckets[i]; lane; lane = lane->chain)
            retain_lane(sink, lane);
}
