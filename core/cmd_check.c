/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_check.c -- leat check: the configuration, and unless offline everything it names.  [main]
 * Changes nothing.
 */
#include "commands.h"

#include "finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct printer {
    bool json, first;
    size_t errors, warnings;
    struct findings worst; /* the first error, which gives the exit code */
};

/* At once, since the next one may take seconds. */
static void print(void *context, const struct finding *finding)
{
    struct printer *printer = context;

    printer->warnings += finding->severity == LEAT_FINDING_WARNING;
    printer->errors += finding->severity == LEAT_FINDING_ERROR;
    if (finding->severity == LEAT_FINDING_ERROR && printer->errors == 1)
        findings_add(&printer->worst, finding);
    if (printer->json) {
        (void)fputs(printer->first ? "" : ",\n ", stdout);
        finding_print_json(finding);
    } else {
        finding_print(finding);
    }
    printer->first = false;
}

/* What is wrong with the file goes to the standard error, as of every command; a program that asked
 * for JSON gets it as findings besides. */
static struct config *load(const struct command_line *line, struct printer *printer, int *exit_code)
{
    char *text = NULL, *rest = NULL;
    size_t size = 0;
    FILE *errors = line->json ? open_memstream(&text, &size) : NULL;
    struct config *config = config_load(line->config, errors ? errors : stderr, exit_code);

    if (!errors)
        return config;
    (void)fclose(errors);
    (void)fputs(text ? text : "", stderr);
    for (char *at = !config && text ? strtok_r(text, "\n", &rest) : NULL; at;
         at = strtok_r(NULL, "\n", &rest)) {
        const struct finding finding = {LEAT_FINDING_ERROR, *exit_code, "",
                                        "configuration",    at,         NULL};
        print(printer, &finding);
    }
    free(text);
    return config;
}

int cmd_check(int argc, char **argv)
{
    static const char usage[] = "Usage: leat check -c FILE [--offline] [--pipeline NAME] [--json]\n"
                                "Validates the file and, unless offline, everything it names, each "
                                "finding with what mends\n"
                                "it.  Changes nothing; at most 10 s.\n";
    static const struct finding valid = {LEAT_FINDING_OK,     0,   "", "configuration",
                                         "the file is valid", NULL};
    struct command_line line;
    struct printer printer = {.first = true};
    const struct finding_node *at = NULL;
    const struct finding *worst;
    struct config *config;
    int end = command_parse(argc, argv, TAKES_PIPELINE | TAKES_JSON | TAKES_OFFLINE, usage, &line);
    int exit_code = 0;

    if (end)
        return end - 1;
    findings_init(&printer.worst);
    printer.json = line.json;
    if (line.json)
        (void)printf("[");
    config = load(&line, &printer, &exit_code);
    if (config && !command_pipeline_exists(&line, config)) {
        exit_code = EX_USAGE;
    } else if (config) {
        print(&printer, &valid);
        check_everything(config, line.pipeline, line.offline, print, &printer);
    }
    if (line.json)
        (void)printf("]\n");
    else if (config && exit_code == EX_OK)
        (void)printf("%zu error%s, %zu warning%s\n", printer.errors, printer.errors == 1 ? "" : "s",
                     printer.warnings, printer.warnings == 1 ? "" : "s");
    worst = findings_worst(&printer.worst, LEAT_FINDING_ERROR, &at);
    if (config && worst) {
        finding_print_why("check", printer.errors, worst);
        exit_code = worst->exit_code;
    }
    config_destroy(config);
    findings_fini(&printer.worst);
    return exit_code;
}
