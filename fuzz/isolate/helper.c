/* SPDX-License-Identifier: Apache-2.0
 *
 * helper.c -- fuzzes what an isolated sink's helper process writes: the ring of results, the
 * messages, its bell and its voice.  The process is not there: its side of each is this program's.
 *
 * An input is a sequence of steps, a byte each with what it needs behind it.  What is checked: a
 * batch is given back at most once, and only with a result that a worker can take; nothing of it is
 * allocated for ever; no text with a control character reaches the log or an error; once the sink is
 * down nothing is offered.
 */
#include "isolate.h"
#include "isolate_internal.h"
#include "plugin_load.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY 0x7ffffff0 /* no process has this number */
#define LENT_MAX 64u

struct input {
    const uint8_t *at;
    size_t left;
};

static struct worker worker; /* first is the host */
static leat_sink_ops ops;
static leat_sink *sink;
static int socket_end, bell_end, voice_end;
static struct {
    uint64_t token;
    uint32_t records;
    bool out;
} lent[LENT_MAX];
static uint32_t lent_count;

static uint64_t take(struct input *input, size_t size)
{
    uint64_t number = 0;

    if (size > input->left)
        size = input->left;
    memcpy(&number, input->at, size);
    input->at += size;
    input->left -= size;
    return number;
}

/* ---- the host ------------------------------------------------------------------------------- */

