/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.c -- what the commands that read a configuration have in common, and two small ones:
 * setup and slot.  [main]
 */
#include "commands.h"

#include "exit_code.h"
#include "failure.h"
#include "plugins.h"
#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void command_needs_config(const char *usage, const char *command)
{
    static const char installed[] = LEAT_CONFIG_FOLDER "/leat.yaml";

    (void)fprintf(stderr, "%sleat: %s: -c FILE is missing", usage, command);
    if (access(installed, F_OK) == 0)
        (void)fprintf(stderr, "; try -c %s", installed);
    (void)fprintf(stderr, "\n");
}

int command_parse(int argc, char **argv, unsigned takes, const char *usage,
                  struct command_line *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"pipeline", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},         {"offline", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;

    memset(out, 0, sizeof *out);
    optind = 0; /* begin anew: GNU getopt */
    while ((option = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        unsigned needs = option == 'p'   ? TAKES_PIPELINE
                         : option == 'j' ? TAKES_JSON
                         : option == 'o' ? TAKES_OFFLINE
                                         : 0;
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return 1;
        }
        if (option == '?' || option == ':')
            return usage_option(usage, argv, options, option) + 1;
        if ((needs & ~takes) != 0)
            return usage_wrong(usage, argv[0], "--%s is not for this command",
                               option == 'p'   ? "pipeline"
                               : option == 'j' ? "json"
                                               : "offline") +
                   1;
        if (option == 'c')
            out->config = optarg;
        else if (option == 'p')
            out->pipeline = optarg;
        else if (option == 'j')
            out->json = true;
        else if (option == 'o')
            out->offline = true;
    }
    if (takes & TAKES_VERB && optind < argc)
        out->verb = argv[optind++];
    if (optind < argc)
        return usage_wrong(usage, argv[0], "unexpected \"%s\"", argv[optind]) + 1;
    if (!out->config || !*out->config) {
        command_needs_config(usage, argv[0]);
        return EX_USAGE + 1;
    }
    return 0;
}

bool command_selects(const struct command_line *line, const struct config_pipeline *pipeline)
{
    return !line->pipeline || strcmp(line->pipeline, pipeline->name) == 0;
}

bool command_pipeline_exists(const struct command_line *line, const struct config *config)
{
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (command_selects(line, &config->pipelines[i]))
            return true;
    (void)fprintf(stderr, "leat: %s has no pipeline \"%s\"\n", config->path, line->pipeline);
    return false;
}

static void write_stdout(leat_output *output, const char *text, size_t length)
{
    (void)output;
    (void)fwrite(text, 1, length, stdout);
}

leat_output command_output(bool json)
{
    return (leat_output){.size = sizeof(leat_output), .json = json, .write = write_stdout};
}

/* ---- setup and slot ------------------------------------------------------------------------- */

typedef leat_status (*source_command)(const struct config_pipeline *pipeline, const char *verb,
                                      leat_output *output, leat_error *error);

static leat_status do_setup(const struct config_pipeline *pipeline, const char *verb,
                            leat_output *output, leat_error *error)
{
    const leat_source_ops *ops = plugin_source_ops(pipeline->source);

    (void)verb;
    if (ops->setup)
        return ops->setup(pipeline->source_options, output, error);
    (void)snprintf(error->text, sizeof error->text, "source plugin %s needs no set-up",
                   plugin_name(pipeline->source));
    return LEAT_OK;
}

static leat_status do_slot(const struct config_pipeline *pipeline, const char *verb,
                           leat_output *output, leat_error *error)
{
    const leat_source_ops *ops = plugin_source_ops(pipeline->source);

    if (ops->slot)
        return ops->slot(pipeline->source_options, verb, output, error);
    error->exit_code = EX_USAGE;
    (void)snprintf(error->text, sizeof error->text, "source plugin %s has no slots",
                   plugin_name(pipeline->source));
    return LEAT_ECONFIG;
}

/* Runs the command for each selected pipeline; with --json the answers make one list. */
static int for_each_pipeline(const struct command_line *line, source_command command)
{
    int exit_code = 0;
    bool first = true;
    leat_output output = command_output(line->json);
    struct config *config = config_load(line->config, stderr, &exit_code);

    if (!config)
        return exit_code;
    if (!command_pipeline_exists(line, config))
        exit_code = EX_USAGE;
    if (line->json)
        (void)fputs("[", stdout);
    for (size_t i = 0; i < config->pipeline_count && exit_code == 0; i++) {
        struct failure failure = FAILURE_NONE;
        leat_error *error = &failure.error;
        char why[FAILURE_LINE_MAX];
        if (!command_selects(line, &config->pipelines[i]))
            continue;
        if (line->json && !first)
            (void)fputs(",", stdout);
        first = false;
        error->status = command(&config->pipelines[i], line->verb, &output, error);
        if (error->status == LEAT_OK)
            continue;
        exit_code = error->status == LEAT_ERETRY && error->exit_code == 0 ? EX_UNAVAILABLE
                                                                          : exit_code_of(error);
        failure_blame(&failure, config->pipelines[i].name, "source");
        (void)fflush(stdout);
        (void)fprintf(stderr, "leat: %s\n", failure_print(why, &failure));
    }
    if (line->json)
        (void)fputs("]\n", stdout);
    config_destroy(config);
    return exit_code;
}

int cmd_setup(int argc, char **argv)
{
    static const char usage[] = "Usage: leat setup -c FILE [--pipeline NAME]\n"
                                "Prints what an administrator of the database has to run: role, "
                                "grants, publication, slot.\n"
                                "Runs nothing.\n";
    struct command_line line;
    int end = command_parse(argc, argv, TAKES_PIPELINE, usage, &line);

    return end ? end - 1 : for_each_pipeline(&line, do_setup);
}

int cmd_slot(int argc, char **argv)
{
    static const char usage[] =
        "Usage: leat slot create|drop|show -c FILE [--pipeline NAME] [--json]\n"
        "The replication slot, explicitly.\n";
    struct command_line line;
    int end = command_parse(argc, argv, TAKES_PIPELINE | TAKES_JSON | TAKES_VERB, usage, &line);

    if (end)
        return end - 1;
    if (!line.verb || (strcmp(line.verb, "create") != 0 && strcmp(line.verb, "drop") != 0 &&
                       strcmp(line.verb, "show") != 0))
        return line.verb ? usage_wrong(usage, "slot", "unknown action %s", line.verb)
                         : usage_wrong(usage, "slot", "create, drop or show?");
    return for_each_pipeline(&line, do_slot);
}
