/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_helper.c -- leat __sink: the helper process of an isolated sink.  It loads that one
 * plugin with the daemon's own loader, and drives it as a worker does: see worker.c for why each
 * step is as it is.  It never outlives the daemon: the kernel kills it with the thread that began
 * it, and the end of the socket ends it.
 */
#include "isolate.h"

#include "isolate_helper.h"
#include "isolate_options.h"
#include "plugin_load.h"
#include "region.h"
#include "trust.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#define START_AGAIN_MS 50
#define FIRST_TO_GO 500

/* ---- batches -------------------------------------------------------------------------------- */

/* Everything stays where it is: the pool lies at the same address here and there. */
static const leat_batch *take_over(struct helper *helper, const struct isolate_offer *offer)
{
    leat_batch *batch = &helper->batches[offer->token & (ISOLATE_RING - 1)];

    *batch = (leat_batch){.size = sizeof *batch,
                          .record_count = offer->count,
                          .record_stride = sizeof(leat_record),
                          .attempt = offer->attempt,
                          .token = offer->token,
                          .records = helper->pool + offer->offset};
    return batch;
}

static bool has_offers(const struct helper *helper)
{
    return atomic_load_explicit(&helper->shared->offered, memory_order_acquire) != helper->taken;
}

/* It stands behind one that failed, and was on its way when that did. */
static bool is_behind_failure(struct helper *helper, const struct isolate_offer *offer)
{
    return atomic_load_explicit(&helper->failed, memory_order_acquire) == offer->epoch + 1;
}

static void give_back(struct helper *helper, const struct isolate_offer *offer)
{
    static const char text[] = "a batch before it failed";
    leat_result result = {
        .size = sizeof result, .status = LEAT_ERETRY, .text = {text, sizeof text - 1}};

    helper->host.batch_done(&helper->host, offer->token, &result);
}

