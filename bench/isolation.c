/* SPDX-License-Identifier: Apache-2.0
 *
 * isolation.c -- what a sink in a process of its own would cost: the prototype behind docs/adr/0401.
 *
 * usage: isolation [SECONDS]   (ninja isolation_bench)
 *
 * One producer makes batches of 1,000 records of 250 bytes, as a worker does, in slabs that it takes back when
 * the sink has given them back: core/ring.h both ways, core/doorbell.h to wake a sleeper.  The consumer is a
 * sink that writes each batch to a file (or only looks at every record), in
 *   thread    a thread of the same process, as sinks run today
 *   process   a forked process; slabs, rings and doorbells lie in shared memory at the same address, so a
 *             batch crosses by its pointer and nothing is copied
 *   copied    the same, but each batch is copied into the shared memory first, as an arena that the daemon
 *             does not share would need it
 * In turns, so that all see the same machine.  One line each: records a second, and the ratio to thread; the
 * CPU of both sides for a record.
 */
#include "doorbell.h"
#include "ring.h"

#include <leat/plugin.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS = 1000, VALUE = 250, SLABS = 16, RING = 64 };
enum mode { THREAD, PROCESS, COPIED, MODES };
static const char *const names[] = {"thread", "process", "copied"};

struct slab {
    leat_batch batch;
    leat_record records[RECORDS];
    char values[RECORDS * (VALUE + 1)];
};

struct shared {
    struct ring forward, back;
    void *forward_slots[RING], *back_slots[RING];
    struct doorbell sink_bell, host_bell;
    _Atomic bool end;
    _Atomic uint64_t sum; /* so that looking at records is not optimized away */
    struct slab slabs[SLABS];
};

static struct shared *shared;
static int file_fd; /* -1: the sink only looks */
static double seconds = 1.0;

static double now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu(int who)
{
    struct rusage usage;
    (void)getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void wait_on(struct doorbell *bell, struct ring *ring)
{
    struct pollfd fd = {.fd = bell->fd, .events = POLLIN};
    doorbell_arm(bell);
    if (ring_count(ring) == 0 && !atomic_load(&shared->end))
        (void)poll(&fd, 1, 1000);
    doorbell_disarm(bell);
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void deliver(const leat_batch *batch)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < batch->record_count; i++) {
        const leat_record *record = leat_batch_at(batch, i);
        sum += record->identity.position + (unsigned char)record->value.ptr[record->value.len - 1];
    }
    if (file_fd >= 0) {
        const leat_record *first = leat_batch_at(batch, 0);
        size_t size = (size_t)batch->record_count * (VALUE + 1);
        if (pwrite(file_fd, first->value.ptr, size, 0) != (ssize_t)size)
            abort();
    }
    atomic_fetch_add(&shared->sum, sum);
}

static void *sink_main(void *argument)
{
    (void)argument;
    while (!atomic_load(&shared->end)) {
        struct slab *slab = ring_pop(&shared->forward);
        if (!slab) {
            wait_on(&shared->sink_bell, &shared->forward);
            continue;
        }
        deliver(&slab->batch);
        if (!ring_push(&shared->back, slab))
            abort();
        doorbell_ring(&shared->host_bell);
    }
    return NULL;
}

/* ---- the host -------------------------------------------------------------------------------- */

/* About what encoding a record costs. */
static void fill(struct slab *slab, uint64_t position)
{
    slab->batch = (leat_batch){.size = sizeof slab->batch,
                               .record_count = RECORDS,
                               .record_stride = sizeof(leat_record),
                               .token = position,
                               .records = slab->records};
    for (uint32_t i = 0; i < RECORDS; i++) {
        char *value = slab->values + (size_t)i * (VALUE + 1);
        memset(value, 'a' + (int)(i % 26), VALUE);
        (void)snprintf(value, 64, "{\"op\":\"insert\",\"lsn\":\"%llX\",\"seq\":%u}",
                       (unsigned long long)position, i);
        value[VALUE] = '\n';
        slab->records[i] =
            (leat_record){.identity = {position, i}, .op = LEAT_INSERT, .value = {value, VALUE}};
    }
}

