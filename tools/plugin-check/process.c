/* SPDX-License-Identifier: Apache-2.0
 *
 * process.c -- see process.h.
 */
#include "process.h"

#include "heap.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

struct standing {
    sigset_t mask;
    struct sigaction actions[65];
    char locale[256];
    locale_t thread_locale;
    char folder[4096];
    unsigned mask_of_files;
    uint64_t environment;
};

static struct standing stood;
static int output = -1;

static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h * UINT64_C(1099511628211);
}

/* umask(2) cannot be asked without being set; the kernel tells it here. */
static unsigned umask_now(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *at = strstr(text, "\nUmask:");
    return at ? (unsigned)strtoul(at + 7, NULL, 8) : 0;
}

static void look(struct standing *now)
{
    memset(now, 0, sizeof *now);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &now->mask);
    for (int i = 1; i <= 64; i++)
        (void)sigaction(i, NULL, &now->actions[i]);
    const char *name = setlocale(LC_ALL, NULL);
    (void)snprintf(now->locale, sizeof now->locale, "%s", name ? name : "");
    now->thread_locale = uselocale((locale_t)0);
    if (!getcwd(now->folder, sizeof now->folder))
        now->folder[0] = '\0';
    now->mask_of_files = umask_now();
    now->environment = 14695981039346656037u;
    for (char **item = environ; item && *item; item++)
        now->environment = hash(now->environment, *item);
}

void process_remember(void)
{
    look(&stood);
}

void process_silence(const char *folder)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s.output", folder);
    (void)fflush(NULL);
    output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    (void)dup2(output, 1);
    (void)dup2(output, 2);
    (void)unlink(path);
    process_remember();
}

void process_output(void)
{
    struct stat st;
    char text[80] = "";
    (void)fflush(NULL);
    if (fstat(output, &st) != 0 || st.st_size == 0)
        return;
    ssize_t len = pread(output, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    finding(C_OUTPUT, "%lld bytes were written to standard output or error, beginning \"%s\"",
            (long long)st.st_size, text);
}

void process_compare(const char *call)
{
    static struct standing now;
    look(&now);
    if (memcmp(&now.mask, &stood.mask, sizeof now.mask) != 0)
        finding(C_PROCESS, "%s changed the signal mask", call);
    for (int i = 1; i <= 64; i++)
        if (now.actions[i].sa_handler != stood.actions[i].sa_handler ||
            now.actions[i].sa_flags != stood.actions[i].sa_flags)
            finding(C_PROCESS, "%s changed the handler of signal %d (%s)", call, i, strsignal(i));
    if (strcmp(now.locale, stood.locale) != 0 || now.thread_locale != stood.thread_locale)
        finding(C_PROCESS, "%s changed the locale to %s", call, now.locale);
    if (strcmp(now.folder, stood.folder) != 0)
        finding(C_PROCESS, "%s changed the working directory to %s", call, now.folder);
    if (now.mask_of_files != stood.mask_of_files)
        finding(C_PROCESS, "%s changed the umask to %03o", call, now.mask_of_files);
    if (now.environment != stood.environment)
        finding(C_PROCESS, "%s changed the environment", call);
    stood = now; /* told once */
}

static uint32_t entries(const char *folder)
{
    uint32_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    return count;
}

struct resources process_resources(uint32_t threads)
{
    struct resources now;
    int64_t until = check_now_ns() + 500000000;
    now.fds = entries("/proc/self/fd");
    /* A joined thread may stand in /proc for a moment longer. */
    while ((now.threads = entries("/proc/self/task")) > threads && check_now_ns() < until)
        (void)poll(NULL, 0, 5);
    now.blocks = heap_blocks();
    return now;
}

void process_mark_fds(bool marks[1024])
{
    for (int fd = 0; fd < 1024; fd++)
        marks[fd] = fcntl(fd, F_GETFD) >= 0;
}

int process_cut_sockets(const bool marks[1024])
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += !marks[fd] && shutdown(fd, SHUT_RDWR) == 0;
    return count;
}
