/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_sink.c -- a sink plugin for tests that behaves as badly as it is told to.
 *
 * It appends each record's identity, once it calls it durable, to the file `log`.  Results are given
 * by a thread of its own, as client libraries do.  On start it says what the file holds (`holds`); in
 * the mode `forget` it goes down once and has then lost the last `every` records, like a server that
 * had not synced.
 */
#include "entry.h"

#include <leat/plugin.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    OK,
    SLOW,
    FAIL,
    DOWN,
    OUT_OF_ORDER,
    TWICE,
    NEVER,
    REJECT,
    REFUSE,
    FORGET,
    DROP,
    LATE,
    CRASH,
    EXIT,
    BLOCK,
    SCRIBBLE,
    WRITE
};
static const char *const modes[] = {
    "ok",     "slow", "fail", "down",  "out_of_order", "twice", "never",    "reject", "refuse",
    "forget", "drop", "late", "crash", "exit",         "block", "scribble", "write",  NULL};

struct options {
    const char *log;
    int64_t mode, every, lent, delay_us, hold, certificate;
    int64_t in_create, in_check;
    bool holds;
};

#define LENT_MAX 64

struct lent {
    uint64_t token;
    const leat_batch *batch;
};

struct leat_sink {
    const leat_host *host;
    const struct options *options;
    FILE *log;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct lent lent[LENT_MAX]; /* under lock, oldest first */
    uint32_t count;             /* under lock */
    uint64_t done;              /* under lock: batches given back */
    bool failing;               /* under lock: everything lent goes back with ERETRY */
    leat_identity failed;       /* under lock: the first record that was not taken; 0: none */
    bool quit, running, down;   /* under lock */
    bool forgot;                /* under lock: it has lost once what it was to lose */
    leat_identity last;         /* under lock */
    bool any;
    uint32_t polls;
    const leat_metrics *metrics; /* the host's; NULL: it has none */
    int32_t given_back;          /* a metric: batches given back */
    uint64_t failed_token;       /* under lock: of the batch that was failed last; 0: none */
};

static void record_durable(leat_sink *sink, const leat_batch *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const leat_record *record = leat_batch_at(batch, i);
        (void)fprintf(sink->log, "%llu %lld %.*s\n", (unsigned long long)record->identity.position,
                      (long long)record->identity.seq, (int)record->route.len,
                      record->route.ptr ? record->route.ptr : "");
        sink->last = record->identity;
        sink->any = true;
    }
    (void)fflush(sink->log);
}

/* Under lock: takes entry `index` out and gives it back with this result. */
static void give_back(leat_sink *sink, uint32_t index, leat_status status, uint32_t durable)
{
    struct lent lent = sink->lent[index];
    leat_result result = {.size = sizeof result,
                          .status = status,
                          .durable_count = durable,
                          .hold_ms = (uint32_t)sink->options->hold,
                          .text = {"as told", 7}};

    record_durable(sink, lent.batch, status == LEAT_OK ? lent.batch->record_count : durable);
    if (status != LEAT_OK && sink->failed.position == 0)
        sink->failed = leat_batch_at(lent.batch, durable)->identity;
    memmove(&sink->lent[index], &sink->lent[index + 1],
            (sink->count - index - 1) * sizeof *sink->lent);
    sink->count--;
    sink->done++;
    if (sink->metrics)
        sink->metrics->set(sink->host, sink->given_back, (double)sink->done);
    sink->host->batch_done(sink->host, lent.token, &result);
    if (sink->options->mode == TWICE && sink->done % (uint64_t)sink->options->every == 0)
        sink->host->batch_done(sink->host, lent.token, &result);
}

/* Under lock: whether this turn is one in which it misbehaves. */
static bool misbehaves(const leat_sink *sink)
{
    return (sink->done + 1) % (uint64_t)sink->options->every == 0;
}

/* Writes nonsense over all memory that it shares with the daemon and can write to. */
static void scribble(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (strstr(line, "leat-") && sscanf(line, "%lx-%lx rw", &from, &to) == 2 &&
            strstr(line, " rw"))
            memset((void *)from, 0x5a, to - from);
    }
    if (maps)
        (void)fclose(maps);
}

static _Noreturn void block(const leat_sink *sink)
{
    sink->host->log(sink->host, LEAT_LOG_WARN, "as told: blocks", NULL, 0);
    for (;;)
        (void)pause();
}

