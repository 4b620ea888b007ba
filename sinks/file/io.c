/* SPDX-License-Identifier: Apache-2.0
 *
 * io.c -- see the header.
 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int real_openat(int directory, const char *name, int flags, mode_t mode)
{
    return openat(directory, name, flags, mode);
}

static int real_fstat(int fd, struct stat *st)
{
    return fstat(fd, st);
}

const struct io io_real = {
    .openat = real_openat,
    .mkdirat = mkdirat,
    .unlinkat = unlinkat,
    .fstat = real_fstat,
    .pread = pread,
    .pwritev = pwritev,
    .ftruncate = ftruncate,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .close = close,
};

int io_write(const struct io *io, int fd, struct iovec *pieces, int count, uint64_t offset)
{
    while (count > 0) {
        ssize_t n = io->pwritev(fd, pieces, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) { /* cannot be, says POSIX; a loop for ever would be worse */
            errno = EIO;
            return -1;
        }
        offset += (uint64_t)n;
        size_t done = (size_t)n;
        while (count > 0 && done >= pieces->iov_len) {
            done -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + done;
            pieces->iov_len -= done;
        }
    }
    return 0;
}

ssize_t io_read(const struct io *io, int fd, void *buffer, size_t size, uint64_t offset)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = io->pread(fd, (char *)buffer + have, size - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int io_open(const struct io *io, int directory, const char *name, int flags, mode_t mode)
{
    int fd;
    do
        fd = io->openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int io_close(const struct io *io, int fd)
{
    if (fd < 0)
        return 0;
    int before = errno;
    /* After EINTR Linux has closed it: closing again could hit another thread's file. */
    if (io->close(fd) != 0 && errno != EINTR)
        return -1;
    errno = before;
    return 0;
}
