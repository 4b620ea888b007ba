/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_source.c -- a source plugin for tests: makes a known stream of changes.
 *
 * Transactions of `rows` changes each, at positions 1000, 2000, ...; safe positions lie 10 behind.
 * It ends (EOF) once everything it made has been confirmed to it.  Started at a position, it goes on
 * behind it, like a slot.
 */
#include "entry.h"

#include <leat/plugin.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
    int64_t transactions, rows, size, burst, in_create;
    bool end, timed, guard;
};

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct leat_source {
    const leat_host *host;
    const struct options *options;
    leat_writer *writer;
    const leat_transaction *transaction; /* in this batch's arena; NULL: none yet */
    int64_t tx, row;                     /* the next change */
    uint64_t confirmed;
    leat_relation relation;
    leat_column column[2];
    uint16_t key[1];
    bool begun;
    char *text;
    int64_t stands_since_ns; /* no batch to be had since; 0: there is one */
};

static leat_status no_memory(leat_error *error)
{
    (void)snprintf(error->text, sizeof error->text, "no memory");
    return LEAT_EFATAL;
}

static leat_status fake_create(const leat_host *host, const void *config, leat_source **out,
                               leat_error *error)
{
    leat_source *source = calloc(1, sizeof *source);

    *out = source;
    if (!source)
        return no_memory(error);
    source->host = host;
    source->options = config;
    enter(source->options->in_create);
    if (source->options->in_create == ENTRY_NO) {
        error->exit_code = 65;
        (void)snprintf(error->text, sizeof error->text, "in_create: no, as told");
        return LEAT_ECONFIG;
    }
    source->text = malloc((size_t)source->options->size + 1);
    if (!source->text)
        return no_memory(error);
    memset(source->text, 'x', (size_t)source->options->size);
    source->column[0] =
        (leat_column){.name = {"id", 2}, .flags = LEAT_COLUMN_KEY, .kind = LEAT_VALUE_INTEGER};
    source->column[1] = (leat_column){.name = {"note", 4}, .kind = LEAT_VALUE_TEXT};
    source->relation = (leat_relation){.size = sizeof source->relation,
                                       .column_count = 2,
                                       .column_stride = sizeof(leat_column),
                                       .key_count = 1,
                                       .id = 1,
                                       .schema = {"public", 6},
                                       .table = {"fake", 4},
                                       .columns = source->column,
                                       .key = source->key};
    return LEAT_OK;
}

static leat_status fake_start(leat_source *source, const leat_source_start *start,
                              leat_error *error)
{
    (void)error;
    source->tx =
        (int64_t)(start->position / 1000); /* confirmed: 1010 means transaction 1 is done */
    source->confirmed = start->position;
    return LEAT_OK;
}

static uint64_t position_of(int64_t tx)
{
    return (uint64_t)(tx + 1) * 1000;
}

static void publish(leat_source *source)
{
    source->host->batch_publish(source->host, source->writer);
    source->writer = NULL;
    source->transaction = NULL;
}

static leat_status make_change(leat_source *source, leat_error *error)
{
    size_t size = (size_t)source->options->size;
    leat_writer *writer = source->writer;
    leat_transaction *transaction;
    leat_change *change;
    leat_value *values;
    char *digits;
    leat_status status;

    status = leat_writer_reserve(source->host, writer,
                                 leat_writer_change_size(writer) + sizeof *transaction +
                                     2 * sizeof *values + 32 + size + 64,
                                 error);
    if (status != LEAT_OK)
        return status;
    if (!source->transaction) {
        transaction = leat_arena_take(&writer->arena, sizeof *transaction);
        *transaction =
            (leat_transaction){.size = sizeof *transaction,
                               .xid = (uint32_t)source->tx + 1,
                               .position = position_of(source->tx),
                               .commit_us = source->options->timed ? now_us() : source->tx};
        source->transaction = transaction;
    }
    change = leat_writer_append(writer);
    values = leat_arena_take(&writer->arena, 2 * sizeof *values);
    digits = leat_arena_take(&writer->arena, 32);
    memset(values, 0, 2 * sizeof *values);
    values[0].kind = LEAT_VALUE_INTEGER;
    values[0].ptr = digits;
    values[0].len = (uint32_t)snprintf(
        digits, 32, "%lld", (long long)(source->tx * source->options->rows + source->row));
    values[1].kind = LEAT_VALUE_TEXT;
    values[1].ptr = memcpy(leat_arena_take(&writer->arena, size), source->text, size);
    values[1].len = (uint32_t)size;
    change->identity = (leat_identity){position_of(source->tx), source->row};
    change->transaction = source->transaction;
    change->relation = &source->relation;
    change->op = LEAT_INSERT;
    change->bytes = (uint32_t)size;
    change->u.row.after = values;
    change->u.row.key = values;
    if (source->row == 0)
        change->flags |= LEAT_CHANGE_TX_FIRST;
    if (source->row + 1 == source->options->rows)
        change->flags |= LEAT_CHANGE_TX_LAST;
    return LEAT_OK;
}