/* Under lock: what only a sink in a process of its own may do.  It may end anywhere. */
static void go_wild(leat_sink *sink)
{
    struct timespec now;
    const leat_batch *batch = sink->lent[0].batch;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (sink->options->mode != CRASH && !misbehaves(sink))
        return;
    if (sink->options->mode == EXIT)
        _exit(3);
    if (sink->options->mode == WRITE)
        *(volatile char *)(uintptr_t)leat_batch_at(batch, 0)->value.ptr = 'x';
    if (sink->options->mode == SCRIBBLE) {
        scribble();
        sink->host->wake(sink->host);
    }
    if (sink->options->mode == CRASH && now.tv_nsec / 1000 % sink->options->every == 0) {
        if (now.tv_nsec & 512)
            record_durable(sink, batch, batch->record_count / (now.tv_nsec & 1024 ? 1 : 2));
        (void)kill(getpid(), SIGKILL);
    }
}

/* Under lock: now that the batch is lent again it says OK to the time before, and has not taken it. */
static void answer_late(leat_sink *sink)
{
    leat_result result = {.size = sizeof result, .status = LEAT_OK};

    sink->host->batch_done(sink->host, sink->failed_token, &result);
    sink->failed_token = 0;
    sink->failing = true;
    give_back(sink, 0, LEAT_ERETRY, 0);
}

static void answer(leat_sink *sink)
{
    uint32_t records = sink->lent[0].batch->record_count;

    if (sink->options->mode >= CRASH)
        go_wild(sink);
    if (sink->failing) {
        while (sink->count > 0)
            give_back(sink, 0, LEAT_ERETRY, 0);
        sink->failing = false;
    } else if (sink->options->mode == LATE && sink->failed_token == 0 && misbehaves(sink)) {
        sink->failing = true;
        sink->failed_token = sink->lent[0].token;
        give_back(sink, 0, LEAT_ERETRY, 0);
    } else if (sink->options->mode == LATE && sink->failed_token != 0) {
        answer_late(sink);
    } else if (sink->options->mode == FAIL && misbehaves(sink)) {
        sink->failing = true;
        give_back(sink, 0, LEAT_ERETRY, records / 2);
    } else if (sink->options->mode == REJECT && misbehaves(sink)) {
        sink->failing = true;
        give_back(sink, 0, LEAT_EREJECT, records / 2);
    } else if ((sink->options->mode == DOWN && misbehaves(sink)) ||
               (sink->options->mode == FORGET && !sink->forgot && sink->done > 20)) {
        sink->down = true;
        sink->done++;
        sink->host->wake(sink->host);
    } else if (sink->options->mode == DROP && misbehaves(sink)) {
        give_back(sink, 0, LEAT_OK,
                  0); /* then it is down, and wakes nobody: the next poll says so */
        sink->down = true;
    } else if (sink->options->mode == OUT_OF_ORDER) {
        give_back(sink, sink->count - 1, LEAT_OK, 0);
    } else {
        give_back(sink, 0, LEAT_OK, 0);
    }
}

static void *answers(void *argument)
{
    leat_sink *sink = argument;

    (void)pthread_mutex_lock(&sink->lock);
    while (!sink->quit) {
        if (sink->options->mode == NEVER || sink->down || sink->count == 0) {
            sink->failing = false;
            (void)pthread_cond_wait(&sink->moved, &sink->lock);
            continue;
        }
        if (sink->options->delay_us > 0) {
            (void)pthread_mutex_unlock(&sink->lock);
            (void)usleep((useconds_t)sink->options->delay_us);
            (void)pthread_mutex_lock(&sink->lock);
            if (sink->quit || sink->count == 0)
                continue;
        }
        answer(sink);
    }
    (void)pthread_mutex_unlock(&sink->lock);
    return NULL;
}

static void declare_metrics(leat_sink *sink)
{
    const leat_host *host = sink->host;
    int32_t certificate;

    sink->metrics = host->extension ? host->extension(host, LEAT_EXTENSION_METRICS) : NULL;
    if (!sink->metrics)
        return;
    sink->given_back = sink->metrics->declare(host, LEAT_METRIC_COUNTER, "fake_given_back_total",
                                              NULL, NULL, "Batches that the fake gave back.");
    certificate = sink->metrics->declare(host, LEAT_METRIC_GAUGE, LEAT_METRIC_CERTIFICATE,
                                         "certificate", "server", LEAT_METRIC_CERTIFICATE_HELP);
    if (sink->options->certificate > 0)
        sink->metrics->set(host, certificate, (double)sink->options->certificate);
}