static void must_be_plain(const char *text)
{
    for (; *text; text++)
        assert((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t count)
{
    (void)host;
    (void)level;
    must_be_plain(message);
    for (size_t i = 0; i < count; i++) {
        must_be_plain(fields[i].name);
        assert(!strpbrk(fields[i].name, " =\"\\"));
        assert(fields[i].kind != LEAT_FIELD_BYTES);
        if (fields[i].kind == LEAT_FIELD_STRING)
            assert(strlen(fields[i].string) < ISOLATE_MESSAGE_TEXT);
    }
}

static int64_t host_now_ns(const leat_host *host)
{
    static int64_t now_ns;

    (void)host;
    return now_ns += 50000000; /* every look is due soon */
}

static void host_wake(const leat_host *host)
{
    (void)host;
}

static void host_batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    (void)host;
    for (uint32_t i = 0; i < lent_count; i++) {
        if (lent[i].token != token)
            continue;
        assert(lent[i].out);
        assert(result->status == LEAT_OK ||
               (result->status <= LEAT_ECONFIG && result->status >= LEAT_EFATAL));
        assert(result->durable_count <= lent[i].records);
        assert(result->text.len < ISOLATE_RESULT_TEXT);
        lent[i].out = false;
        return;
    }
    abort();
}

static int32_t metric_declare(const leat_host *host, uint32_t kind, const char *name,
                              const char *label, const char *label_value, const char *help)
{
    (void)host;
    return plugin_metrics_declare(&worker.metrics, kind, name, label, label_value, help);
}

static void metric_set(const leat_host *host, int32_t metric, double value)
{
    (void)host;
    assert(value - value == 0);
    plugin_metrics_set(&worker.metrics, metric, value);
}

static leat_status current(const leat_host *host, const char *name, char *out, size_t size)
{
    (void)host;
    (void)name;
    memset(out, 's', size < 100 ? size : 100);
    out[size < 100 ? size - 1 : 100] = '\0';
    return LEAT_OK;
}

static const void *host_extension(const leat_host *host, const char *id)
{
    static const leat_metrics metrics = {sizeof metrics, 0, metric_declare, metric_set};
    static const leat_secrets secrets = {sizeof secrets, 0, current};

    (void)host;
    if (strcmp(id, LEAT_EXTENSION_METRICS) == 0)
        return &metrics;
    return strcmp(id, LEAT_EXTENSION_SECRETS) == 0 ? &secrets : NULL;
}

/* ---- a sink whose process is us ---------------------------------------------------------------- */

static void make_pairs(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
        abort();
    sink->socket = ends[0];
    socket_end = ends[1];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    sink->bell = ends[0];
    bell_end = ends[1];
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
        abort();
    sink->voice = ends[0];
    voice_end = ends[1];
}

static void begin(void)
{
    static const leat_sink_ops none = {.size = sizeof none};
    static const struct plugin plugin = {.descriptor = {.name = "fuzzed"}};
    static const struct config_sink config = {
        .name = "s", .plugin = &plugin, .isolate = true, .isolate_timeout_ms = 1000};
    leat_error error = {.size = sizeof error};

    memset(&worker.metrics, 0, sizeof worker.metrics);
    worker.config = &config;
    worker.host = (leat_host){.size = sizeof worker.host,
                              .pipeline = "p",
                              .instance = "s",
                              .wake_fd = -1,
                              .log = host_log,
                              .now_ns = host_now_ns,
                              .wake = host_wake,
                              .extension = host_extension,
                              .batch_done = host_batch_done};
    if (!worker.pool.base && !pool_init_shared(&worker.pool, 65536, 65536, false))
        abort();
    isolate_ops(&none, &ops);
    if (ops.create(&worker.host, NULL, &sink, &error) != LEAT_OK)
        abort();
    sink->pid = NOBODY;
    sink->shared =
        mmap(NULL, sizeof *sink->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sink->shared == MAP_FAILED)
        abort();
    make_pairs();
    lent_count = 0;
}

static void end(void)
{
    ops.destroy(sink);
    (void)close(socket_end);
    (void)close(bell_end);
    (void)close(voice_end);
}

/* ---- steps -------------------------------------------------------------------------------------- */

static void submit(struct input *input)
{
    uint32_t records = 1 + (uint32_t)take(input, 1) % 8;
    leat_batch batch = {.size = sizeof batch,
                        .record_count = records,
                        .record_stride = sizeof(leat_record),
                        .token = (uint64_t)(lent_count + 1) << 32 | lent_count,
                        .records = worker.pool.base};
    bool over = sink->gone || sink->breach[0] || sink->is_down || sink->hangs;

    if (lent_count == LENT_MAX)
        return;
    lent[lent_count].token = batch.token;
    lent[lent_count].records = records;
    lent[lent_count++].out = true;
    if (ops.submit(sink, &batch) == LEAT_OK)
        assert(!over);
    else
        lent_count--;
}

static void result(struct input *input)
{
    static const int32_t likely[] = {LEAT_OK, LEAT_OK, LEAT_ERETRY, LEAT_EREJECT};
    struct isolate_shared *shared = sink->shared;
    uint8_t how = (uint8_t)take(input, 1);
    uint32_t done = atomic_load(&shared->done);
    struct isolate_result *entry = &shared->results[done & (ISOLATE_RING - 1)];

    entry->token =
        how & 1 && lent_count > 0 ? lent[take(input, 1) % lent_count].token : take(input, 8);
    entry->status = how & 2 ? likely[take(input, 1) & 3] : (int32_t)take(input, 4);
    entry->durable_count = how & 4 ? (uint32_t)take(input, 1) % 10 : (uint32_t)take(input, 4);
    entry->hold_ms = (uint32_t)take(input, 1);
    if (how & 8)
        memset(shared->texts[done & (ISOLATE_RING - 1)], 1 + (int)take(input, 1) % 255,
               ISOLATE_RESULT_TEXT);
    atomic_store(&shared->done, how & 16 ? (uint32_t)take(input, 4) : done + 1);
}

/* kind, status, number; then a text, or an envelope that is what the input says. */
static void message(struct input *input)
{
    static struct isolate_message made;
    uint8_t how = (uint8_t)take(input, 1);
    size_t length = take(input, 1) * (how & 1 ? 1 : 16),
           head = offsetof(struct isolate_message, text);

    memset(&made, 0, head);
    made.kind = (uint32_t)take(input, 1) % (ISOLATE_SECRET + 2);
    made.status = how & 2 ? -(int32_t)(take(input, 1) % 6) : (int32_t)take(input, 4);
    made.number = how & 4 ? (int64_t)take(input, 8) : (int64_t)(take(input, 1) % 4);
    if (length > input->left)
        length = input->left;
    memcpy(made.text, input->at, length);
    (void)take(input, 0);
    input->at += length;
    input->left -= length;
    made.length = how & 8 ? (uint32_t)take(input, 4) : (uint32_t)length;
    (void)!send(socket_end, &made, how & 16 ? take(input, 1) : head + length,
                MSG_DONTWAIT | MSG_NOSIGNAL);
    atomic_fetch_add(&sink->shared->told, 1);
}

static void figure(struct input *input)
{
    uint32_t at = (uint32_t)take(input, 1) % PLUGIN_METRICS_MAX;

    atomic_store(&sink->shared->metric_bits[at], take(input, 8));
    atomic_store(&sink->shared->metric_set[at], 1);
}

static void speak(struct input *input)
{
    size_t length = take(input, 2);

    if (length > input->left)
        length = input->left;
    (void)!write(voice_end, input->at, length);
    input->at += length;
    input->left -= length;
    isolate_take_voice(sink, false);
}

/* Anything anywhere in what is shared. */
static void scribble(struct input *input)
{
    size_t at = take(input, 4) % sizeof *sink->shared;

    ((volatile unsigned char *)sink->shared)[at] = (unsigned char)take(input, 1);
}

/* False: the sink is down, as its worker would then stop it. */
static bool poll_it(void)
{
    leat_error error = {.size = sizeof error};
    leat_status status = ops.poll(sink, 0, &error);

    assert(error.text[sizeof error.text - 1] == '\0');
    must_be_plain(error.text);
    assert(status == LEAT_OK || (status <= LEAT_ECONFIG && status >= LEAT_EFATAL));
    return status == LEAT_OK;
}

static bool step(struct input *input)
{
    leat_error error = {.size = sizeof error};
    leat_sink_start start = {.size = sizeof start};

    switch (take(input, 1) % 10) {
    case 0:
        submit(input);
        break;
    case 1:
        result(input);
        break;
    case 2:
        message(input);
        break;
    case 3:
        figure(input);
        break;
    case 4:
        speak(input);
        break;
    case 5:
        scribble(input);
        break;
    case 6:
        (void)shutdown(take(input, 1) & 1 ? socket_end : bell_end, SHUT_WR);
        break;
    case 7:
        atomic_store(&sink->shared->answered, atomic_load(&sink->shared->asked));
        break;
    case 8: {
        leat_status status = ops.start(sink, &start, &error);
        return status == LEAT_AGAIN || status == LEAT_OK;
    }
    default:
        break;
    }
    return poll_it();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    begin();
    while (input.left > 0 && sink->pid > 0 && step(&input))
        ;
    end();
    return 0;
}
