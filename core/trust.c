/* SPDX-License-Identifier: Apache-2.0
 *
 * trust.c -- walks a path part by part.  See trust.h.
 *
 * The walk keeps two strings: what is resolved and found good, and what is still to go.  A symbolic
 * link's text is put in front of the latter, so that the folders behind it are judged like any.
 */
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 };

struct walk {
    char done[PATH_MAX]; /* "" is the root */
    char todo[2 * PATH_MAX];
    int links;
    char *why;
    size_t why_size;
};

static bool refuse(const struct walk *walk, const char *path, const char *reason)
{
    (void)snprintf(walk->why, walk->why_size, "%s: %s", *path ? path : "/", reason);
    return false;
}

static bool owner_is_trusted(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

static bool judge_owner(const struct walk *walk, const char *path, const struct stat *st)
{
    if (owner_is_trusted(st))
        return true;
    (void)snprintf(walk->why, walk->why_size,
                   "%s: it belongs to uid %u, expected root or uid %u; change its owner",
                   *path ? path : "/", (unsigned)st->st_uid, (unsigned)geteuid());
    return false;
}

static bool judge_mode(const struct walk *walk, const char *path, const struct stat *st)
{
    bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
    if (!(st->st_mode & (S_IWGRP | S_IWOTH)) || sticky)
        return true;
    (void)snprintf(walk->why, walk->why_size,
                   "%s: mode %04o lets %s write it, expected %04o; run chmod go-w on it",
                   *path ? path : "/", (unsigned)(st->st_mode & 07777),
                   st->st_mode & S_IWOTH ? "everybody" : "its group",
                   (unsigned)(st->st_mode & 07755));
    return false;
}

/* Puts a link's text in front of what is to go. */
static bool follow(struct walk *walk, const char *link)
{
    char text[PATH_MAX];
    char rest[2 * PATH_MAX];
    ssize_t len = readlink(link, text, sizeof text - 1);
    if (len <= 0)
        return refuse(walk, link, len < 0 ? strerror(errno) : "an empty link");
    text[len] = '\0';
    if (++walk->links > LINKS_MAX)
        return refuse(walk, link, "too many symbolic links; name the folder itself");
    if (text[0] == '/')
        walk->done[0] = '\0';
    (void)snprintf(rest, sizeof rest, "%s", walk->todo);
    int written = snprintf(walk->todo, sizeof walk->todo, "%s/%s", text, rest);
    if (written < 0 || (size_t)written >= sizeof walk->todo)
        return refuse(walk, link, strerror(ENAMETOOLONG));
    return true;
}

/* One folder further, or one link followed. */
static bool step(struct walk *walk, const char *part, size_t len)
{
    char path[PATH_MAX];
    struct stat st;
    if (len == 2 && strncmp(part, "..", 2) == 0) {
        char *slash = strrchr(walk->done, '/');
        if (slash)
            *slash = '\0';
        return true;
    }
    int written = snprintf(path, sizeof path, "%s/%.*s", walk->done, (int)len, part);
    if (written < 0 || (size_t)written >= sizeof path)
        return refuse(walk, walk->done, strerror(ENAMETOOLONG));
    if (lstat(path, &st) != 0)
        return refuse(walk, path, strerror(errno));
    if (!judge_owner(walk, path, &st))
        return false;
    if (S_ISLNK(st.st_mode))
        return follow(walk, path);
    if (!S_ISDIR(st.st_mode))
        return refuse(walk, path, "not a folder, expected one");
    if (!judge_mode(walk, path, &st))
        return false;
    memcpy(walk->done, path, (size_t)written + 1);
    return true;
}

/* Walks until nothing is to go: walk->done is a folder then. */
static bool walk_folders(struct walk *walk)
{
    struct stat st;
    if (stat("/", &st) != 0 || !judge_owner(walk, "/", &st) || !judge_mode(walk, "/", &st))
        return false;
    for (;;) {
        char part[PATH_MAX];
        char *p = walk->todo + strspn(walk->todo, "/");
        size_t len = strcspn(p, "/");
        if (len == 0)
            return true;
        if (len >= sizeof part)
            return refuse(walk, walk->done, strerror(ENAMETOOLONG));
        memcpy(part, p, len);
        part[len] = '\0';
        memmove(walk->todo, p + len, strlen(p + len) + 1);
        if (strcmp(part, ".") != 0 && !step(walk, part, len))
            return false;
    }
}

static bool begin(struct walk *walk, const char *path, char *why, size_t why_size)
{
    char here[PATH_MAX] = "";
    walk->done[0] = '\0';
    walk->links = 0;
    walk->why = why;
    walk->why_size = why_size;
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return refuse(walk, path, strerror(errno));
    int written = snprintf(walk->todo, sizeof walk->todo, "%s/%s", here, path);
    if (written < 0 || written >= PATH_MAX)
        return refuse(walk, path, strerror(ENAMETOOLONG));
    return true;
}

int trust_open_folder(const char *path, char real[PATH_MAX], char *why, size_t why_size)
{
    struct walk walk;
    if (!begin(&walk, path, why, why_size) || !walk_folders(&walk))
        return -1;
    (void)snprintf(real, PATH_MAX, "%s", walk.done[0] ? walk.done : "/");
    int fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)refuse(&walk, real, strerror(errno));
    return fd;
}

static bool judge_file(const struct walk *walk, const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return refuse(walk, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(walk, path, "not a regular file, expected one");
    return judge_owner(walk, path, &st) && judge_mode(walk, path, &st);
}

int trust_open(const char *path, char real[PATH_MAX], char *why, size_t why_size)
{
    struct walk walk;
    char name[NAME_MAX + 1];
    if (!begin(&walk, path, why, why_size))
        return -1;
    char *slash = strrchr(walk.todo, '/'); /* begin put one there */
    if (strlen(slash + 1) == 0 || strlen(slash + 1) >= sizeof name) {
        (void)refuse(&walk, path, "no name of a file");
        return -1;
    }
    memcpy(name, slash + 1, strlen(slash + 1) + 1);
    *slash = '\0';
    if (!walk_folders(&walk))
        return -1;
    int written = snprintf(real, PATH_MAX, "%s/%s", walk.done, name);
    if (written < 0 || written >= PATH_MAX) {
        (void)refuse(&walk, path, strerror(ENAMETOOLONG));
        return -1;
    }
    int fd = open(real, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        (void)refuse(&walk, real,
                     errno == ELOOP ? "a symbolic link, expected the file itself"
                                    : strerror(errno));
        return -1;
    }
    if (!judge_file(&walk, real, fd)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}
