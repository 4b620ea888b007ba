/* SPDX-License-Identifier: Apache-2.0
 *
 * directory.h -- the sink's folder, its lock, and the folders of its lanes below.
 *
 * Below the base folder nothing is ever reached through a symbolic link, only names of our own
 * pattern are looked at, and a folder that is another sink's directory is left alone.  Every new
 * folder's name is synced before it is used.  [worker]
 */
#ifndef FILE_DIRECTORY_H
#define FILE_DIRECTORY_H

#include "io.h"
#include "name.h"

#define LOCK_NAME ".leat.lock"

struct directory {
    const struct io *io;
    const char *path; /* static: the configuration's */
    int fd, lock;     /* -1: not open */
};

/* Opens `path`, creates it when only it is missing, and takes the lock for `name_space`.  The lock
 * file also says whose records these are: those of another name space are refused.  OK; ERETRY; or
 * EFATAL, ECONFIG with the reason. */
leat_status directory_open(struct directory *directory, const struct io *io, const char *path,
                           const char *name_space, leat_error *error);
void directory_close(struct directory *directory); /* forgives one that is not open */

/* The folder of a route, made where it is missing.  The caller closes it.  -1 with errno; EBUSY: it
 * is, or is below, the directory of another file sink. */
int directory_lane(const struct directory *directory, leat_bytes route, bool make);

/* The segments in a folder, in stream order.  Owned: free(*names).  0, or -1 with errno. */
int directory_segments(int fd, struct segment_name **names, size_t *count);

/* Calls `visit` for each folder in and below the base that holds segments, the base with the empty
 * route first; not for those of another sink.  Stops at the first answer that is not 0, and returns
 * it; -1 with errno when a folder cannot be read. */
typedef int directory_visit(void *context, int fd, leat_bytes route);
int directory_walk(const struct directory *directory, directory_visit *visit, void *context);

/* Who holds the lock, as the lock file says; 0: nobody knows. */
long directory_holder(int lock);

#endif
