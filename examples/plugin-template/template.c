/* SPDX-License-Identifier: Apache-2.0
 * template.c -- a sink to begin one's own with: appends "<position> <seq> <record>" lines to a file.
 * It keeps what a sink should promise: OK only for what is synced, nothing twice (on start it says what
 * it holds), and after any failure it begins again from what the file has. */
#include <leat/plugin.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct options { const char *path; }; /* filled from the table at the end */

struct leat_sink {
    const leat_host *host;
    const struct options *options;
    FILE *file;
    int failed; /* errno of what failed since start: what was lent then is not answered one by one */
};

static leat_status say(leat_error *error, leat_status status, const char *what, int number)
{
    (void)snprintf(error->text, sizeof error->text, "%s: %s", what, strerror(number));
    return status;
}

static leat_status sink_create(const leat_host *host, const void *config, leat_sink **out, leat_error *error)
{
    if (!(*out = calloc(1, sizeof **out)))
        return say(error, LEAT_EFATAL, "create", ENOMEM);
    **out = (leat_sink){.host = host, .options = config};
    return LEAT_OK;
}

/* Reads the whole lines; false when one is not ours.  *end is where the last one ends. */
static bool read_back(FILE *file, leat_sink_start *start, off_t *end)
{
    unsigned long long position;
    long long seq;
    char *line = NULL;
    size_t room = 0;
    bool ours = true;
    start->holds = LEAT_HOLDS_NOTHING;
    for (ssize_t len; ours && (len = getline(&line, &room, file)) > 0 && line[len - 1] == '\n'; *end += len) {
        ours = sscanf(line, "%llu %lld ", &position, &seq) == 2;
        start->holds = LEAT_HOLDS_LAST;
        start->last = (leat_identity){position, seq};
    }
    free(line);
    return ours && !ferror(file);
}

static leat_status sink_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    const char *path = sink->options->path;
    off_t end = 0;
    sink->failed = 0;
    sink->file = fopen(path, "a+e");
    if (!sink->file) /* a full disk passes, a wrong path does not */
        return say(error, errno == ENOSPC || errno == EIO ? LEAT_ERETRY : LEAT_ECONFIG, path, errno);
    if (strcmp(start->format, "json") != 0 || !read_back(sink->file, start, &end))
        return say(error, LEAT_ECONFIG, path, EILSEQ);
    if (ftruncate(fileno(sink->file), end) != 0 || fsync(fileno(sink->file)) != 0) /* a torn line goes */
        return say(error, LEAT_ERETRY, path, errno);
    return LEAT_OK;
}

static leat_status sink_submit(leat_sink *sink, const leat_batch *batch)
{
    leat_result result = {.size = sizeof result, .status = LEAT_OK, .durable_count = batch->record_count};
    if (sink->failed)
        return LEAT_AGAIN;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        const leat_record *record = leat_batch_at(batch, i);
        (void)fprintf(sink->file, "%llu %lld %.*s\n", (unsigned long long)record->identity.position,
                      (long long)record->identity.seq, (int)record->value.len, record->value.ptr);
    }
    if (ferror(sink->file) || fflush(sink->file) != 0 || fdatasync(fileno(sink->file)) != 0)
        sink->failed = errno ? errno : EIO;
    else /* a client library would do this later, from a thread of its own */
        sink->host->batch_done(sink->host, batch->token, &result);
    return LEAT_OK;
}

static leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    if (sink->failed) /* all that is lent counts as not done; stop and start follow */
        return say(error, LEAT_ERETRY, sink->options->path, sink->failed);
    (void)poll(&(struct pollfd){.fd = sink->host->wake_fd, .events = POLLIN}, 1, max_wait_ms);
    return LEAT_OK;
}

static leat_status sink_stop(leat_sink *sink, uint32_t deadline_ms)
{
    if (sink->file)
        (void)fclose(sink->file);
    sink->file = NULL;
    (void)deadline_ms; /* nothing is ever under way between two calls */
    return LEAT_OK;
}

static void sink_destroy(leat_sink *sink)
{
    if (sink)
        (void)sink_stop(sink, 0);
    free(sink);
}

static const leat_sink_ops ops = {.size = sizeof ops, .create = sink_create, .start = sink_start,
    .submit = sink_submit, .poll = sink_poll, .stop = sink_stop, .destroy = sink_destroy};
static const leat_option table[] = {
    LEAT_OPTION_STRING("path", struct options, path, NULL, LEAT_OPT_REQUIRED | LEAT_OPT_ALONE | LEAT_OPT_PATH,
        "The file to append to.")};

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC, .abi_major = LEAT_ABI_MAJOR, .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1, .kind = LEAT_KIND_SINK, .name = "template", .version = "1",
    .license = "Apache-2.0", .summary = "appends records to a file, to begin a plugin with",
    .ops = &ops, .options = table, .option_count = sizeof table / sizeof *table,
    .option_stride = sizeof *table, .config_size = sizeof(struct options)};
LEAT_ELF_NOTE(0);