/* True when something was taken. */
static bool submit_offers(struct helper *helper, leat_status *wrong)
{
    bool any = false;

    while (has_offers(helper)) {
        struct isolate_offer offer = helper->shared->offers[helper->taken & (ISOLATE_RING - 1)];
        leat_status status = LEAT_OK;
        atomic_store_explicit(&helper->epochs[offer.token & (ISOLATE_RING - 1)], offer.epoch,
                              memory_order_relaxed);
        if (is_behind_failure(helper, &offer))
            give_back(helper, &offer);
        else
            status = helper->ops->submit(helper->sink, take_over(helper, &offer));
        if (status == LEAT_AGAIN)
            break;
        if (status != LEAT_OK) {
            *wrong = status;
            break;
        }
        helper->taken++;
        any = true;
    }
    return any;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static leat_status poll_plugin(struct helper *helper, int32_t wait_ms, leat_error *error)
{
    struct pollfd fd = {.fd = helper->bell, .events = POLLIN};

    if (helper->ops->poll)
        return helper->ops->poll(helper->sink, wait_ms, error);
    if (wait_ms != 0)
        (void)poll(&fd, 1, wait_ms);
    return LEAT_OK;
}

/* Says that this thread still turns. */
static void turn(struct helper *helper)
{
    atomic_store_explicit(&helper->shared->answered,
                          atomic_load_explicit(&helper->shared->asked, memory_order_acquire),
                          memory_order_relaxed);
}

/* Sleeps in the plugin's poll, unless there is something that came since `events`; again: what is
 * offered was refused, and is no reason to stay awake. */
static leat_status sleep_in_plugin(struct helper *helper, uint32_t events, bool again,
                                   int32_t wait_ms, leat_error *error)
{
    leat_status status = LEAT_OK;

    (void)atomic_exchange_explicit(&helper->shared->helper_asleep, 1, memory_order_acq_rel);
    turn(helper);
    helper_listen(helper, false);
    if (!helper->stop_asked && !helper->orphan && (again || !has_offers(helper)) &&
        atomic_load_explicit(&helper->events, memory_order_acquire) == events)
        status = poll_plugin(helper, wait_ms, error);
    atomic_store_explicit(&helper->shared->helper_asleep, 0, memory_order_relaxed);
    (void)isolate_hear(helper->bell);
    return status;
}

static bool goes_on(struct helper *helper)
{
    turn(helper);
    helper_listen(helper, false);
    return !helper->stop_asked && !helper->orphan;
}

/* AGAIN is for start to be called once more. */
static leat_status start_plugin(struct helper *helper, leat_sink_start *start, leat_error *error)
{
    leat_status status = helper->ops->start(helper->sink, start, error);

    while (status == LEAT_AGAIN && goes_on(helper)) {
        leat_status polled =
            sleep_in_plugin(helper, atomic_load(&helper->events), true, START_AGAIN_MS, error);
        if (polled != LEAT_OK && polled != LEAT_AGAIN)
            return polled;
        status = helper->ops->start(helper->sink, start, error);
    }
    return status == LEAT_AGAIN ? LEAT_ERETRY : status;
}

/* Until it is told to stop, or the plugin is down; the latter is said. */
static void run_plugin(struct helper *helper)
{
    leat_error error = {.size = sizeof error};
    leat_status status = LEAT_OK, wrong = LEAT_OK;

    while (goes_on(helper) && wrong == LEAT_OK && (status == LEAT_OK || status == LEAT_AGAIN)) {
        uint32_t events = atomic_load_explicit(&helper->events, memory_order_acquire);
        bool any = submit_offers(helper, &wrong);
        bool again = has_offers(helper);
        if (wrong != LEAT_OK)
            break;
        status = poll_plugin(helper, 0, &error);
        if (!any && (status == LEAT_OK || status == LEAT_AGAIN))
            status = sleep_in_plugin(helper, events, again, -1, &error);
    }
    if (wrong != LEAT_OK) {
        error.exit_code = EX_SOFTWARE;
        (void)snprintf(error.text, sizeof error.text,
                       "submit returned %d, which is neither OK nor AGAIN: a bug of the plugin",
                       (int)wrong);
        helper_say_state(helper, ISOLATE_DOWN, LEAT_EFATAL, NULL, &error);
    } else if (status != LEAT_OK && status != LEAT_AGAIN) {
        helper_say_state(helper, ISOLATE_DOWN, status, NULL, &error);
    }
}

static void wait_for_stop(struct helper *helper)
{
    while (!helper->stop_asked && !helper->orphan)
        helper_listen(helper, true);
}

static void drive(struct helper *helper, const void *options)
{
    leat_error error = {.size = sizeof error};
    leat_sink_start start = {.size = sizeof start,
                             .name_space = helper->hello.name_space,
                             .known = helper->hello.known,
                             .durable = helper->hello.durable,
                             .format = helper->hello.format};
    leat_status status = helper->ops->create(&helper->host, options, &helper->sink, &error);

    bool is_trial = helper->hello.is_trial;

    if (status != LEAT_OK && !error.text[0])
        (void)snprintf(error.text, sizeof error.text,
                       "the plugin's create failed with %d and no reason", (int)status);
    if (status == LEAT_OK && !is_trial)
        status = start_plugin(helper, &start, &error);
    helper_say_state(helper, ISOLATE_STARTED, status, &start, &error);
    if (status == LEAT_OK && !is_trial)
        run_plugin(helper);
    wait_for_stop(helper);
    if (helper->sink && !helper->orphan && !is_trial)
        (void)helper->ops->stop(helper->sink, helper->deadline_ms);
    helper->ops->destroy(helper->sink);
    helper_say_state(helper, ISOLATE_STOPPED, LEAT_OK, NULL, NULL);
}

/* ---- set-up --------------------------------------------------------------------------------- */

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
        drive(helper, options);
    } else {
        /* It was good when the daemon began: somebody replaces it just now, or has. */
        helper_say_state(helper, ISOLATE_STARTED, LEAT_ERETRY, &(leat_sink_start){0}, &error);
        wait_for_stop(helper);
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