static leat_status fake_create(const leat_host *host, const void *config, leat_sink **out,
                               leat_error *error)
{
    leat_sink *sink = calloc(1, sizeof *sink);

    *out = sink;
    if (!sink) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return LEAT_EFATAL;
    }
    sink->host = host;
    sink->options = config;
    (void)pthread_mutex_init(&sink->lock, NULL);
    (void)pthread_cond_init(&sink->moved, NULL);
    declare_metrics(sink);
    enter(sink->options->in_create);
    if (sink->options->in_create == ENTRY_NO) {
        error->exit_code = 65;
        (void)snprintf(error->text, sizeof error->text, "in_create: no, as told");
        return LEAT_ECONFIG;
    }
    sink->log = fopen(sink->options->log, "a");
    if (!sink->log)
        (void)snprintf(error->text, sizeof error->text, "cannot open %s", sink->options->log);
    return sink->log ? LEAT_OK : LEAT_ECONFIG;
}

/* Cuts a torn last line, in the mode `forget` after a fall also the last `every` lines, and finds the
 * identity of the last one left. */
static bool mend_log(leat_sink *sink)
{
    FILE *in = fopen(sink->options->log, "r");
    long keep[4096] = {0}, end = 0;
    leat_identity last[4096] = {{0, 0}};
    char line[256];
    uint64_t lines = 0, lost = 0;

    if (!in)
        return true;
    while (fgets(line, sizeof line, in) && strchr(line, '\n')) {
        unsigned long long position;
        long long seq;
        if (sscanf(line, "%llu %lld", &position, &seq) != 2)
            break;
        end = ftell(in);
        keep[lines % 4096] = end;
        last[lines++ % 4096] = (leat_identity){position, seq};
    }
    (void)fclose(in);
    if (sink->options->mode == FORGET && sink->down)
        lost = (uint64_t)sink->options->every;
    if (lost >= lines || lost >= 4096)
        return lines == 0;
    sink->any = true;
    sink->last = last[(lines - lost - 1) % 4096];
    return truncate(sink->options->log, lost ? keep[(lines - lost - 1) % 4096] : end) == 0;
}

static leat_status fake_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    if (sink->options->mode == REFUSE) {
        (void)snprintf(error->text, sizeof error->text, "refused as told");
        return LEAT_ECONFIG;
    }
    if (!mend_log(sink)) {
        (void)snprintf(error->text, sizeof error->text, "%s cannot be mended", sink->options->log);
        return LEAT_EFATAL;
    }
    sink->forgot = sink->forgot || sink->down;
    sink->quit = sink->down = sink->failing = false;
    sink->failed.position = 0;
    if (sink->options->holds) {
        start->holds = sink->any ? LEAT_HOLDS_LAST : LEAT_HOLDS_UNKNOWN;
        start->last = sink->last;
    }
    if (pthread_create(&sink->thread, NULL, answers, sink) != 0) {
        (void)snprintf(error->text, sizeof error->text, "no thread");
        return LEAT_ERETRY;
    }
    sink->running = true;
    return LEAT_OK;
}

static leat_status fake_submit(leat_sink *sink, const leat_batch *batch)
{
    leat_status status = LEAT_AGAIN;

    leat_identity first = leat_batch_at(batch, 0)->identity;

    if (sink->options->mode == BLOCK && sink->polls++ > (uint32_t)sink->options->every)
        block(sink);
    (void)pthread_mutex_lock(&sink->lock);
    /* A dead letter takes the failed record away: what follows it at once is in order too. */
    if (sink->failed.position != 0 && sink->count == 0 &&
        (leat_identity_compare(first, sink->failed) <= 0 ||
         (sink->options->mode == REJECT && batch->attempt > 0)))
        sink->failed.position = 0;
    if (!sink->down && !sink->failing && sink->failed.position == 0 &&
        sink->count < (uint32_t)sink->options->lent) {
        sink->lent[sink->count++] = (struct lent){batch->token, batch};
        (void)pthread_cond_signal(&sink->moved);
        status = LEAT_OK;
    }
    (void)pthread_mutex_unlock(&sink->lock);
    if (status == LEAT_AGAIN && sink->polls++ % 8 == 0)
        sink->host->wake(sink->host);
    return status;
}

