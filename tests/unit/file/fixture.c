/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.c -- see the header.
 */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

struct faults faults;
struct calls calls;

/* ---- a disk that fails ----------------------------------------------------------------------- */

static int failing(int code)
{
    errno = code;
    return -1;
}

static int fault_openat(int directory, const char *name, int flags, mode_t mode)
{
    if (faults.open_errno && (flags & O_CREAT))
        return failing(faults.open_errno);
    return io_real.openat(directory, name, flags, mode);
}

static ssize_t fault_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    calls.pwritev++;
    calls.pieces += count;
    if (faults.interrupts > 0) {
        faults.interrupts--;
        return failing(EINTR);
    }
    struct iovec some[PIECES_MAX];
    size_t room = faults.write_most ? faults.write_most : SIZE_MAX, total = 0;
    if (faults.write_errno && (uint64_t)faults.write_budget < room)
        room = (size_t)faults.write_budget;
    if (room == 0)
        return failing(faults.write_errno);
    int n = 0;
    for (; n < count && total < room; n++) {
        some[n] = pieces[n];
        if (some[n].iov_len > room - total)
            some[n].iov_len = room - total;
        total += some[n].iov_len;
    }
    if (faults.write_errno)
        faults.write_budget -= (int64_t)total;
    return faults.dead ? (ssize_t)total : io_real.pwritev(fd, some, n, offset);
}

static int fault_fdatasync(int fd)
{
    calls.fdatasync++;
    if (faults.interrupts > 0) {
        faults.interrupts--;
        return failing(EINTR);
    }
    if (faults.sync_errno && faults.sync_skip-- <= 0) {
        int code = faults.sync_errno;
        if (faults.sync_times && --faults.sync_times == 0)
            faults.sync_errno = 0;
        return failing(code);
    }
    return io_real.fdatasync(fd);
}

static int fault_fsync(int fd)
{
    calls.fsync++;
    return faults.fsync_errno ? failing(faults.fsync_errno) : io_real.fsync(fd);
}

static int fault_ftruncate(int fd, off_t size)
{
    calls.ftruncate++;
    if (faults.truncate_errno)
        return failing(faults.truncate_errno);
    return faults.dead ? 0 : io_real.ftruncate(fd, size);
}

static struct io fault_io(void)
{
    struct io io = io_real;
    io.openat = fault_openat;
    io.pwritev = fault_pwritev;
    io.fdatasync = fault_fdatasync;
    io.fsync = fault_fsync;
    io.ftruncate = fault_ftruncate;
    return io;
}

/* ---- the sink -------------------------------------------------------------------------------- */

int fixture_setup(void **state)
{
    static struct io io;
    io = fault_io();
    memset(&faults, 0, sizeof faults);
    memset(&calls, 0, sizeof calls);
    struct fixture *fixture = calloc(1, sizeof *fixture);
    /* Thousands of syncs: in memory, where there is such a folder. */
    strcpy(fixture->base,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/leat-file-XXXXXX" : "/tmp/leat-file-XXXXXX");
    assert_non_null(mkdtemp(fixture->base));
    snprintf(fixture->directory, sizeof fixture->directory, "%s/out", fixture->base);
    fixture->config = (struct file_config){.directory = fixture->directory,
                                           .rotate_size = 1 << 20,
                                           .compression_level = 3,
                                           .open_files = 4,
                                           .max_routes = 100,
                                           .max_unsynced = 1 << 20,
                                           .file_mode = "0640"};
    fixture->ops = leat_plugin_v1.ops;
    fixture->fake = fake_host_create();
    fake_host_offer_extension(fixture->fake, IO_EXTENSION, &io);
    fixture->start = (leat_sink_start){.name_space = "slot", .format = "json"};
    fixture->error.size = sizeof fixture->error;
    *state = fixture;
    return 0;
}

static void remove_all(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) {
        (void)unlinkat(parent, name, 0);
        return;
    }
    DIR *dir = fdopendir(fd);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_all(dirfd(dir), entry->d_name);
    closedir(dir);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    memset(&faults, 0, sizeof faults);
    sink_down(fixture, 0);
    size_t breaches = fake_host_breaches(fixture->fake);
    if (breaches)
        print_message("breach: %s\n", fake_host_breach(fixture->fake));
    fake_host_destroy(fixture->fake);
    (void)umount2(fixture->base, MNT_DETACH); /* where a test failed while it was mounted */
    remove_all(AT_FDCWD, fixture->base);
    free(fixture);
    return breaches ? -1 : 0;
}

leat_status sink_try(struct fixture *fixture)
{
    leat_status status = LEAT_OK;
    if (!fixture->sink)
        status = fixture->ops->create(fake_host_of(fixture->fake), &fixture->config, &fixture->sink,
                                      &fixture->error);
    fixture->start.size = sizeof fixture->start;
    if (status == LEAT_OK)
        status = fixture->ops->start(fixture->sink, &fixture->start, &fixture->error);
    return status;
}

void sink_up(struct fixture *fixture)
{
    leat_status status = sink_try(fixture);
    if (status != LEAT_OK)
        print_message("start: %s\n", fixture->error.text);
    assert_int_equal(status, LEAT_OK);
}

void sink_down(struct fixture *fixture, uint32_t deadline_ms)
{
    if (fixture->sink)
        (void)fixture->ops->stop(fixture->sink, deadline_ms);
    fixture->ops->destroy(fixture->sink);
    fixture->sink = NULL;
}

void sink_kill(struct fixture *fixture)
{
    faults.dead = 1;
    sink_down(fixture, 0);
    memset(&faults, 0, sizeof faults);
}

/* ---- the stream ------------------------------------------------------------------------------ */

leat_identity identity_of(int i)
{
    return (leat_identity){0x1000 + (uint64_t)(i / 3), i % 3};
}

