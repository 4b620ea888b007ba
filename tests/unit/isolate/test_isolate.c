/* SPDX-License-Identifier: Apache-2.0
 *
 * test_isolate.c -- what a helper process may do, and cannot: every case begins a real one (this
 * program again), which then breaks the wire in its own way.
 *
 * After each: no process is left, no descriptor, each batch was given back at most once, and no
 * result that a worker could not take.  Nothing waits for ever: alarm() ends the program.
 */
#include "breaches.h"
#include "isolate.h"
#include "isolate_options.h"
#include "region.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CASE_SECONDS 60

/* A helper may die as it says any of these, or before. */
static void dies_saying(struct evil *evil, int kind)
{
    if (kind != ISOLATE_STARTED)
        evil_started(evil);
    if (kind == 0)
        evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, 0);
    else
        evil_say(evil, (uint32_t)kind, kind == ISOLATE_DOWN ? LEAT_ERETRY : LEAT_OK,
                 kind == ISOLATE_METRIC ? LEAT_METRIC_GAUGE : 0, "name\0\0\0help\0", 12);
    (void)kill(getpid(), SIGKILL);
}

static int act(const char *name)
{
    static struct evil evil;
    sigset_t none;

    (void)sigemptyset(&none); /* they wait when it begins, as core/isolate_spawn.c says */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)alarm(CASE_SECONDS);
    evil_begin(&evil);
    for (size_t i = 0; i < breach_count; i++)
        if (strcmp(breaches[i].name, name) == 0)
            breaches[i].act(&evil);
    if (strncmp(name, "dies_", 5) == 0)
        dies_saying(&evil, atoi(name + 5));
    evil_linger();
}

/* ---- after each ------------------------------------------------------------------------------- */

static int descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count;
}

static double metric(struct rig *rig, const char *name)
{
    return plugin_metrics_current(&rig->worker.metrics, name);
}

static void check_after(struct rig *rig)
{
    int status, adopted = 0;
    pid_t left;

    assert_int_equal(rig->wrong, 0);
    for (uint32_t i = 0; i < RIG_BATCHES; i++)
        assert_in_range(rig->given_back[i], 0, 1);
    assert_true(metric(rig, "helper_pid") == 0);
    assert_true(metric(rig, "helper_starts_total") == 1);
    /* Nobody is left: what a helper began itself comes to us, who adopt it, dead. */
    for (; (left = waitpid(-1, &status, 0)) > 0; adopted++)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(adopted, strcmp(rig->config.name, "leaves_a_child") == 0);
}

/* A full machine keeps a helper waiting, too: only one that shall never answer has a short time. */
static int64_t timeout_for(const char *error)
{
    return strstr(error, "did not answer") ? 1000 : 8000;
}

static leat_status play(struct rig *rig, const char *name, int64_t timeout_ms)
{
    leat_status status;

    rig_init(rig, name, timeout_ms);
    status = rig_start(rig);
    if (status == LEAT_OK)
        status = rig_run(rig);
    (void)rig->ops.stop(rig->sink, 100);
    check_after(rig);
    return status;
}

static void whatever_a_helper_does_is_contained(void **state)
{
    static struct rig rig;
    int before = descriptors();

    (void)state;
    for (size_t i = 0; i < breach_count; i++) {
        (void)alarm(CASE_SECONDS);
        leat_status status = play(&rig, breaches[i].name, timeout_for(breaches[i].error));
        if (status != breaches[i].status || !strstr(rig.error.text, breaches[i].error) ||
            (breaches[i].log && !strstr(rig.log, breaches[i].log)))
            fail_msg("%s: status %d, %s\n%s", breaches[i].name, (int)status, rig.error.text,
                     rig.log);
        assert_true(metric(&rig, "helper_breaches_total") ==
                    (strstr(rig.error.text, "was killed: ") ? 1 : 0));
        assert_true(metric(&rig, "helper_timeouts_total") ==
                    (strstr(rig.error.text, "did not answer") ? 1 : 0));
        if (status == LEAT_OK)
            assert_true(rig_is_done(&rig));
        if (strcmp(breaches[i].name, "floods_the_log") == 0)
            assert_in_range(rig.lines, 1000, 2500);
        if (strcmp(breaches[i].name, "says_much_for_nobody") == 0)
            assert_int_equal(rig.lines, 1);
        if (strcmp(breaches[i].name, "odd_figures") == 0) {
            struct plugin_metric_copy shown[PLUGIN_METRICS_MAX];
            uint32_t count = plugin_metrics_read(&rig.worker.metrics, shown);
            assert_int_equal(count, 6); /* our five, and the good one */
            assert_string_equal(shown[5].name, "good");
        }
        rig_fini(&rig);
        assert_int_equal(descriptors(), before);
    }
}

