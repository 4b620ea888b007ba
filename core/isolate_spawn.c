/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_spawn.c -- the helper's exec: this same file again, with an environment, signals and
 * descriptors that are made, not inherited.  [worker]
 *
 * The daemon has threads, so nothing of ours runs between fork and exec: posix_spawn does it.
 */
#include "isolate_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What client libraries look for; nothing else of ours. */
static const char *const inherited[] = {"PATH",
                                        "HOME",
                                        "LANG",
                                        "LC_ALL",
                                        "TZ",
                                        "TMPDIR",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR",
                                        "KRB5_CONFIG",
                                        "KRB5CCNAME",
                                        "KRB5_KTNAME",
                                        "KRB5_CLIENT_KTNAME",
                                        "LD_LIBRARY_PATH",
                                        "ASAN_OPTIONS",
                                        "UBSAN_OPTIONS",
                                        "LSAN_OPTIONS",
                                        "TSAN_OPTIONS"};

#define INHERITED (sizeof inherited / sizeof *inherited)

static void free_environment(char **variables)
{
    for (size_t i = 0; variables[i]; i++)
        free(variables[i]);
}

static bool make_environment(char *variables[INHERITED + 1])
{
    size_t count = 0;

    memset(variables, 0, (INHERITED + 1) * sizeof *variables);
    for (size_t i = 0; i < INHERITED; i++) {
        const char *value = getenv(inherited[i]);
        if (!value)
            continue;
        if (asprintf(&variables[count], "%s=%s", inherited[i], value) < 0) {
            variables[count] = NULL;
            return false;
        }
        count++;
    }
    return true;
}

/* All signals wait until the helper has said what it does with them: a terminal's or a unit's
 * SIGTERM is for the daemon, which stops it. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t every;

    (void)sigfillset(&every);
    (void)posix_spawnattr_setsigmask(attributes, &every);
    (void)posix_spawnattr_setsigdefault(attributes, &every);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
}

static int set_files(posix_spawn_file_actions_t *files, int socket, int voice)
{
    int wrong = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);

    if (wrong == 0)
        wrong = posix_spawn_file_actions_adddup2(files, voice, 1);
    if (wrong == 0)
        wrong = posix_spawn_file_actions_adddup2(files, voice, 2);
    if (wrong == 0)
        wrong = posix_spawn_file_actions_adddup2(files, socket, ISOLATE_FD);
    if (wrong == 0)
        wrong = posix_spawn_file_actions_addclosefrom_np(files, ISOLATE_FD + 1);
    return wrong;
}

int isolate_spawn(const leat_sink *sink, int socket, int voice, pid_t *pid)
{
    char place[160];
    char *words[] = {(char[]){"leat"}, (char[]){"__sink"}, place, NULL};
    char *variables[INHERITED + 1];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int wrong;

    (void)snprintf(place, sizeof place, "%s/%s", sink->host->pipeline, sink->host->instance);
    if ((wrong = posix_spawn_file_actions_init(&files)) != 0)
        return wrong;
    if ((wrong = posix_spawnattr_init(&attributes)) == 0) {
        wrong = make_environment(variables) ? 0 : ENOMEM;
        if (wrong == 0)
            wrong = set_signals(&attributes);
        if (wrong == 0)
            wrong = set_files(&files, socket, voice);
        if (wrong == 0)
            wrong = posix_spawn(pid, "/proc/self/exe", &files, &attributes, words, variables);
        free_environment(variables);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return wrong;
}
