/* SPDX-License-Identifier: Apache-2.0
 *
 * ndjson.c -- a source that replays a file: each line is one JSON object, and one transaction of one change.
 *
 * A line's position is the byte offset of its end, so the file is its own index: started at a position, the
 * source goes on behind that line, and nothing has to be kept.  A line becomes a message with the prefix that
 * is configured and the line as its content.  A line without its newline is not whole yet: with `follow` it
 * is waited for, else the stream ends before it.
 *
 * What ties a position to this file is a fact of the origin, the file's identity (device and inode): another
 * file under the same name is a gap, not a continuation.
 */
#include <leat/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct options { /* filled from the table at the end */
    const char *path, *name, *prefix;
    int64_t line_max, interval_ms;
    bool follow;
};

struct leat_source {
    const leat_host *host;
    const struct options *options;
    int fd;
    char *buffer;              /* line_max bytes and a newline */
    size_t at, length;         /* what of the file is in it: `length` bytes from `position` on, beginning at `at` */
    uint64_t position;         /* everything before it was handed over */
    uint64_t confirmed;
    leat_writer *writer;       /* the open batch, or NULL */
    bool begun, at_end;
    char identity[64];
};

static leat_status say(leat_error *error, leat_status status, const char *what, const char *why)
{
    (void)snprintf(error->text, sizeof error->text, "%s: %s", what, why);
    return status;
}

static leat_status source_create(const leat_host *host, const void *config, leat_source **out, leat_error *error)
{
    const struct options *options = config;
    leat_source *source = *out = calloc(1, sizeof *source);
    if (!source)
        return say(error, LEAT_EFATAL, "create", "no memory");
    *source = (leat_source){.host = host, .options = options, .fd = -1};
    source->buffer = malloc((size_t)options->line_max + 1);
    return source->buffer ? LEAT_OK : say(error, LEAT_EFATAL, "create", "no memory for a line; lower line_max");
}

