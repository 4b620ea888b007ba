/* SPDX-License-Identifier: Apache-2.0
 *
 * sync_log.c -- preloaded into the daemon by the latency benchmark: notes when each fdatasync ended,
 * how long it took, and how long the file was by then, so that a record can be said durable.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int out = -1;
static int (*real)(int);

__attribute__((constructor)) static void open_log(void)
{
    const char *path = getenv("SYNC_LOG");

    real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (path)
        out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static long long wall_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int fdatasync(int fd)
{
    struct stat info = {0};
    char line[96];
    long long begun;
    int result;

    (void)fstat(fd, &info);
    begun = wall_us();
    result = real(fd);
    if (out >= 0)
        (void)!write(out, line,
                     (size_t)snprintf(line, sizeof line, "%lu %lld %lld %lld\n",
                                      (unsigned long)info.st_ino, (long long)info.st_size, begun,
                                      wall_us()));
    return result;
}
