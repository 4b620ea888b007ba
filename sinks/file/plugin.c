/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c -- the file sink as the host sees it: its options, its operations, the one symbol.
 */
#include "sink.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <zstd.h>

#define MIB (INT64_C(1) << 20)
#define DAY_MS (INT64_C(24) * 3600 * 1000)

enum { NEXT_ROOM = 65536 };

static const char *const compressions[] = {"none", "zstd", NULL};

static const leat_option options[] = {
    LEAT_OPTION_STRING("directory", struct file_config, directory, NULL,
                       LEAT_OPT_REQUIRED | LEAT_OPT_ALONE | LEAT_OPT_PATH,
                       "Where the segments go; made when only its last part is missing, and used "
                       "by this sink alone."),
    LEAT_OPTION_SIZE("rotate_size", struct file_config, rotate_size, "256MiB", 4096,
                     INT64_C(1) << 50, 0,
                     "A new segment is begun, between two transactions, when one has this size; "
                     "within one at twice that."),
    LEAT_OPTION_DURATION("rotate_age", struct file_config, rotate_age_ms, "1h", 0, 3650 * DAY_MS, 0,
                         "And with the first record after this time; 0 is never."),
    LEAT_OPTION_INT("retain_count", struct file_config, retain_count, "0", 0, INT64_C(1) << 40, 0,
                    "How many finished segments are kept in each folder; 0 is all."),
    LEAT_OPTION_DURATION("retain_age", struct file_config, retain_age_ms, "0s", 0, 36500 * DAY_MS,
                         0,
                         "How long a finished segment is kept after its last change; 0 is for "
                         "ever."),
    LEAT_OPTION_ENUM("compression", struct file_config, compression, "none", compressions, 0,
                     "How new segments are compressed."),
    LEAT_OPTION_INT("compression_level", struct file_config, compression_level, "3", 1, 19, 0,
                    "Of zstd: 1 is the fastest."),
    LEAT_OPTION_INT("open_files", struct file_config, open_files, "64", 1, 65536, 0,
                    "How many segments are open at a time, when a route makes many folders."),
    LEAT_OPTION_INT("max_routes", struct file_config, max_routes, "10000", 1, 1000000, 0,
                    "How many folders a route may make."),
    LEAT_OPTION_SIZE("max_unsynced", struct file_config, max_unsynced, "8MiB", 4096,
                     INT64_C(1) << 40, 0,
                     "Bytes that are written before they are synced, at the most, and one batch."),
    LEAT_OPTION_STRING("file_mode", struct file_config, file_mode, "0640", 0,
                       "Permissions of new segments, in octal."),
};

static const leat_route_rules route_rules = {
    .allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
    .literal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.=+",
    .escape = '%',
    .max_length = ROUTE_MAX,
};

bool file_mode_parse(const char *text, mode_t *mode)
{
    char *end;
    if (!text || *text < '0' || *text > '7')
        return false;
    unsigned long value = strtoul(text, &end, 8);
    *mode = (mode_t)value;
    return *end == '\0' && value <= 0777 && (value & S_IWOTH) == 0 && (value & S_IRUSR) &&
           (value & S_IWUSR);
}

static leat_status file_create(const leat_host *host, const void *config, leat_sink **out,
                               leat_error *error)
{
    struct leat_sink *sink = *out = calloc(1, sizeof *sink);
    if (!sink)
        return error_set(error, LEAT_EFATAL, EX_OSERR, "no memory for a file sink");
    sink->host = host;
    sink->config = config;
    const struct io *io = host->extension ? host->extension(host, IO_EXTENSION) : NULL;
    sink->io = io ? io : &io_real;
    sink->stages = host->extension ? host->extension(host, LEAT_EXTENSION_STAGES) : NULL;
    sink->directory = (struct directory){.fd = -1, .lock = -1};
    sink->problem.size = sizeof sink->problem;
    if (!*sink->config->directory)
        return error_set(error, LEAT_ECONFIG, EX_CONFIG,
                         "directory is empty: name the folder of the segments");
    if (!file_mode_parse(sink->config->file_mode, &sink->file_mode))
        return error_set(error, LEAT_ECONFIG, EX_CONFIG,
                         "file_mode \"%.20s\" is not octal permissions that let leat write and "
                         "others not, such as \"0640\"",
                         sink->config->file_mode ? sink->config->file_mode : "");
    sink->open = calloc((size_t)sink->config->open_files, sizeof *sink->open);
    sink->next = calloc(NEXT_ROOM, sizeof *sink->next);
    sink->next_room = NEXT_ROOM;
    if (sink->config->compression == COMPRESSION_ZSTD)
        sink->compressor = compressor_create((int)sink->config->compression_level);
    if (!sink->open || !sink->next ||
        (sink->config->compression == COMPRESSION_ZSTD && !sink->compressor))
        return error_set(error, LEAT_EFATAL, EX_OSERR, "no memory for a file sink");
    return LEAT_OK;
}

