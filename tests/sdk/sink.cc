// SPDX-License-Identifier: Apache-2.0
//
// sink.cc -- a sink in C++17 against the one header: appends "<position> <seq> <record>" lines to a file, as the
// template in C does.  Built and tried by test_check.py, which also holds docs/plugins.md against its end.
#include <leat/plugin.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace {

struct options {
    const char *path;
};

struct closer {
    void operator()(std::FILE *file) const
    {
        (void)std::fclose(file);
    }
};

leat_status say(leat_error *error, leat_status status, const char *what, int number)
{
    (void)std::snprintf(error->text, sizeof error->text, "%s: %s", what, std::strerror(number));
    return status;
}

} // namespace

struct leat_sink {
    const leat_host *host;
    const char *path;
    std::unique_ptr<std::FILE, closer> file;
    int failed; // errno of what failed since start
};

namespace {

leat_status sink_create(const leat_host *host, const void *config, leat_sink **out, leat_error *error)
{
    *out = new (std::nothrow) leat_sink{host, static_cast<const options *>(config)->path, nullptr, 0};
    return *out ? LEAT_OK : say(error, LEAT_EFATAL, "create", ENOMEM);
}

// One line: where it ends, and whether it is whole; false at the end of the file.
bool read_line(std::FILE *file, std::string &line)
{
    line.clear();
    for (int c; (c = std::getc(file)) != EOF;) {
        line.push_back(static_cast<char>(c));
        if (c == '\n')
            return true;
    }
    return false;
}

leat_status sink_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
try {
    std::string line;
    off_t end = 0;
    sink->failed = 0;
    sink->file.reset(std::fopen(sink->path, "a+e"));
    if (!sink->file)
        return say(error, errno == ENOSPC || errno == EIO ? LEAT_ERETRY : LEAT_ECONFIG, sink->path, errno);
    start->holds = LEAT_HOLDS_NOTHING;
    for (; read_line(sink->file.get(), line); end += static_cast<off_t>(line.size())) {
        if (std::sscanf(line.c_str(), "%" SCNu64 " %" SCNd64, &start->last.position, &start->last.seq) != 2)
            return say(error, LEAT_ECONFIG, sink->path, EILSEQ);
        start->holds = LEAT_HOLDS_LAST;
    }
    if (ftruncate(fileno(sink->file.get()), end) != 0 || fsync(fileno(sink->file.get())) != 0) // a torn line goes
        return say(error, LEAT_ERETRY, sink->path, errno);
    return LEAT_OK;
} catch (const std::bad_alloc &) { // no exception crosses the boundary
    return say(error, LEAT_ERETRY, sink->path, ENOMEM);
}

leat_status sink_submit(leat_sink *sink, const leat_batch *batch)
{
    leat_result result{};
    if (sink->failed)
        return LEAT_AGAIN;
    std::FILE *file = sink->file.get();
    for (uint32_t i = 0; i < batch->record_count; i++) {
        const leat_record *record = leat_batch_at(batch, i);
        (void)std::fprintf(file, "%" PRIu64 " %" PRId64 " %.*s\n", record->identity.position, record->identity.seq,
                           static_cast<int>(record->value.len), record->value.ptr);
    }
    if (std::ferror(file) || std::fflush(file) != 0 || fdatasync(fileno(file)) != 0) {
        sink->failed = errno ? errno : EIO;
        return LEAT_OK;
    }
    result.size = sizeof result;
    result.durable_count = batch->record_count;
    sink->host->batch_done(sink->host, batch->token, &result);
    return LEAT_OK;
}

leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    pollfd wake{sink->host->wake_fd, POLLIN, 0};
    if (sink->failed)
        return say(error, LEAT_ERETRY, sink->path, sink->failed);
    (void)poll(&wake, 1, max_wait_ms);
    return LEAT_OK;
}

leat_status sink_stop(leat_sink *sink, uint32_t)
{
    sink->file.reset();
    return LEAT_OK;
}

void sink_destroy(leat_sink *sink)
{
    delete sink;
}

const leat_sink_ops ops = {sizeof ops, 0, nullptr, sink_create, sink_start, sink_submit, sink_poll, sink_stop, sink_destroy,
                           nullptr, nullptr};

const leat_option table[] = {
    LEAT_OPTION_STRING("path", options, path, nullptr, LEAT_OPT_REQUIRED | LEAT_OPT_ALONE | LEAT_OPT_PATH, "The file to append to."),
};

} // namespace

const leat_plugin leat_plugin_v1 = {
    LEAT_ABI_MAGIC, LEAT_ABI_MAJOR, LEAT_ABI_MINOR, sizeof(leat_plugin), 0, LEAT_KIND_SINK,
    "mine", "1", "Apache-2.0", "appends records to a file", &ops,
    table, sizeof table / sizeof *table, sizeof *table, sizeof(options), 0, nullptr};
LEAT_ELF_NOTE(0);
