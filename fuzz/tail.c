/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.c -- fuzzes the torn-tail scanner: bytes 0 to 2 choose the kind of segment and the limits,
 * the rest is the file.  After mending, a second scan must find the same records and nothing to
 * mend: that is what makes a crash in the middle of mending harmless.
 */
#include "tail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int right, const char *what)
{
    if (!right) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void scan(struct tail_scanner *scanner, int fd, const struct segment_name *name,
                 const struct record_limits *limits, struct tail *tail)
{
    must(tail_scan(scanner, &io_real, fd, name, limits, 4096, tail) == 0, "a read failed");
    must(tail->keep <= tail->size, "keep <= size");
    must(!tail->any || tail->keep > 0, "records in no bytes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tail_scanner *scanner;
    static int fd = -1;
    if (!scanner) {
        scanner = tail_scanner_create();
        fd = memfd_create("tail", MFD_CLOEXEC);
    }
    if (size < 3)
        return 0;
    struct segment_name name = {.format = data[0] & 1, .zstd = (data[0] & 2) != 0};
    struct record_limits limits = {.known = (data[0] & 4) != 0,
                                   .bounded = (data[0] & 8) != 0,
                                   .durable = {data[1], data[2] >> 4},
                                   .bound = {data[1], data[2] & 15}};
    data += 3;
    size -= 3;
    must(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "memfd");
    struct tail first, second;
    uint64_t mended;
    scan(scanner, fd, &name, &limits, &first);
    must(tail_mend(&io_real, fd, &first, &mended) == 0, "mending");
    scan(scanner, fd, &name, &limits, &second);
    must(second.size == mended, "the size that mending says");
    must(!first.any || second.any, "mending loses all records");
    must(second.keep == second.size && second.close_len == 0, "nothing is left to mend");
    return 0;
}