static leat_status fake_stop(leat_sink *sink, uint32_t deadline_ms)
{
    (void)deadline_ms;
    if (!sink->running)
        return LEAT_OK;
    (void)pthread_mutex_lock(&sink->lock);
    sink->quit = true;
    sink->count = 0;
    (void)pthread_cond_signal(&sink->moved);
    (void)pthread_mutex_unlock(&sink->lock);
    (void)pthread_join(sink->thread, NULL);
    sink->running = false;
    return LEAT_OK;
}

static leat_status fake_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    struct pollfd fd = {.fd = sink->host->wake_fd, .events = POLLIN};
    bool down;

    (void)pthread_mutex_lock(&sink->lock);
    down = sink->down;
    (void)pthread_mutex_unlock(&sink->lock);
    if (!down && max_wait_ms != 0)
        (void)poll(&fd, 1, max_wait_ms);
    if (!down)
        return LEAT_OK;
    (void)snprintf(error->text, sizeof error->text, "went down as told");
    return LEAT_ERETRY;
}

static void fake_destroy(leat_sink *sink)
{
    if (!sink)
        return;
    (void)fake_stop(sink, 0);
    if (sink->log)
        (void)fclose(sink->log);
    (void)pthread_mutex_destroy(&sink->lock);
    (void)pthread_cond_destroy(&sink->moved);
    free(sink);
}

static void fake_check(const void *config, leat_check *check)
{
    const struct options *given = config;
    char text[64];

    (void)snprintf(text, sizeof text, "looked at by process %d", (int)getpid());
    check->report(check, LEAT_FINDING_OK, 0, text, NULL);
    for (size_t i = 0; i < check->routes.count; i++)
        check->report(check, LEAT_FINDING_WARNING, 0, check->routes.items[i], "one\ntwo");
    enter(given->in_check);
    if (given->in_check == ENTRY_NO)
        check->report(check, LEAT_FINDING_ERROR, 65, "in_check: no, as told", NULL);
}

static const leat_route_rules rules = {
    .allowed = "abcdefghijklmnopqrstuvwxyz", .literal = ".", .escape = '%', .max_length = 64};

static const leat_sink_ops ops = {
    .size = sizeof ops,
    .caps = LEAT_SINK_OUT_OF_ORDER | LEAT_SINK_WANTS_ID | LEAT_SINK_WANTS_KEY,
    .route = &rules,
    .create = fake_create,
    .start = fake_start,
    .submit = fake_submit,
    .poll = fake_poll,
    .stop = fake_stop,
    .destroy = fake_destroy,
    .check = fake_check,
};

static const leat_option options[] = {
    LEAT_OPTION_STRING("log", struct options, log, NULL, LEAT_OPT_REQUIRED, "where identities go"),
    LEAT_OPTION_ENUM("mode", struct options, mode, "ok", modes, 0, "how it behaves"),
    LEAT_OPTION_INT("every", struct options, every, "7", 1, 1000000, 0,
                    "it misbehaves in every so-manieth batch"),
    LEAT_OPTION_INT("lent", struct options, lent, "16", 1, LENT_MAX, 0, "batches it takes at once"),
    LEAT_OPTION_INT("delay_us", struct options, delay_us, "0", 0, 10000000, 0,
                    "microseconds before each answer"),
    LEAT_OPTION_DURATION("hold", struct options, hold, "0ms", 0, 600000, 0,
                         "how much later than accepted it is durable"),
    LEAT_OPTION_INT("certificate", struct options, certificate, "0", 0, INT64_MAX, 0,
                    "the end of the certificate that it claims to have, in seconds since 1970"),
    LEAT_OPTION_ENUM("in_create", struct options, in_create, "ok", entries, 0, "what create does"),
    LEAT_OPTION_ENUM("in_check", struct options, in_check, "ok", entries, 0, "what check does"),
    LEAT_OPTION_BOOL("holds", struct options, holds, "true", 0, "say what it holds when it starts"),
};

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC,
    .abi_major = LEAT_ABI_MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1,
    .kind = LEAT_KIND_SINK,
    .name = "fake_sink",
    .version = "1",
    .license = "Apache-2.0",
    .summary = "takes records and misbehaves as told, for tests",
    .ops = &ops,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_stride = sizeof *options,
    .config_size = sizeof(struct options),
};

LEAT_ELF_NOTE(0);