const char *value_of(int i, size_t size)
{
    static char text[1 << 20];
    leat_identity identity = identity_of(i);
    int head = snprintf(text, sizeof text,
                        "{\"op\":\"insert\",\"schema\":\"public\",\"table\":\"a\\\"b\",\"lsn\":"
                        "\"0/%llX\",\"xid\":7,\"seq\":%lld,\"key\":{\"seq\":99,\"lsn\":\"0/1\"},"
                        "\"after\":{\"n\":%d,\"note\":\"",
                        (unsigned long long)identity.position, (long long)identity.seq, i);
    size_t at = (size_t)head;
    uint32_t noise = (uint32_t)i * 2654435761u + 1; /* so that it cannot be compressed to nothing */
    for (; at + 3 < size && at + 4 < sizeof text; at++) {
        noise = noise * 1664525u + 1013904223u;
        text[at] = (char)('a' + (noise >> 24) % 26);
    }
    memcpy(text + at, "\"}}", 4);
    return text;
}

struct fake_batch *batch_of(struct fixture *fixture, int from, int to, size_t size,
                            const char *route)
{
    struct fake_batch *batch = fake_batch_create(fixture->fake);
    for (int i = from; i < to; i++)
        fake_batch_add_routed(batch, identity_of(i), route, value_of(i, size));
    return batch;
}

bool offer(struct fixture *fixture, int from, int to, size_t size, const char *route)
{
    struct fake_batch *batch = batch_of(fixture, from, to, size, route);
    assert_int_equal(fixture->ops->submit(fixture->sink, fake_batch_lend(batch)), LEAT_OK);
    (void)fixture->ops->poll(fixture->sink, 0, &fixture->error);
    bool durable = fake_batch_durable(batch);
    assert_int_equal(fake_batch_done(batch).calls, 1);
    fake_batch_forget(batch);
    return durable;
}

void offer_rest(struct fixture *fixture, int to, int step, size_t size)
{
    int from = 0;
    if (fixture->start.holds == LEAT_HOLDS_LAST)
        from = (int)(fixture->start.last.position - 0x1000) * 3 + (int)fixture->start.last.seq + 1;
    for (; from < to; from += step)
        assert_true(offer(fixture, from, from + step < to ? from + step : to, size, NULL));
}

/* ---- reading back ---------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **segment_names(const char *directory)
{
    char **names = calloc(2000, sizeof *names);
    size_t count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && strchr(entry->d_name, '.'))
            names[count++] = strdup(entry->d_name);
    if (dir)
        closedir(dir);
    qsort(names, count, sizeof *names, by_text);
    return names;
}

size_t name_count(char **names)
{
    size_t count = 0;
    while (names[count])
        count++;
    return count;
}

void free_names(char **names)
{
    for (size_t i = 0; names[i]; i++)
        free(names[i]);
    free(names);
}

void read_file(const char *directory, const char *name, char **bytes, size_t *size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    *bytes = malloc((size_t)st.st_size + 8192); /* room for what a test appends */
    *size = fread(*bytes, 1, (size_t)st.st_size, file);
    fclose(file);
}

void write_file(const char *directory, const char *name, const char *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* What zstdcat would print, an unfinished frame included. */
static void unpack(char **bytes, size_t *size)
{
    enum { MOST = 1 << 22 };
    char *out = malloc(MOST);
    static ZSTD_DCtx *zstd;
    if (!zstd)
        zstd = ZSTD_createDCtx();
    (void)ZSTD_DCtx_reset(zstd, ZSTD_reset_session_only);
    ZSTD_inBuffer in = {*bytes, *size, 0};
    ZSTD_outBuffer to = {out, MOST, 0};
    while (in.pos < in.size && !ZSTD_isError(ZSTD_decompressStream(zstd, &to, &in)))
        ;
    assert_true(to.pos < MOST);
    free(*bytes);
    *bytes = out;
    *size = to.pos;
}

static int number_of(const char *line)
{
    unsigned long long high, low;
    long long seq;
    const char *lsn = strstr(line, "\"lsn\":\""), *ordinal = strstr(line, "\"seq\":");
    assert_non_null(lsn);
    assert_non_null(ordinal);
    assert_int_equal(sscanf(lsn, "\"lsn\":\"%llX/%llX\"", &high, &low), 2);
    assert_int_equal(sscanf(ordinal, "\"seq\":%lld", &seq), 1);
    return (int)((low - 0x1000) * 3) + (int)seq;
}

static int read_numbers(const char *directory, int **numbers)
{
    char **names = segment_names(directory);
    int count = 0, room = 0;
    *numbers = NULL;
    for (size_t i = 0; names[i]; i++) {
        char *bytes;
        size_t size;
        read_file(directory, names[i], &bytes, &size);
        if (strstr(names[i], ".zst"))
            unpack(&bytes, &size);
        for (char *p = bytes, *newline; (newline = memchr(p, '\n', size - (size_t)(p - bytes)));
             p = newline + 1) {
            *newline = '\0';
            if (count == room) {
                room = room ? room * 2 : 1024;
                *numbers = realloc(*numbers, (size_t)room * sizeof **numbers);
            }
            (*numbers)[count++] = number_of(p);
        }
        free(bytes);
    }
    free_names(names);
    return count;
}

int count_in(const char *directory)
{
    int *numbers;
    int count = read_numbers(directory, &numbers);
    for (int i = 0; i < count; i++)
        if (numbers[i] != i) {
            print_message("record %d stands where %d should\n", numbers[i], i);
            assert_int_equal(numbers[i], i);
        }
    free(numbers);
    return count;
}

int count_in_route(struct fixture *fixture, const char *route, int **numbers)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, route);
    return read_numbers(path, numbers);
}
