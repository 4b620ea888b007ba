/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_run.c -- leat run.  [main]
 */
#include "commands.h"

#include "control.h"

int cmd_run(int argc, char **argv)
{
    static const char usage[] = "Usage: leat run -c FILE\n"
                                "Runs in the foreground until SIGTERM or SIGINT, then finishes "
                                "what is in flight and exits\n"
                                "0; a second signal exits at once, without confirming.\n";
    struct command_line line;
    struct config *config;
    int end = command_parse(argc, argv, 0, usage, &line);
    int exit_code = 0;

    if (end)
        return end - 1;
    config = config_load(line.config, stderr, &exit_code);
    if (!config)
        return exit_code;
    return control_run(config);
}
