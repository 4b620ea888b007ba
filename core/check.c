/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- everything that a configuration names, looked at without changing it.  [main]
 */
#include "finding.h"

#include "check_plugin.h"
#include "clock.h"
#include "plugins.h"
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define CHECK_TIME_MS 9500

struct checker {
    void (*report)(void *context, const struct finding *finding);
    void *context;
    const char *pipeline, *instance;
};

static void finding(struct checker *checker, int32_t severity, int32_t exit_code, const char *text,
                    const char *fix)
{
    struct finding found = {
        .severity = severity,
        .exit_code = exit_code,
        .pipeline = checker->pipeline,
        .instance = checker->instance,
        .text = text,
        .fix = fix,
    };

    checker->report(checker->context, &found);
}

static void report(leat_check *check, int32_t severity, int32_t exit_code, const char *text,
                   const char *fix)
{
    finding(check->context, severity, exit_code, text, fix);
}

/* The daemon makes the last part of such a folder itself, where it may. */
static void missing_folder(struct checker *checker, int32_t severity, const char *option,
                           const char *path, int failure)
{
    char text[4400], fix[4200], parent[4200];
    char *slash;

    (void)snprintf(parent, sizeof parent, "%s", path);
    slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    (void)snprintf(fix, sizeof fix, "install -d -m 0750 -o USER %.4000s", path);
    (void)snprintf(text, sizeof text, "%s %.4000s: %s", option, path, strerror(failure));
    if (failure == ENOENT && access(parent, W_OK | X_OK) == 0) {
        (void)snprintf(text, sizeof text, "%s %.4000s will be made by the first run", option, path);
        finding(checker, LEAT_FINDING_OK, 0, text, NULL);
    } else {
        finding(checker, severity, failure == EACCES || errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
                text, fix);
    }
}

/* The admin socket's folder; a unit makes it when it starts. */
static void check_listen(struct checker *checker, const struct config *config)
{
    char folder[4200];

    checker->pipeline = "";
    checker->instance = "http.listen";
    for (size_t i = 0; config->http_written && i < config->http_listen.count; i++) {
        const char *address = config->http_listen.items[i];
        char *slash;
        if (strncmp(address, "unix:", 5) != 0)
            continue;
        (void)snprintf(folder, sizeof folder, "%s", address + 5);
        slash = strrchr(folder, '/');
        if (slash)
            slash[slash == folder] = '\0';
        if (access(folder, W_OK | X_OK) != 0)
            missing_folder(checker, LEAT_FINDING_WARNING, "the folder of the socket,", folder,
                           errno);
    }
}

static void check_state(struct checker *checker, const struct config *config)
{
    struct state_directory directory;
    struct journal_entry *entry = malloc(sizeof *entry);
    leat_error error = {.size = sizeof error};
    char text[400], fix[400];
    struct stat info;

    checker->pipeline = "";
    checker->instance = "state";
    if (!state_look(&directory, config->state_directory)) {
        missing_folder(checker, LEAT_FINDING_ERROR, "state_directory", config->state_directory,
                       errno);
        free(entry);
        return;
    }
    if (access(config->state_directory, W_OK | X_OK) != 0) {
        (void)snprintf(text, sizeof text, "state_directory %.200s is not writable: %s",
                       config->state_directory, strerror(errno));
        (void)snprintf(fix, sizeof fix, "chown USER %.200s", config->state_directory);
        finding(checker, LEAT_FINDING_ERROR, EX_NOPERM, text, fix);
    }
    /* Whose it is, is the run's to judge: whoever checks may be another user. */
    if (fstat(directory.fd, &info) == 0 && info.st_mode & S_IWOTH) {
        (void)snprintf(text, sizeof text, "state_directory %.200s: others may write there",
                       config->state_directory);
        (void)snprintf(fix, sizeof fix, "chmod o-w %.200s", config->state_directory);
        finding(checker, LEAT_FINDING_ERROR, EX_CONFIG, text, fix);
    }
    for (size_t i = 0; entry && i < config->pipeline_count; i++) {
        checker->pipeline = config->pipelines[i].name;
        if (state_load(&directory, config->pipelines[i].name, entry, &error) == LEAT_ECONFIG)
            finding(checker, LEAT_FINDING_ERROR, error.exit_code, error.text, NULL);
    }
    state_close(&directory);
    free(entry);
}