/* Its end, in whatever way, is what the plugin's create did: no reason to try again. */
static void a_trial_is_over_when_it_returns(void **state)
{
    static const struct {
        const char *name;
        leat_status status;
        int exit_code;
        const char *error;
        int32_t longest_ms;
    } trials[] = {
        {"does_not_start", LEAT_EFATAL, 70, "did not answer for 100 ms and was killed before", 100},
        {"sends_descriptors", LEAT_OK, 0, "", INT32_MAX},
        {"asks_for_secrets", LEAT_OK, 0, "", INT32_MAX},
        {"does_not_stop", LEAT_OK, 0, "", INT32_MAX},
        {"length_too_short", LEAT_EFATAL, 70, "was killed: it sent a message that is none before",
         INT32_MAX},
        {"started_with_nonsense", LEAT_EFATAL, 70, "makes no sense before its create", INT32_MAX},
        {"started_again", LEAT_EFATAL, 70, "a status that there is not before its create",
         INT32_MAX},
        {"does_not_start", LEAT_EFATAL, 70, "did not answer for 1 s and was killed before",
         INT32_MAX},
        {"ends_at_once", LEAT_EFATAL, 70, "ended by itself with status 3 before its create",
         INT32_MAX},
    };
    static struct rig rig;
    int before = descriptors();

    (void)state;
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        (void)alarm(CASE_SECONDS);
        rig_init(&rig, trials[i].name, timeout_for(trials[i].error));
        leat_status status = isolate_try(&rig.worker, trials[i].longest_ms, &rig.error);
        if (status != trials[i].status || rig.error.exit_code != trials[i].exit_code ||
            !strstr(rig.error.text, trials[i].error))
            fail_msg("%s: status %d, exit %d, %s\n%s", trials[i].name, (int)status,
                     rig.error.exit_code, rig.error.text, rig.log);
        assert_true(metric(&rig, "helper_pid") == 0 && metric(&rig, "helper_starts_total") == 0);
        while (waitpid(-1, NULL, 0) > 0)
            ;
        assert_int_equal(rig.wrong, 0);
        rig_fini(&rig);
        assert_int_equal(descriptors(), before);
    }
}

static void it_may_die_saying_anything(void **state)
{
    static struct rig rig;
    int before = descriptors();
    char name[16];

    (void)state;
    for (int kind = 0; kind <= ISOLATE_SECRET; kind++) {
        (void)alarm(CASE_SECONDS);
        (void)snprintf(name, sizeof name, "dies_%d", kind);
        assert_int_equal(play(&rig, name, timeout_for("")), LEAT_ERETRY);
        rig_fini(&rig);
        assert_int_equal(descriptors(), before);
    }
}

static void a_sink_can_be_begun_again_and_again(void **state)
{
    static struct rig rig;
    int before = descriptors();

    (void)state;
    (void)alarm(CASE_SECONDS);
    rig_init(&rig, "ends_at_once", timeout_for(""));
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(rig_start(&rig), LEAT_ERETRY);
        (void)rig.ops.stop(rig.sink, 0);
        assert_true(metric(&rig, "helper_starts_total") == i);
    }
    rig_fini(&rig);
    assert_int_equal(descriptors(), before);
}

/* ---- options ---------------------------------------------------------------------------------- */

static void options_arrive_as_they_were(void **state)
{
    static struct rig rig;
    struct region region = {0};
    size_t size = 0;
    char *bytes;
    const struct rig_options *got, *was;

    (void)state;
    rig_init(&rig, "none", 1000);
    was = rig.config.options;
    bytes = isolate_options_pack(&rig.plugin, was, &size);
    got = isolate_options_unpack(&rig.plugin, bytes, size, &region);
    assert_non_null(got);
    assert_string_equal(got->text, was->text);
    assert_string_equal(got->secret, was->secret);
    assert_null(got->none);
    assert_int_equal(got->number, 42);
    assert_true(got->flag);
    assert_int_equal(got->list.count, 3);
    assert_string_equal(got->list.items[1], "");
    assert_string_equal(got->list.items[2], "c");
    assert_int_equal(got->pairs.count, 2);
    assert_string_equal(got->pairs.items[0].value, "v");
    for (size_t cut = 0; cut < size; cut++) { /* of a torn one nothing is believed */
        char *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, bytes, cut);
        assert_null(isolate_options_unpack(&rig.plugin, part, cut, &region));
        free(part);
    }
    region_fini(&region);
    free(bytes);
    rig_fini(&rig);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_arrive_as_they_were),
        cmocka_unit_test(whatever_a_helper_does_is_contained),
        cmocka_unit_test(a_trial_is_over_when_it_returns),
        cmocka_unit_test(it_may_die_saying_anything),
        cmocka_unit_test(a_sink_can_be_begun_again_and_again),
    };

    if (argc == 3 && strcmp(argv[1], "__sink") == 0)
        return act(strchr(argv[2], '/') + 1);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)signal(SIGPIPE, SIG_DFL); /* nothing here may need it ignored */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
