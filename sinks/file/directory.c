/* SPDX-License-Identifier: Apache-2.0
 *
 * directory.c -- see the header.
 */
#include "directory.h"
#include "error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

enum { FOLDER_MODE = 0750, LOCK_MODE = 0640, LOCK_TEXT = 512, PID_DIGITS = 20 };

/* ---- the lock -------------------------------------------------------------------------------- */

/* Its text: "PID\n", the pid padded to PID_DIGITS so that it is replaced in one write, and then
 * "NAME SPACE\n", which once written stays. */
long directory_holder(int lock)
{
    char text[PID_DIGITS + 1] = "";
    if (pread(lock, text, PID_DIGITS, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static leat_status lock_write(struct directory *directory, const char *name_space,
                              leat_error *error)
{
    char text[LOCK_TEXT];
    int len = snprintf(text, sizeof text, "%*ld\n%s\n", PID_DIGITS, (long)getpid(), name_space);
    if (len < 0 || (size_t)len >= sizeof text)
        len = (int)sizeof text - 1;
    struct iovec piece = {text, (size_t)len};
    if (io_write(directory->io, directory->lock, &piece, 1, 0) != 0 ||
        directory->io->fsync(directory->lock) != 0)
        return error_errno(error, "cannot write", directory->path, LOCK_NAME);
    return LEAT_OK;
}

static leat_status lock_check_owner(struct directory *directory, const char *name_space,
                                    leat_error *error)
{
    char text[LOCK_TEXT + 1];
    ssize_t n = io_read(directory->io, directory->lock, text, LOCK_TEXT, 0);
    if (n < 0)
        return error_errno(error, "cannot read", directory->path, LOCK_NAME);
    text[n] = '\0';
    char *owner = n > PID_DIGITS + 1 ? text + PID_DIGITS + 1 : NULL;
    char *end = owner ? strchr(owner, '\n') : NULL;
    if (!end) /* new, or torn while it was: then nothing was ever written beside it */
        return lock_write(directory, name_space, error);
    *end = '\0';
    if (!*name_space) /* the host does not know yet: then what is written stays */
        return lock_write(directory, owner, error);
    if (*owner && strncmp(owner, name_space, LOCK_TEXT - PID_DIGITS - 3) != 0)
        return error_set(error, LEAT_ECONFIG, EX_CONFIG,
                         "directory %s holds the records of \"%.100s\", not of \"%.100s\": give "
                         "each stream a directory of its own",
                         directory->path, owner, name_space);
    return lock_write(directory, name_space, error);
}

static leat_status lock_take(struct directory *directory, const char *name_space, leat_error *error)
{
    directory->lock = io_open(directory->io, directory->fd, LOCK_NAME, O_RDWR | O_CREAT, LOCK_MODE);
    if (directory->lock < 0)
        return error_errno(error, "cannot create", directory->path, LOCK_NAME);
    int failed;
    do
        failed = flock(directory->lock, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    if (failed && errno == EWOULDBLOCK) {
        /* A sink of this daemon will never let go.  Another daemon may be the one that we stand by
         * for: it has lost its slot, and lets go when it notices, or dies. */
        long holder = directory_holder(directory->lock);
        return error_set(error, holder == (long)getpid() ? LEAT_EFATAL : LEAT_ERETRY, EX_CANTCREAT,
                         "directory %s is in use by another writer (process %ld): each file sink "
                         "needs a directory of its own",
                         directory->path, holder);
    }
    if (failed)
        return error_errno(error, "cannot lock", directory->path, LOCK_NAME);
    return lock_check_owner(directory, name_space, error);
}

/* ---- the base folder ------------------------------------------------------------------------- */

/* The name of a folder just made is durable once its parent is synced. */
static int sync_parent(const struct io *io, const char *path)
{
    char parent[4096];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len >= sizeof parent) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(parent, len ? path : ".", len ? len : 1);
    parent[len ? len : 1] = '\0';
    int fd = io->openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int failed = io->fsync(fd);
    return io_close(io, fd) != 0 || failed ? -1 : 0;
}

leat_status directory_open(struct directory *directory, const struct io *io, const char *path,
                           const char *name_space, leat_error *error)
{
    *directory = (struct directory){.io = io, .path = path, .fd = -1, .lock = -1};
    if (io->mkdirat(AT_FDCWD, path, FOLDER_MODE) == 0) {
        if (sync_parent(io, path) != 0)
            return error_errno(error, "cannot sync the parent of", path, NULL);
    } else if (errno != EEXIST) {
        return error_errno(error, "cannot create directory", path, NULL);
    }
    /* The base itself may be a link: that is the administrator's choice. */
    directory->fd = io->openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (directory->fd < 0)
        return error_errno(error, "cannot open directory", path, NULL);
    return lock_take(directory, name_space, error);
}

void directory_close(struct directory *directory)
{
    if (!directory->io)
        return;
    (void)io_close(directory->io, directory->lock); /* which unlocks it */
    (void)io_close(directory->io, directory->fd);
    directory->lock = directory->fd = -1;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static int open_folder(const struct io *io, int parent, const char *name, bool make)
{
    int fd = io_open(io, parent, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (io->mkdirat(parent, name, FOLDER_MODE) != 0 && errno != EEXIST)
        return -1;
    if (io->fsync(parent) != 0)
        return -1;
    return io_open(io, parent, name, O_RDONLY | O_DIRECTORY, 0);
}

static bool is_regular(int fd, const char *name)
{
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* A folder below ours that has a lock of its own is another sink's directory: whatever is in it is
 * neither ours to mend, count or remove, nor a place to add to. */
static bool is_another_sinks(int fd)
{
    return is_regular(fd, LOCK_NAME);
}

int directory_lane(const struct directory *directory, leat_bytes route, bool make)
{
    const struct io *io = directory->io;
    int fd = io_open(io, directory->fd, ".", O_RDONLY | O_DIRECTORY, 0);
    for (size_t at = 0; fd >= 0 && at < route.len;) {
        const char *slash = memchr(route.ptr + at, '/', route.len - at);
        size_t len = slash ? (size_t)(slash - route.ptr) - at : route.len - at;
        char name[FOLDER_MAX + 1];
        if (len > FOLDER_MAX)
            len = FOLDER_MAX; /* route_reject has seen to it */
        memcpy(name, route.ptr + at, len);
        name[len] = '\0';
        int next = open_folder(io, fd, name, make);
        int saved = errno;
        (void)io_close(io, fd);
        errno = saved;
        fd = next;
        at += len + 1;
        if (fd >= 0 && is_another_sinks(fd)) {
            (void)io_close(io, fd);
            errno = EBUSY;
            fd = -1;
        }
    }
    return fd;
}

static DIR *list(int fd)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (!dir && again >= 0)
        close(again);
    return dir;
}

static int by_name(const void *a, const void *b)
{
    return name_compare(a, b);
}

/* 1: an entry; 0: the end; -1. */
static int list_next(DIR *dir, struct dirent **entry)
{
    errno = 0;
    *entry = readdir(dir);
    return *entry ? 1 : errno ? -1 : 0;
}

int directory_segments(int fd, struct segment_name **names, size_t *count)
{
    size_t room = 0;
    struct dirent *entry;
    int more;
    *names = NULL;
    *count = 0;
    DIR *dir = list(fd);
    if (!dir)
        return -1;
    while ((more = list_next(dir, &entry)) > 0) {
        struct segment_name name;
        if (!name_parse(entry->d_name, &name) || !is_regular(fd, entry->d_name))
            continue;
        if (*count == room) {
            room = room ? room * 2 : 64;
            struct segment_name *larger = realloc(*names, room * sizeof **names);
            if (!larger) {
                more = -1;
                errno = ENOMEM;
                break;
            }
            *names = larger;
        }
        (*names)[(*count)++] = name;
    }
    int saved = errno;
    closedir(dir);
    errno = saved;
    if (more < 0) {
        free(*names);
        *names = NULL;
        return -1;
    }
    if (*count)
        qsort(*names, *count, sizeof **names, by_name);
    return 0;
}

struct walk {
    const struct directory *directory;
    directory_visit *visit;
    void *context;
    char route[ROUTE_MAX + FOLDER_MAX + 2];
};

static int walk_folder(struct walk *walk, int fd, size_t route_len, int depth);

/* An entry that may be a lane's folder. */
static int walk_entry(struct walk *walk, int parent, const char *name, size_t route_len, int depth)
{
    size_t len = strlen(name);
    if (name[0] == '.' || len > FOLDER_MAX || route_len + len + 1 > ROUTE_MAX)
        return 0;
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
        return 0;
    int fd = io_open(walk->directory->io, parent, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    size_t at = route_len;
    if (at)
        walk->route[at++] = '/';
    memcpy(walk->route + at, name, len + 1);
    int answer = is_another_sinks(fd) ? 0 : walk_folder(walk, fd, at + len, depth + 1);
    int saved = errno;
    (void)io_close(walk->directory->io, fd);
    errno = saved;
    return answer;
}

static int walk_folder(struct walk *walk, int fd, size_t route_len, int depth)
{
    DIR *dir = list(fd);
    if (!dir)
        return -1;
    struct dirent *entry;
    int more, answer = 0;
    bool segments = false;
    while ((more = list_next(dir, &entry)) > 0 && !segments) {
        struct segment_name name;
        segments = name_parse(entry->d_name, &name) && is_regular(fd, entry->d_name);
    }
    if (more < 0)
        answer = -1;
    else if (segments)
        answer = walk->visit(walk->context, fd, (leat_bytes){walk->route, route_len});
    rewinddir(dir);
    while (answer == 0 && depth < ROUTE_DEPTH && (more = list_next(dir, &entry)) > 0)
        answer = walk_entry(walk, fd, entry->d_name, route_len, depth);
    if (answer == 0 && more < 0)
        answer = -1;
    int saved = errno;
    closedir(dir);
    errno = saved;
    return answer;
}

int directory_walk(const struct directory *directory, directory_visit *visit, void *context)
{
    struct walk walk = {.directory = directory, .visit = visit, .context = context};
    return walk_folder(&walk, directory->fd, 0, 0);
}
