/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_output.c -- see tail_output.h.
 */
#include "tail_output.h"

#include "glob.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)64 * 1024)
#define ESCAPED_BYTES 6 /* "\u0085" */
/* What poll(2) calls writable takes so much at once, whatever it is, without blocking. */
#define WRITE_BYTES ((size_t)4096)

struct leat_sink {
    const leat_host *host;
    struct tail_output *output;
    const leat_batch *batch; /* lent; NULL: none */
    uint32_t at;             /* its record in hand */
    size_t done;             /* bytes of that one's text that are in the buffer already */
    uint64_t shown;
    enum tail_came came; /* what output->came says */
    bool regular;        /* a file of the disk: takes any amount */
    size_t filled, sent;
    char buffer[BUFFER_BYTES];
};

/* ---- which records -------------------------------------------------------------------------- */

static bool table_matches(const struct tail_filter *filter, const leat_relation *relation)
{
    if (filter->table_count == 0)
        return true;
    for (size_t i = 0; relation && i < filter->table_count; i++)
        if (glob_match(filter->tables[i].schema, relation->schema.ptr, relation->schema.len) &&
            glob_match(filter->tables[i].table, relation->table.ptr, relation->table.len))
            return true;
    return false;
}

static bool is_shown(const struct tail_filter *filter, const leat_record *record)
{
    return (filter->ops == 0 || filter->ops & 1u << record->op) &&
           table_matches(filter, record->change->relation);
}

/* ---- a record's text, into the buffer ------------------------------------------------------- */

/* Copies from byte *skip of the piece on; what was before it is in the buffer already.  False: the
 * buffer is full, *skip says how far it came. */
static bool put_piece(struct leat_sink *sink, const char *text, size_t length, size_t *skip)
{
    size_t i = *skip;

    for (; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char before = i > 0 ? (unsigned char)text[i - 1] : 0;
        if (BUFFER_BYTES - sink->filled < ESCAPED_BYTES + 1) {
            *skip = i;
            return false;
        }
        if (!sink->output->terminal || sink->output->binary)
            sink->buffer[sink->filled++] = (char)c;
        else if (c == 0x7f)
            sink->filled += (size_t)sprintf(sink->buffer + sink->filled, "\\u007f");
        else if (before == 0xc2 && c < 0xa0) /* U+0080 to U+009F: the 0xc2 was held back */
            sink->filled += (size_t)sprintf(sink->buffer + sink->filled, "\\u00%02x", c);
        else if (c == 0xc2)
            continue;
        else {
            if (before == 0xc2)
                sink->buffer[sink->filled++] = (char)before;
            sink->buffer[sink->filled++] = (char)c;
        }
    }
    *skip = i;
    return true;
}

/* Plain copying where nothing is rewritten: the usual case. */
static bool copy_piece(struct leat_sink *sink, const char *text, size_t length, size_t *skip)
{
    size_t room = BUFFER_BYTES - sink->filled;
    size_t left = length - *skip;
    size_t now = left < room ? left : room;

    if (sink->output->terminal && !sink->output->binary)
        return put_piece(sink, text, length, skip);
    memcpy(sink->buffer + sink->filled, text + *skip, now);
    sink->filled += now;
    *skip += now;
    return now == left;
}

/* route, tab, value, newline; sink->done counts over all of them. */
static bool put_record(struct leat_sink *sink, const leat_record *record)
{
    bool routes = sink->output->routes;
    const leat_bytes pieces[] = {
        {record->route.ptr, routes ? record->route.len : 0},
        {"\t", routes ? 1 : 0},
        record->value,
        {"\n", sink->output->binary ? 0 : 1},
    };
    size_t before = 0;

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t skip = sink->done > before ? sink->done - before : 0;
        bool whole = skip >= pieces[i].len || copy_piece(sink, pieces[i].ptr, pieces[i].len, &skip);
        if (!whole) {
            sink->done = before + skip;
            return false;
        }
        before += pieces[i].len;
        if (sink->done < before)
            sink->done = before;
    }
    sink->done = 0;
    return true;
}

static bool is_counted_out(const struct leat_sink *sink)
{
    uint64_t count = sink->output->filter->count;

    return count > 0 && sink->shown >= count;
}

/* Relaxed: nothing else is read because of it. */
static void note_came(struct leat_sink *sink, enum tail_came came)
{
    if (came <= sink->came)
        return;
    sink->came = came;
    atomic_store_explicit(&sink->output->came, (int)came, memory_order_relaxed);
}

/* Fills the buffer; at == record_count afterwards: nothing of the batch is left. */
static void fill(struct leat_sink *sink)
{
    while (sink->at < sink->batch->record_count && !is_counted_out(sink)) {
        const leat_record *record = leat_batch_at(sink->batch, sink->at);
        bool shown = sink->done > 0 || is_shown(sink->output->filter, record);
        note_came(sink, shown ? TAIL_CHOSEN : TAIL_OTHERS);
        if (shown) {
            if (!put_record(sink, record))
                return;
            sink->shown++;
        }
        sink->at++;
    }
}

