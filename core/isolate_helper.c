/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_helper.c -- leat __sink: the helper process of an isolated sink, up to its plugin, which
 * it loads with the daemon's own loader.  It never outlives the daemon: the kernel kills it with the
 * thread that began it, and the end of the socket ends it.
 */
#include "isolate.h"

#include "isolate_helper.h"
#include "isolate_options.h"
#include "plugin_load.h"
#include "region.h"
#include "trust.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#define FIRST_TO_GO 500

/* place: NULL: anywhere. */
static void *map(int fd, void *place, size_t size, int protection)
{
    void *at = mmap(place, size, protection, MAP_SHARED | (place ? MAP_FIXED_NOREPLACE : 0), fd, 0);

    (void)close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static bool map_memory(struct helper *helper, const int *fds)
{
    void *place = (void *)(uintptr_t)helper->hello.pool_base;

    helper->pool = map(fds[ISOLATE_FD_POOL], place, helper->hello.pool_size, PROT_READ);
    helper->shared =
        map(fds[ISOLATE_FD_SHARED], NULL, sizeof *helper->shared, PROT_READ | PROT_WRITE);
    helper->bell = fds[ISOLATE_FD_BELL];
    helper->own_bell = fds[ISOLATE_FD_OWN_BELL];
    return helper->pool == place && helper->shared;
}

/* The same library as the daemon's, loaded the same way. */
static const struct plugin *load(const struct helper *helper, leat_error *error)
{
    const struct plugin_description description = {.name = helper->hello.plugin,
                                                   .kind = LEAT_KIND_SINK,
                                                   .path = helper->hello.path,
                                                   .abi = LEAT_ABI_MAJOR};
    char real[PATH_MAX];
    int fd = trust_open(helper->hello.path, real, error->text, sizeof error->text);
    const struct plugin *plugin =
        fd < 0 ? NULL : plugin_load(fd, real, &description, error->text, sizeof error->text);

#ifndef LEAT_DEBUG /* where the sanitizers read symbols by the name it was loaded under */
    if (fd >= 0)
        (void)close(fd);
#endif
    return plugin;
}

static const void *read_options(const struct helper *helper, const struct plugin *plugin, int fd,
                                struct region *region, leat_error *error)
{
    size_t size = helper->hello.options_size;
    char *bytes = map(fd, NULL, size, PROT_READ | PROT_WRITE);
    const void *options = bytes ? isolate_options_unpack(plugin, bytes, size, region) : NULL;

    if (bytes) {
        explicit_bzero(bytes, size);
        (void)munmap(bytes, size);
    }
    if (!options)
        (void)snprintf(
            error->text, sizeof error->text,
            "%.300s has other options than when the daemon began: it was replaced; restart leat",
            helper->hello.path);
    return options;
}

/* What a terminal or a unit sends to all is for the daemon, which then stops us. */
static void settle_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
    sigset_t none;

    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Where memory runs out, a process that can be begun again goes before the daemon. */
static void offer_itself(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "r+e");
    int score = 0;

    if (file && fscanf(file, "%d", &score) == 1 && score < FIRST_TO_GO) {
        rewind(file);
        (void)fprintf(file, "%d", FIRST_TO_GO);
    }
    if (file)
        (void)fclose(file);
}

static void serve(struct helper *helper, int options_fd)
{
    struct region region = {0};
    leat_error error = {.size = sizeof error};
    const struct plugin *plugin = load(helper, &error);
    const void *options = plugin ? read_options(helper, plugin, options_fd, &region, &error) : NULL;

    if (options) {
        helper->ops = plugin_sink_ops(plugin);
        helper_drive(helper, options);
    } else {
        /* It was good when the daemon began: somebody replaces it just now, or has. */
        helper_say_state(helper, ISOLATE_STARTED, LEAT_ERETRY, &(leat_sink_start){0}, &error);
        helper_wait_for_stop(helper);
        helper_say_state(helper, ISOLATE_STOPPED, LEAT_OK, NULL, NULL);
    }
    region_fini(&region);
}

int isolate_helper(int argc, char **argv)
{
    static struct helper helper;
    int fds[ISOLATE_FDS];

    (void)argv;
    settle_signals();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "leat-sink");
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    offer_itself();
    if (argc != 2 || isolate_receive(ISOLATE_FD, &helper.heard, fds, 0) <= 0 ||
        helper.heard.kind != ISOLATE_HELLO || helper.heard.length != sizeof helper.hello) {
        (void)fprintf(stderr,
                      "leat: __sink is not for people: leat run begins it for isolate: true\n");
        return EX_USAGE;
    }
    memcpy(&helper.hello, helper.heard.text, sizeof helper.hello);
    if (getppid() != helper.hello.parent)
        return EX_UNAVAILABLE; /* it died before we could ask to die with it */
    if (!map_memory(&helper, fds)) {
        /* Another process has its own places: the next one will do. */
        (void)fprintf(stderr, "leat: __sink: cannot map the memory that it shares with leat\n");
        return EX_OSERR;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* as much as possible of what stood before a crash */
    helper_host_init(&helper);
    serve(&helper, fds[ISOLATE_FD_OPTIONS]);
    return EX_OK;
}
