/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_check.c -- leat check: the configuration, and unless offline everything it names.  [main]
 * Changes nothing.
 */
#include "commands.h"

#include "finding.h"

#include <stdio.h>
#include <sysexits.h>

struct printer {
    bool json, first;
    int exit_code;
    unsigned errors, warnings;
};

/* At once, since the next one may take seconds. */
static void print(void *context, const struct finding *finding)
{
    struct printer *printer = context;

    printer->warnings += finding->severity == LEAT_FINDING_WARNING;
    printer->errors += finding->severity == LEAT_FINDING_ERROR;
    if (finding->severity == LEAT_FINDING_ERROR && printer->exit_code == 0)
        printer->exit_code = finding->exit_code ? finding->exit_code : EX_CONFIG;
    if (printer->json) {
        (void)fputs(printer->first ? "" : ",\n ", stdout);
        finding_print_json(finding);
    } else {
        finding_print(finding);
    }
    printer->first = false;
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
    struct config *config;
    int end = command_parse(argc, argv, TAKES_PIPELINE | TAKES_JSON | TAKES_OFFLINE, usage, &line);
    int exit_code = 0;

    if (end)
        return end - 1;
    config = config_load(line.config, stderr, &exit_code);
    if (!config)
        return exit_code;
    if (!command_pipeline_exists(&line, config)) {
        config_destroy(config);
        return EX_USAGE;
    }
    printer.json = line.json;
    if (line.json)
        (void)printf("[");
    print(&printer, &valid);
    check_everything(config, line.pipeline, line.offline, print, &printer);
    if (line.json)
        (void)printf("]\n");
    else
        (void)printf("%u errors, %u warnings\n", printer.errors, printer.warnings);
    config_destroy(config);
    (void)fflush(stdout);
    if (printer.exit_code != 0)
        (void)fprintf(stderr, "leat: check found %u errors\n", printer.errors);
    return printer.exit_code;
}