static void next_change(leat_source *source)
{
    if (++source->row < source->options->rows)
        return;
    source->writer->safe_position = position_of(source->tx) + 10;
    source->transaction = NULL;
    source->row = 0;
    source->tx++;
}

static void wait_for_host(leat_source *source, int32_t max_wait_ms)
{
    struct pollfd fd = {.fd = source->host->wake_fd, .events = POLLIN};

    (void)poll(&fd, 1, max_wait_ms);
}

/* leat.guard/1: where nothing moves any more, the one that is in the way goes. */
static void watch_over(leat_source *source, leat_status status)
{
    const leat_guard *guard = source->host->extension(source->host, LEAT_EXTENSION_GUARD);
    int64_t now_ns = source->host->now_ns(source->host);
    char behind[64], name[64];

    if (status != LEAT_AGAIN || source->stands_since_ns == 0) {
        source->stands_since_ns = status == LEAT_AGAIN ? now_ns : 0;
        return;
    }
    if (!guard || now_ns - source->stands_since_ns < INT64_C(200000000))
        return;
    source->stands_since_ns = 0;
    if (guard->behind(source->host, behind, sizeof behind) == LEAT_OK &&
        guard->drop_sink(source->host, "as told", name, sizeof name) == LEAT_OK &&
        strcmp(name, behind) != 0)
        abort();
}

static leat_status fake_poll(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    leat_pair fact = {"fake", "1"};
    leat_origin origin = {.size = sizeof origin,
                          .fact_count = 1,
                          .position = source->confirmed ? source->confirmed : 5,
                          .name_space = "fake",
                          .facts = &fact,
                          .newest = position_of(source->options->transactions)};
    leat_status status = LEAT_OK;

    if (!source->begun)
        source->host->begin(source->host, &origin);
    source->begun = true;
    for (int64_t i = 0; i < source->options->burst && source->tx < source->options->transactions;
         i++) {
        if (!source->writer)
            status = source->host->batch_open(source->host, &source->writer);
        if (status == LEAT_OK)
            status = make_change(source, error);
        if (status != LEAT_OK)
            break;
        next_change(source);
        if (source->writer->full)
            publish(source);
    }
    if (source->writer && source->writer->change_count > 0)
        publish(source);
    if (status < 0)
        return status;
    if (source->options->guard)
        watch_over(source, status);
    if (source->options->end && source->confirmed >= position_of(source->options->transactions - 1))
        return LEAT_EOF;
    /* A guard looks again by itself: nobody wakes it where nothing moves. */
    if (source->stands_since_ns != 0 && (max_wait_ms < 0 || max_wait_ms > 50))
        max_wait_ms = 50;
    if (status == LEAT_AGAIN || source->tx >= source->options->transactions)
        wait_for_host(source, max_wait_ms);
    return LEAT_OK;
}

static void fake_progress(leat_source *source, const leat_progress *progress)
{
    if (progress->durable_position != source->confirmed)
        source->stands_since_ns = 0;
    source->confirmed = progress->durable_position;
}

static leat_status fake_stop(leat_source *source, uint32_t deadline_ms)
{
    (void)source;
    (void)deadline_ms;
    return LEAT_OK;
}

static void fake_destroy(leat_source *source)
{
    if (source)
        free(source->text);
    free(source);
}

static const leat_source_ops ops = {
    .size = sizeof ops,
    .create = fake_create,
    .start = fake_start,
    .poll = fake_poll,
    .progress = fake_progress,
    .stop = fake_stop,
    .destroy = fake_destroy,
};

static const leat_option options[] = {
    LEAT_OPTION_INT("transactions", struct options, transactions, "10", 1, 1000000000, 0,
                    "how many transactions the stream has"),
    LEAT_OPTION_INT("rows", struct options, rows, "10", 1, 1000000000, 0, "changes in each"),
    LEAT_OPTION_BOOL("timed", struct options, timed, "false", 0,
                     "commits have the time of the clock"),
    LEAT_OPTION_SIZE("size", struct options, size, "100", 0, 1073741824, 0,
                     "bytes of text in a change"),
    LEAT_OPTION_INT("burst", struct options, burst, "1000", 1, 1000000000, 0,
                    "changes made in one poll at the most"),
    LEAT_OPTION_BOOL("guard", struct options, guard, "false", 0,
                     "have the sink dropped that holds everything back for 200 ms"),
    LEAT_OPTION_ENUM("in_create", struct options, in_create, "ok", entries, 0, "what create does"),
    LEAT_OPTION_BOOL("end", struct options, end, "true", 0, "end when all is confirmed"),
};

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC,
    .abi_major = LEAT_ABI_MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1,
    .kind = LEAT_KIND_SOURCE,
    .name = "fake_source",
    .version = "1",
    .license = "Apache-2.0",
    .summary = "a known stream of changes, for tests",
    .ops = &ops,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_stride = sizeof *options,
    .config_size = sizeof(struct options),
};

LEAT_ELF_NOTE(0);