/* ---- out ------------------------------------------------------------------------------------ */

static void end(struct leat_sink *sink, enum tail_end how)
{
    int runs = TAIL_RUNS;

    (void)atomic_compare_exchange_strong(&sink->output->ended, &runs, (int)how);
    doorbell_force(sink->output->bell);
}

/* True when it may be written to; waits for that, or for the host. */
static bool is_writable(const struct leat_sink *sink, int32_t max_wait_ms)
{
    struct pollfd fds[] = {{.fd = sink->output->fd, .events = POLLOUT},
                           {.fd = sink->host->wake_fd, .events = POLLIN}};

    if (sink->regular)
        return true;
    return poll(fds, 2, max_wait_ms) > 0 && fds[0].revents != 0;
}

/* False: wait. */
static bool send_some(struct leat_sink *sink, int32_t max_wait_ms)
{
    size_t left = sink->filled - sink->sent;
    ssize_t sent;

    if (!is_writable(sink, max_wait_ms))
        return false;
    if (!sink->regular && left > WRITE_BYTES)
        left = WRITE_BYTES;
    sent = write(sink->output->fd, sink->buffer + sink->sent, left);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (sent < 0) {
        end(sink, errno == EPIPE ? TAIL_CLOSED : TAIL_BROKEN);
        return false;
    }
    sink->sent += (size_t)sent;
    if (sink->sent == sink->filled)
        sink->sent = sink->filled = 0;
    return true;
}

static void give_back(struct leat_sink *sink)
{
    leat_result result = {
        .size = sizeof result, .status = LEAT_OK, .durable_count = sink->batch->record_count};
    uint64_t token = sink->batch->token;

    sink->batch = NULL;
    sink->host->batch_done(sink->host, token, &result);
}

/* ---- the operations ------------------------------------------------------------------------- */

static leat_status create(const leat_host *host, const void *config, leat_sink **out,
                          leat_error *error)
{
    struct stat about;
    leat_sink *sink = *out = malloc(sizeof *sink);

    if (!sink) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return LEAT_EFATAL;
    }
    memset(sink, 0, offsetof(leat_sink, buffer));
    sink->host = host;
    sink->output = (struct tail_output *)(uintptr_t)config;
    sink->regular = fstat(sink->output->fd, &about) == 0 && S_ISREG(about.st_mode);
    return LEAT_OK;
}

static leat_status start(leat_sink *sink, leat_sink_start *begin, leat_error *error)
{
    (void)sink;
    (void)error;
    begin->holds = LEAT_HOLDS_UNKNOWN;
    return LEAT_OK;
}

static leat_status submit(leat_sink *sink, const leat_batch *batch)
{
    if (sink->batch || atomic_load_explicit(&sink->output->ended, memory_order_relaxed))
        return LEAT_AGAIN;
    sink->batch = batch;
    sink->at = 0;
    sink->done = 0;
    return LEAT_OK;
}

static leat_status poll_output(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    struct pollfd wake = {.fd = sink->host->wake_fd, .events = POLLIN};

    (void)error;
    if (!sink->batch || atomic_load_explicit(&sink->output->ended, memory_order_relaxed)) {
        if (max_wait_ms != 0)
            (void)poll(&wake, 1, max_wait_ms);
        return LEAT_OK;
    }
    for (;;) {
        fill(sink);
        if (sink->filled == 0)
            break;
        if (!send_some(sink, max_wait_ms))
            return LEAT_OK;
    }
    if (is_counted_out(sink))
        end(sink, TAIL_COUNTED);
    else
        give_back(sink);
    return LEAT_OK;
}

static leat_status stop(leat_sink *sink, uint32_t deadline_ms)
{
    (void)deadline_ms;
    sink->batch = NULL;
    return LEAT_OK;
}

static void destroy(leat_sink *sink)
{
    free(sink);
}

void tail_output_init(struct tail_output *output, const leat_route_rules *rules)
{
    output->ops = (leat_sink_ops){
        .size = sizeof output->ops,
        .route = rules,
        .create = create,
        .start = start,
        .submit = submit,
        .poll = poll_output,
        .stop = stop,
        .destroy = destroy,
    };
    output->plugin = (struct plugin){
        .descriptor = {.size = sizeof output->plugin.descriptor,
                       .kind = LEAT_KIND_SINK,
                       .name = "tail",
                       .version = LEAT_VERSION,
                       .config_size = sizeof *output},
        .ops = {.sink = output->ops},
    };
    atomic_init(&output->ended, TAIL_RUNS);
    atomic_init(&output->came, TAIL_NOTHING);
}