static leat_status file_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    const char *format = LEAT_HAS(start, leat_sink_start, format) ? start->format : NULL;
    bool packed = format && strcmp(format, "msgpack") == 0;
    if (format && !packed && strcmp(format, "json") != 0)
        return error_set(error, LEAT_ECONFIG, EX_CONFIG,
                         "the file sink cannot find its way in the format \"%.40s\"", format);
    sink->format = packed ? SEGMENT_MSGPACK : SEGMENT_JSON;
    sink->lines = !packed;
    sink->resume.set = false;
    sink->lost = false;
    sink->problem.status = LEAT_OK;
    leat_status status = sink_recover(sink, start, error);
    if (status != LEAT_OK) {
        directory_close(&sink->directory);
        return status;
    }
    sink->started = true;
    sink->next_retain_ns = 0;
    retain_all(sink);
    return LEAT_OK;
}

static leat_status file_submit(leat_sink *sink, const leat_batch *batch)
{
    return sink_submit(sink, batch);
}

static void wait_for_host(const leat_sink *sink, int32_t max_wait_ms)
{
    struct pollfd wake = {.fd = sink->host->wake_fd, .events = POLLIN};
    int64_t most = sink->config->retain_age_ms ? 60000 : INT32_MAX;
    if (max_wait_ms >= 0 && max_wait_ms < most)
        most = max_wait_ms;
    else if (most == INT32_MAX)
        most = max_wait_ms;
    if (wake.fd >= 0 && most != 0)
        (void)poll(&wake, 1, (int)most);
}

static leat_status file_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    bool worked = sink->pending_count != 0;
    if (worked) {
        int64_t left_ns = sink_commit_due(sink) - sink->host->now_ns(sink->host);
        if (left_ns > 0 && max_wait_ms != 0)
            wait_for_host(sink, (int32_t)(left_ns / 1000000) + 1);
        if (left_ns <= 0)
            sink_commit(sink);
    }
    if (sink->lost)
        return error_set(error, LEAT_ERETRY, EX_CANTCREAT, "directory %s was removed",
                         sink->config->directory);
    if (!worked && max_wait_ms != 0) {
        retain_all(sink);
        wait_for_host(sink, max_wait_ms);
    }
    return LEAT_OK;
}

static leat_status file_stop(leat_sink *sink, uint32_t deadline_ms)
{
    if (!sink->started)
        return LEAT_OK;
    if (deadline_ms) {
        if (sink->pending_count)
            sink_commit(sink);
        if (sink->compressing)
            (void)lane_sync(sink, sink->compressing, true);
    }
    sink->started = false;
    sink->pending_count = 0;
    sink->unsynced = 0;
    sink->dirty = NULL;
    if (sink->compressor)
        compressor_reset(sink->compressor);
    sink->compressing = NULL;
    while (sink->open_count) /* the lanes stay: what could not be cut is cut at the next start */
        lane_close(sink, sink->open[0]);
    directory_close(&sink->directory);
    return LEAT_OK;
}

static void file_destroy(leat_sink *sink)
{
    if (!sink)
        return;
    lanes_clear(sink);
    directory_close(&sink->directory);
    tail_scanner_destroy(sink->scanner);
    compressor_destroy(sink->compressor);
    free(sink->open);
    free(sink->next);
    free(sink);
}

static const char *libraries(void)
{
    static char text[32];
    snprintf(text, sizeof text, "libzstd %s", ZSTD_versionString());
    return text;
}

static const leat_sink_ops ops = {
    .size = sizeof ops,
    .caps = LEAT_SINK_LINES,
    .route = &route_rules,
    .create = file_create,
    .start = file_start,
    .submit = file_submit,
    .poll = file_poll,
    .stop = file_stop,
    .destroy = file_destroy,
    .check = file_check,
};

LEAT_ELF_NOTE(0);

const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC,
    .abi_major = LEAT_ABI_MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1,
    .abi_minor_needed = 0,
    .kind = LEAT_KIND_SINK,
    .name = "file",
    .version = LEAT_VERSION,
    .license = "Apache-2.0",
    .summary = "Segments of JSON lines or MessagePack in a directory, synced before confirmed.",
    .ops = &ops,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_stride = sizeof *options,
    .config_size = sizeof(struct file_config),
    .libraries = libraries,
};
