/* SPDX-License-Identifier: Apache-2.0
 *
 * io.h -- the few system calls by which the file sink touches the disk, as a table.
 *
 * The sink asks the host for a table of its own ("leat.file.io/1"): a test answers with one that
 * fails where it likes, the daemon with nothing, and then the real calls are used.  Every member
 * behaves as the call of its name does, errno included.  [worker], but for leat check [main].
 */
#ifndef FILE_IO_H
#define FILE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#define IO_EXTENSION "leat.file.io/1"

struct io {
    int (*openat)(int directory, const char *name, int flags, mode_t mode);
    int (*mkdirat)(int directory, const char *name, mode_t mode);
    int (*unlinkat)(int directory, const char *name, int flags);
    int (*fstat)(int fd, struct stat *st);
    ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
    ssize_t (*pwritev)(int fd, const struct iovec *pieces, int count, off_t offset);
    int (*ftruncate)(int fd, off_t size);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*close)(int fd);
};

extern const struct io io_real;

/* Writes all of it, across interrupted and short writes.  0, or -1 with errno: then any part of it
 * may have been written.  `pieces` is used up. */
int io_write(const struct io *io, int fd, struct iovec *pieces, int count, uint64_t offset);

/* Reads until `size` bytes or the end of the file.  -1 with errno. */
ssize_t io_read(const struct io *io, int fd, void *buffer, size_t size, uint64_t offset);

/* Opens, across EINTR, close-on-exec and never through a symbolic link. */
int io_open(const struct io *io, int directory, const char *name, int flags, mode_t mode);

int io_close(const struct io *io, int fd); /* fd < 0 does nothing; errno is kept when it succeeds */

#endif