/* The templates of a sink, for what they name.  The caller frees the items; none where there is no
 * memory, which only makes the check say less. */
static leat_strings routes_of(const struct config_sink *sink)
{
    const char **items = calloc(sink->route_count + 1, sizeof *items);
    leat_strings routes = {.items = items};

    for (size_t i = 0; items && i < sink->route_count; i++)
        items[routes.count++] = sink->routes[i].route;
    if (items && sink->route)
        items[routes.count++] = sink->route;
    return routes;
}

/* What the source's start would be given now. */
struct recalled {
    struct journal_entry entry;
    leat_pair facts[JOURNAL_FACTS_MAX];
    leat_source_start start;
};

/* NULL: nothing was recorded, or it cannot be read, which check_state tells.  The caller frees it.
 */
static struct recalled *recall(const struct config *config, const char *pipeline)
{
    struct recalled *recalled = calloc(1, sizeof *recalled);
    struct state_directory directory;
    leat_error error = {.size = sizeof error};
    leat_status status = LEAT_EOF;

    if (recalled && state_look(&directory, config->state_directory)) {
        status = state_load(&directory, pipeline, &recalled->entry, &error);
        state_close(&directory);
    }
    if (status != LEAT_OK) {
        free(recalled);
        return NULL;
    }
    recalled->start = (leat_source_start){.size = sizeof recalled->start,
                                          .fact_count = recalled->entry.fact_count,
                                          .facts = recalled->facts,
                                          .position = recalled->entry.position.value};
    for (uint32_t i = 0; i < recalled->entry.fact_count; i++)
        recalled->facts[i] =
            (leat_pair){recalled->entry.facts[i].name, recalled->entry.facts[i].value};
    return recalled;
}

static void check_with_state(const struct config *config, const struct config_pipeline *pipeline,
                             leat_check *check, bool offline)
{
    struct recalled *recalled = offline ? NULL : recall(config, pipeline->name);

    check->known = recalled ? &recalled->start : NULL;
    check_source(pipeline, check, offline);
    check->known = NULL;
    free(recalled);
}

/* The source, then each sink. */
static void check_pipeline(struct checker *checker, const struct config *config,
                           const struct config_pipeline *pipeline, bool offline,
                           int64_t deadline_ns)
{
    leat_check check = {.size = sizeof check, .context = checker, .report = report};

    checker->pipeline = pipeline->name;
    for (size_t i = 0; i <= pipeline->sink_count; i++) {
        int64_t left_ms = (deadline_ns - clock_now_ns(&clock_real)) / 1000000;

        checker->instance = i == 0 ? "source" : pipeline->sinks[i - 1].name;
        if (left_ms <= 0) {
            finding(checker, LEAT_FINDING_ERROR, EX_UNAVAILABLE, "no time left to check it",
                    "mend what takes the others so long, or check less: leat check --pipeline "
                    "NAME");
            continue;
        }
        /* Each gets an equal part of what is left, so that one that hangs leaves the others some.
         */
        check.deadline_ms = (int32_t)(left_ms / (int64_t)(pipeline->sink_count + 1 - i));
        if (i == 0) {
            check_with_state(config, pipeline, &check, offline);
            continue;
        }
        check.routes = routes_of(&pipeline->sinks[i - 1]);
        check_sink(pipeline->name, &pipeline->sinks[i - 1], &check, offline);
        free((void *)(uintptr_t)check.routes.items);
    }
}

void check_everything(const struct config *config, const char *pipeline, bool offline,
                      void (*tell)(void *context, const struct finding *finding), void *context)
{
    struct checker checker = {.report = tell, .context = context};
    int64_t deadline_ns = clock_now_ns(&clock_real) + (int64_t)CHECK_TIME_MS * 1000000;

    if (!offline) {
        check_listen(&checker, config);
        check_state(&checker, config);
    }
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (!pipeline || strcmp(pipeline, config->pipelines[i].name) == 0)
            check_pipeline(&checker, config, &config->pipelines[i], offline, deadline_ns);
}
