/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- `leat check` of a file sink: looks at the directory and changes nothing.  [main]
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sysexits.h>
#include <unistd.h>

struct checking {
    leat_check *check;
    const struct file_config *config;
};

static void report(const struct checking *checking, int severity, int exit_code, const char *fix,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static void report(const struct checking *checking, int severity, int exit_code, const char *fix,
                   const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    checking->check->report(checking->check, severity, exit_code, text, fix);
}

static void check_file_system(const struct checking *checking, int fd)
{
    static const struct {
        long magic;
        int severity;
        const char *text;
    } kinds[] = {
        {TMPFS_MAGIC, LEAT_FINDING_WARNING, "tmpfs: nothing in it survives a restart"},
        {RAMFS_MAGIC, LEAT_FINDING_WARNING, "ramfs: nothing in it survives a restart"},
        {NFS_SUPER_MAGIC, LEAT_FINDING_WARNING,
         "NFS: what is durable is the server's to say, and its locks may not hold"},
        {SMB_SUPER_MAGIC, LEAT_FINDING_WARNING,
         "SMB: what is durable is the server's to say, and its locks may not hold"},
        {0xff534d42, LEAT_FINDING_WARNING, /* CIFS */
         "CIFS: what is durable is the server's to say, and its locks may not hold"},
        {OVERLAYFS_SUPER_MAGIC, LEAT_FINDING_NOTE,
         "overlayfs, as in a container: use a volume for what is to be kept"},
    };
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((long)fs.f_type == kinds[i].magic)
            report(checking, kinds[i].severity, 0, "put it on a local disk (ext4, xfs)",
                   "directory %s is on %s", checking->config->directory, kinds[i].text);
}

static void check_space(const struct checking *checking, int fd)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0)
        return;
    unsigned long long available = (unsigned long long)fs.f_bavail * fs.f_frsize;
    const char *path = checking->config->directory;
    if (fs.f_flag & ST_RDONLY)
        report(checking, LEAT_FINDING_ERROR, EX_CANTCREAT, "remount it writable",
               "directory %s is on a read-only file system", path);
    else if (available == 0)
        report(checking, LEAT_FINDING_ERROR, EX_CANTCREAT, "free some space",
               "directory %s: the file system is full", path);
    else if (available < 2 * (unsigned long long)checking->config->rotate_size)
        report(checking, LEAT_FINDING_WARNING, 0, "free some space, or set retain_count",
               "directory %s: %llu MiB free, less than two segments", path, available >> 20);
    else
        report(checking, LEAT_FINDING_OK, 0, NULL, "directory %s: %llu MiB free", path,
               available >> 20);
}

static void check_owner(const struct checking *checking, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && (st.st_mode & S_IWOTH))
        report(checking, LEAT_FINDING_WARNING, 0, "chmod o-w it",
               "directory %s may be written by everybody", checking->config->directory);
}

static void check_lock(const struct checking *checking, int fd)
{
    int lock = openat(fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        return;
    if (flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        report(checking, LEAT_FINDING_NOTE, 0, NULL, "directory %s is in use by process %ld",
               checking->config->directory, directory_holder(lock));
    close(lock); /* which lets go of it */
}

static int count_lane(void *context, int fd, leat_bytes route)
{
    size_t *counts = context, count;
    struct segment_name *names;
    (void)route;
    if (directory_segments(fd, &names, &count) != 0)
        return -1;
    free(names);
    counts[0]++;
    counts[1] += count;
    return 0;
}

static void check_contents(const struct checking *checking, int fd)
{
    const struct directory directory = {&io_real, checking->config->directory, fd, -1};
    size_t counts[2] = {0, 0};
    if (directory_walk(&directory, count_lane, counts) != 0)
        report(checking, LEAT_FINDING_ERROR, EX_NOPERM, "give the user of leat the right to read",
               "directory %s: cannot list it and the folders below", checking->config->directory);
    else if (counts[1])
        report(checking, LEAT_FINDING_NOTE, 0, NULL,
               "directory %s holds %zu %s in %zu %s: leat goes on behind that",
               checking->config->directory, counts[1], counts[1] == 1 ? "segment" : "segments",
               counts[0], counts[0] == 1 ? "folder" : "folders");
}

/* It would be created: then its parent matters. */
static void check_missing(const struct checking *checking)
{
    const char *path = checking->config->directory;
    char parent[4096];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len >= sizeof parent)
        return;
    memcpy(parent, len ? path : ".", len ? len : 1);
    parent[len ? len : 1] = '\0';
    if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0)
        report(checking, LEAT_FINDING_OK, 0, NULL, "directory %s will be created", path);
    else
        report(checking, LEAT_FINDING_ERROR, errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
               "create it, for the user of leat", "directory %s is missing and cannot be made: %s",
               path, strerror(errno));
}

void file_check(const void *config, leat_check *check)
{
    const struct checking checking = {check, config};
    const char *path = checking.config->directory;
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        check_missing(&checking);
        return;
    }
    if (fd < 0 || faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        report(&checking, LEAT_FINDING_ERROR, errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
               "give the user of leat the right to read and write it", "directory %s: %s", path,
               strerror(errno));
    } else {
        check_space(&checking, fd);
        check_file_system(&checking, fd);
        check_owner(&checking, fd);
        check_lock(&checking, fd);
        check_contents(&checking, fd);
    }
    (void)io_close(&io_real, fd);
}
