/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_doctor.c -- leat doctor: the configuration, everything it names, and the daemon that runs it,
 * as one list of findings, the worst first.  [main]  Changes nothing.
 */
#include "commands.h"

#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Among errors: the exit codes from the worst on.  A gap is worse than what stands still. */
static const int ranks[] = {EX_DATAERR, EX_CONFIG,   EX_NOPERM,     EX_CANTCREAT,
                            EX_IOERR,   EX_SOFTWARE, EX_UNAVAILABLE};

static void add(void *context, const struct finding *finding)
{
    findings_add(context, finding);
}

/* "leat.yaml:3:5: what; what to do", line by line. */
static void add_problems(struct findings *findings, char *text, int exit_code)
{
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct finding finding = {
            LEAT_FINDING_ERROR,
            exit_code,
            "",
            "configuration",
            line,
            "a daemon that runs goes on as it was; correct it, then leat reload"};
        findings_add(findings, &finding);
    }
}

/* NULL: the file is wrong, which has been found. */
static struct config *load(const char *path, struct findings *findings)
{
    char *text = NULL;
    size_t size = 0;
    int exit_code = EX_OK;
    FILE *errors = open_memstream(&text, &size);
    struct config *config;

    if (!errors)
        return NULL;
    config = config_load(path, errors, &exit_code);
    (void)fclose(errors);
    if (!config)
        add_problems(findings, text, exit_code);
    free(text);
    return config;
}

static void look(const struct command_line *line, const struct config *config,
                 struct findings *findings)
{
    static const struct finding none = {LEAT_FINDING_WARNING,
                                        0,
                                        "",
                                        "daemon",
                                        "http.listen is none, so a running daemon cannot be asked",
                                        "write http: { listen: \"unix:/run/leat/leat.sock\" }"};
    struct admin_client client;

    if (config && config->http_listen.count == 0)
        findings_add(findings, &none);
    else if (admin_client_find(&client, line->config, NULL, false) == EX_OK)
        doctor_look(findings, &client, config);
}

/* ---- the list ------------------------------------------------------------------------------- */

struct list {
    bool json, first;
    const struct finding *worst; /* the first error that is shown; NULL: none */
};

static void show(struct list *list, const struct finding *finding)
{
    if (list->json)
        (void)fputs(list->first ? "" : ",\n ", stdout);
    if (list->json)
        finding_print_json(finding);
    else if (finding->severity != LEAT_FINDING_OK)
        finding_print(finding);
    list->first = false;
    if (finding->severity == LEAT_FINDING_ERROR && !list->worst)
        list->worst = finding;
}

static size_t rank_of(int exit_code)
{
    size_t rank = 0;

    while (rank < sizeof ranks / sizeof *ranks && ranks[rank] != exit_code)
        rank++;
    return rank;
}

static void show_errors(struct list *list, const struct findings *findings)
{
    const struct finding *finding;

    for (size_t rank = 0; rank <= sizeof ranks / sizeof *ranks; rank++) {
        const struct finding_node *at = NULL;
        while ((finding = findings_worst(findings, LEAT_FINDING_ERROR, &at)))
            if (rank_of(finding->exit_code) == rank)
                show(list, finding);
    }
}

static void put_count(size_t count, const char *noun, const char *end)
{
    (void)printf("%zu %s%s%s", count, noun, count == 1 ? "" : "s", end);
}

/* The exit code. */
static int show_all(const struct findings *findings, bool json)
{
    struct list list = {.json = json, .first = true};
    const struct finding *finding;
    const size_t *counts = findings->counts;

    if (json)
        (void)printf("[");
    show_errors(&list, findings);
    for (int32_t severity = LEAT_FINDING_WARNING; severity >= LEAT_FINDING_OK; severity--) {
        const struct finding_node *at = NULL;
        while ((finding = findings_worst(findings, severity, &at)))
            show(&list, finding);
    }
    if (json) {
        (void)printf("]\n");
    } else {
        put_count(counts[LEAT_FINDING_ERROR], "error", ", ");
        put_count(counts[LEAT_FINDING_WARNING], "warning", ", ");
        put_count(counts[LEAT_FINDING_NOTE], "note", "; ");
        put_count(counts[LEAT_FINDING_OK], "thing", "");
        (void)printf(" %s should be\n", counts[LEAT_FINDING_OK] == 1 ? "is as it" : "are as they");
    }
    if (!list.worst)
        return EX_OK;
    finding_print_why("doctor", counts[LEAT_FINDING_ERROR], list.worst);
    return list.worst->exit_code;
}

int cmd_doctor(int argc, char **argv)
{
    static const char usage[] = "Usage: leat doctor -c FILE [--pipeline NAME] [--json]\n"
                                "What is wrong, and what to do about it, the worst first: the "
                                "file, everything it names, and\n"
                                "the daemon that runs it.  Changes nothing; at most 20 s.  Ends "
                                "with 0 when nothing is wrong.\n";
    struct command_line line;
    struct findings findings;
    struct config *config;
    int end = command_parse(argc, argv, TAKES_PIPELINE | TAKES_JSON, usage, &line);
    int exit_code;

    if (end)
        return end - 1;
    findings_init(&findings);
    config = load(line.config, &findings);
    if (config && !command_pipeline_exists(&line, config)) {
        exit_code = EX_USAGE;
    } else {
        look(&line, config, &findings);
        if (config)
            check_everything(config, line.pipeline, false, add, &findings);
        exit_code = show_all(&findings, line.json);
    }
    config_destroy(config);
    findings_fini(&findings);
    return exit_code;
}
