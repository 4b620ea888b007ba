/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.c -- see listen.h.
 *
 * A unix socket is bound under another name, given its mode, and renamed into its place: nobody
 * sees it with another mode, and what lay there is replaced in one step.
 */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static bool failed(leat_error *error, const char *address, const char *what)
{
    error->exit_code = 73;
    (void)snprintf(error->text, sizeof error->text, "http.listen: %s: %s: %s", address, what,
                   strerror(errno));
    return false;
}

/* ---- unix sockets --------------------------------------------------------------------------- */

static bool unix_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    return (size_t)snprintf(address->sun_path, sizeof address->sun_path, "%s", path) <
           sizeof address->sun_path;
}

static int unix_connect(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (!unix_address(&address, path)) {
        errno = ENAMETOOLONG;
    } else if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

/* True when the place is free, or holds a socket that nobody listens on. */
static bool may_take(const char *path)
{
    struct stat there;
    int fd;

    if (lstat(path, &there) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(there.st_mode)) {
        errno = EEXIST;
        return false;
    }
    fd = unix_connect(path);
    if (fd >= 0) {
        (void)close(fd);
        errno = EADDRINUSE;
        return false;
    }
    return errno == ECONNREFUSED;
}

/* The folder, opened; made first where only its last part is missing. */
static int open_folder(const char *path, const char **name)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : (size_t)(slash - path);

    memcpy(folder, path, length);
    folder[length] = '\0';
    *name = slash + 1;
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return -1;
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Binds in the folder under a name of this process, through /proc so that a long path fits. */
static bool bind_aside(int fd, int folder, const char *aside)
{
    struct sockaddr_un address;
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, aside);
    (void)unlinkat(folder, aside, 0); /* of an earlier process with this number */
    return unix_address(&address, path) &&
           bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static bool open_unix(struct listener *listener, const char *path, leat_error *error)
{
    char aside[32];
    const char *name;
    int folder;
    bool ok;

    (void)snprintf(listener->path, sizeof listener->path, "%s", path);
    (void)snprintf(aside, sizeof aside, ".leat-%d", (int)getpid());
    listener->local = true;
    folder = open_folder(path, &name);
    if (folder < 0)
        return failed(error, path, "its folder cannot be used");
    if (!may_take(path)) {
        (void)close(folder);
        return failed(error, path,
                      errno == EADDRINUSE ? "another daemon answers there" : "cannot be replaced");
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ok = listener->fd >= 0 && bind_aside(listener->fd, folder, aside) &&
         fchmodat(folder, aside, 0660, 0) == 0 && listen(listener->fd, BACKLOG) == 0 &&
         fstatat(folder, aside, &listener->made, AT_SYMLINK_NOFOLLOW) == 0 &&
         renameat(folder, aside, folder, name) == 0;
    if (!ok) {
        (void)failed(error, path, "cannot listen");
        (void)unlinkat(folder, aside, 0);
    }
    (void)close(folder);
    return ok;
}

/* ---- TCP ------------------------------------------------------------------------------------ */

static struct addrinfo *resolve(const char *address, bool passive)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    struct addrinfo *found = NULL;
    size_t length;

    if (!colon || (length = (size_t)(colon - address)) >= sizeof host)
        return NULL;
    memcpy(host, address, length);
    host[length] = '\0';
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >>
                24) == 127;
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return false;
}

static bool open_tcp(struct listener *listener, const char *address, leat_error *error)
{
    struct addrinfo *found = resolve(address, true);
    int one = 1;
    bool ok;

    if (!found) {
        errno = EADDRNOTAVAIL;
        return failed(error, address, "the host has no address");
    }
    listener->loopback = is_loopback(found->ai_addr);
    listener->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd >= 0)
        (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ok = listener->fd >= 0 && bind(listener->fd, found->ai_addr, found->ai_addrlen) == 0 &&
         listen(listener->fd, BACKLOG) == 0;
    if (!ok)
        (void)failed(error, address, "cannot listen");
    freeaddrinfo(found);
    return ok;
}

/* ---- both ----------------------------------------------------------------------------------- */

bool listener_open(struct listener *listener, const char *address, leat_error *error)
{
    bool ok;

    memset(listener, 0, sizeof *listener);
    listener->fd = -1;
    if (strncmp(address, "unix:", 5) == 0)
        ok = open_unix(listener, address + 5, error);
    else
        ok = open_tcp(listener, address, error);
    if (!ok) {
        listener->path[0] = '\0';
        listener_close(listener);
    }
    return ok;
}

void listener_close(struct listener *listener)
{
    struct stat there;

    if (listener->fd >= 0)
        (void)close(listener->fd);
    listener->fd = -1;
    if (listener->path[0] && lstat(listener->path, &there) == 0 &&
        there.st_dev == listener->made.st_dev && there.st_ino == listener->made.st_ino)
        (void)unlink(listener->path);
    listener->path[0] = '\0';
}

int listen_connect(const char *address, int timeout_ms)
{
    struct timeval limit = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    struct addrinfo *found;
    int fd;

    if (strncmp(address, "unix:", 5) == 0) {
        fd = unix_connect(address + 5);
    } else {
        found = resolve(address, false);
        if (!found) {
            errno = EADDRNOTAVAIL;
            return -1;
        }
        fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
            if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
                int saved = errno;
                (void)close(fd);
                errno = saved;
                fd = -1;
            }
        }
        freeaddrinfo(found);
    }
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    return fd;
}