static void copy(struct slab *to, const struct slab *from)
{
    memcpy(to, from, sizeof *to);
    to->batch.records = to->records;
    for (uint32_t i = 0; i < RECORDS; i++)
        to->records[i].value.ptr = to->values + (size_t)i * (VALUE + 1);
}

static uint64_t produce(enum mode mode)
{
    static struct slab own;
    double until = now() + seconds;
    uint64_t made = 0;
    struct slab *spare[SLABS];
    uint32_t count = SLABS;
    for (uint32_t i = 0; i < SLABS; i++)
        spare[i] = &shared->slabs[i];
    while (now() < until) {
        struct slab *slab;
        while ((slab = ring_pop(&shared->back)) != NULL)
            spare[count++] = slab;
        if (count == 0) {
            wait_on(&shared->host_bell, &shared->back);
            continue;
        }
        slab = spare[--count];
        fill(mode == COPIED ? &own : slab, ++made);
        if (mode == COPIED)
            copy(slab, &own);
        if (!ring_push(&shared->forward, slab))
            abort();
        doorbell_ring(&shared->sink_bell);
    }
    return made * RECORDS;
}

static void prepare(void)
{
    memset(shared, 0, offsetof(struct shared, slabs));
    shared->forward = (struct ring){.slots = shared->forward_slots, .mask = RING - 1};
    shared->back = (struct ring){.slots = shared->back_slots, .mask = RING - 1};
    if (!doorbell_init(&shared->sink_bell) || !doorbell_init(&shared->host_bell))
        abort();
}

/* Records a second; *each: CPU of both sides for a record, in nanoseconds. */
static double run(enum mode mode, double *each)
{
    pthread_t thread;
    pid_t pid = 0;
    prepare();
    double begun = now(), used = cpu(RUSAGE_SELF) + cpu(RUSAGE_CHILDREN);
    if (mode == THREAD && pthread_create(&thread, NULL, sink_main, NULL) != 0)
        abort();
    if (mode != THREAD && (pid = fork()) == 0) {
        (void)sink_main(NULL);
        _exit(0);
    }
    uint64_t records = produce(mode);
    double took = now() - begun;
    atomic_store(&shared->end, true);
    doorbell_force(&shared->sink_bell);
    if (mode == THREAD)
        (void)pthread_join(thread, NULL);
    else
        (void)waitpid(pid, NULL, 0);
    *each = (cpu(RUSAGE_SELF) + cpu(RUSAGE_CHILDREN) - used) * 1e9 / (double)records;
    doorbell_fini(&shared->sink_bell);
    doorbell_fini(&shared->host_bell);
    return (double)records / took;
}

int main(int argc, char **argv)
{
    enum { ROUNDS = 5 };
    char path[] = "/tmp/isolation-XXXXXX";
    if (argc > 1)
        seconds = strtod(argv[1], NULL);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = mkstemp(path);
    if (shared == MAP_FAILED || fd < 0)
        return 1;
    (void)unlink(path);
    for (int writes = 0; writes < 2; writes++) {
        double rate[MODES] = {0}, each[MODES] = {0};
        file_fd = writes ? fd : -1;
        for (int round = 0; round < ROUNDS; round++)
            for (int mode = 0; mode < MODES; mode++) {
                double ns;
                rate[mode] += run((enum mode)mode, &ns) / ROUNDS;
                each[mode] += ns / ROUNDS;
            }
        for (int mode = 0; mode < MODES; mode++)
            (void)printf("%-6s %-8s %10.0f records/s  %.2f of thread  %6.1f ns CPU a record\n",
                         writes ? "writes" : "looks", names[mode], rate[mode],
                         rate[mode] / rate[THREAD], each[mode]);
    }
    return 0;
}