/* The file is what it was: the same one, and not shorter than what was read of it. */
static leat_status recognize(leat_source *source, const leat_source_start *start, leat_error *error)
{
    const char *path = source->options->path;
    struct stat st;
    if (fstat(source->fd, &st) != 0)
        return say(error, LEAT_EFATAL, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return say(error, LEAT_ECONFIG, path, "not a regular file");
    (void)snprintf(source->identity, sizeof source->identity, "%llx:%llx", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    for (uint32_t i = 0; i < start->fact_count; i++)
        if (strcmp(start->facts[i].name, "file") == 0 && strcmp(start->facts[i].value, source->identity) != 0) {
            error->exit_code = 65; /* a gap in the data is possible */
            return say(error, LEAT_EFATAL, path, "this is not the file that was read before");
        }
    if ((uint64_t)st.st_size < start->position) {
        error->exit_code = 65;
        return say(error, LEAT_EFATAL, path, "the file is shorter than what was read of it before");
    }
    return LEAT_OK;
}

static leat_status source_start(leat_source *source, const leat_source_start *start, leat_error *error)
{
    source->fd = open(source->options->path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0)
        return say(error, LEAT_ECONFIG, source->options->path, strerror(errno));
    source->position = source->confirmed = start->position;
    return recognize(source, start, error);
}

static void begin(leat_source *source)
{
    leat_pair fact = {"file", source->identity};
    struct stat st;
    leat_origin origin = {.size = sizeof origin, .fact_count = 1, .position = source->position,
                          .name_space = source->options->name, .facts = &fact};
    if (fstat(source->fd, &st) == 0)
        origin.newest = source->options->follow ? 0 : (uint64_t)st.st_size;
    source->host->begin(source->host, &origin);
    source->begun = true;
}

/* The length of the first whole line, with its newline; 0: there is none yet; -1: errno. */
static ssize_t next_line(leat_source *source)
{
    for (;;) {
        char *line = source->buffer + source->at;
        char *end = source->length ? memchr(line, '\n', source->length) : NULL;
        if (end)
            return end + 1 - line;
        memmove(source->buffer, line, source->length);
        source->at = 0;
        size_t room = (size_t)source->options->line_max + 1 - source->length;
        ssize_t got = room ? pread(source->fd, source->buffer + source->length, room,
                                   (off_t)(source->position + source->length)) : 0;
        if (room == 0)
            errno = EMSGSIZE;
        if (got < 0 || room == 0)
            return -1;
        if (got == 0)
            return 0;
        source->length += (size_t)got;
    }
}

/* One change, in room that was reserved before: AGAIN leaves everything as it was. */
static leat_status hand_over(leat_source *source, size_t line, leat_error *error)
{
    const struct options *options = source->options;
    size_t prefix = strlen(options->prefix);
    leat_status status = source->writer ? LEAT_OK : source->host->batch_open(source->host, &source->writer);
    if (status != LEAT_OK)
        return status;
    leat_writer *writer = source->writer;
    status = leat_writer_reserve(source->host, writer,
                                 leat_writer_change_size(writer) + sizeof(leat_transaction) + prefix + line + 32, error);
    if (status != LEAT_OK)
        return status;
    leat_transaction *transaction = leat_arena_take(&writer->arena, sizeof *transaction);
    leat_change *change = leat_writer_append(writer);
    char *text = memcpy(leat_arena_take(&writer->arena, line), source->buffer + source->at, line);
    *transaction = (leat_transaction){.size = sizeof *transaction, .position = source->position + line};
    change->identity = (leat_identity){source->position + line, 0};
    change->transaction = transaction;
    change->op = LEAT_MESSAGE;
    change->flags = LEAT_CHANGE_TX_FIRST | LEAT_CHANGE_TX_LAST | LEAT_CHANGE_TRANSACTIONAL;
    change->bytes = (uint32_t)line;
    change->u.message.prefix = (leat_bytes){memcpy(leat_arena_take(&writer->arena, prefix + 1), options->prefix, prefix), prefix};
    change->u.message.content = (leat_bytes){text, line - 1}; /* without the newline */
    source->position += line;
    source->at += line;
    source->length -= line;
    writer->safe_position = source->position; /* every line is whole by itself */
    return LEAT_OK;
}

static void publish(leat_source *source)
{
    if (source->writer)
        source->host->batch_publish(source->host, source->writer);
    source->writer = NULL;
}

static leat_status source_poll(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    enum { LINES_A_POLL = 1000 };
    struct pollfd wake = {.fd = source->host->wake_fd, .events = POLLIN};
    leat_status status = LEAT_OK;
    ssize_t line = 0;
    if (!source->begun)
        begin(source);
    for (int i = 0; i < LINES_A_POLL && status == LEAT_OK && (line = next_line(source)) > 0; i++) {
        status = hand_over(source, (size_t)line, error);
        if (source->writer && source->writer->full)
            publish(source);
    }
    publish(source);
    if (status < 0)
        return status;
    if (line < 0)
        return say(error, errno == EMSGSIZE ? LEAT_EREJECT : LEAT_EFATAL, source->options->path,
                   errno == EMSGSIZE ? "a line is longer than line_max" : strerror(errno));
    source->at_end = line == 0;
    if (source->at_end && !source->options->follow && source->confirmed >= source->position)
        return LEAT_EOF; /* all of it is durable everywhere */
    if (status == LEAT_OK && line > 0)
        return LEAT_OK; /* there is more */
    if (source->at_end && source->options->follow && (max_wait_ms < 0 || max_wait_ms > source->options->interval_ms))
        max_wait_ms = (int32_t)source->options->interval_ms;
    (void)poll(&wake, 1, max_wait_ms);
    return LEAT_OK;
}

static void source_progress(leat_source *source, const leat_progress *progress)
{
    source->confirmed = progress->durable_position;
}

static leat_status source_stop(leat_source *source, uint32_t deadline_ms)
{
    (void)deadline_ms; /* nobody has to be told */
    if (source->fd >= 0)
        (void)close(source->fd);
    source->fd = -1;
    return LEAT_OK;
}

static void source_destroy(leat_source *source)
{
    if (!source)
        return;
    (void)source_stop(source, 0);
    free(source->buffer);
    free(source);
}

static const leat_source_ops ops = {.size = sizeof ops, .create = source_create, .start = source_start,
    .poll = source_poll, .progress = source_progress, .stop = source_stop, .destroy = source_destroy};

static const leat_option table[] = {
    LEAT_OPTION_STRING("path", struct options, path, NULL, LEAT_OPT_REQUIRED, "The file to read."),
    LEAT_OPTION_STRING("name_space", struct options, name, "ndjson", 0, "Begins the id of each record."),
    LEAT_OPTION_STRING("prefix", struct options, prefix, "ndjson", 0, "The prefix of the messages, for routes."),
    LEAT_OPTION_BOOL("follow", struct options, follow, "false", 0, "Wait for more at the end of the file."),
    LEAT_OPTION_DURATION("interval", struct options, interval_ms, "100ms", 1, 60000, 0, "How often to look for more."),
    LEAT_OPTION_SIZE("line_max", struct options, line_max, "1MiB", 1024, 67108864, 0, "The longest line."),
};

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC, .abi_major = LEAT_ABI_MAJOR, .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1, .kind = LEAT_KIND_SOURCE, .name = "ndjson", .version = "1.0",
    .license = "Apache-2.0", .summary = "a file of JSON, a line each", .ops = &ops, .options = table,
    .option_count = sizeof table / sizeof *table, .option_stride = sizeof *table,
    .config_size = sizeof(struct options)};
LEAT_ELF_NOTE(0);
