/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c -- finds the subcommand.  [main]
 */
#include "cmd_plugins.h"
#include "commands.h"
#include "stage.h"
#include "suggest.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"run", cmd_run, "run what a configuration says, in the foreground"},
    {"check", cmd_check, "check a configuration and everything it names"},
    {"doctor", cmd_doctor, "say what is wrong and what to do, of the file and the daemon"},
    {"status", cmd_status, "show what a running daemon does"},
    {"pause", cmd_control, "hold a pipeline or a sink of a running daemon"},
    {"resume", cmd_control, "let it go on"},
    {"drain", cmd_control, "finish what is in flight and end a pipeline"},
    {"drop", cmd_control, "leave a sink out that holds the others back"},
    {"reload", cmd_control, "have a running daemon read its configuration anew"},
    {"loglevel", cmd_control, "show or set a running daemon's log level"},
    {"stop", cmd_control, "end a running daemon, as SIGTERM does"},
    {"tail", cmd_tail, "show records as they pass, beside a running daemon"},
    {"slot", cmd_slot, "create, drop or show the replication slot"},
    {"setup", cmd_setup, "print the SQL that a database administrator has to run"},
    {"plugins", cmd_plugins, "list the installed plugins, or one plugin's options"},
    {"version", cmd_version, "print the version"},
};

static void put_usage(FILE *out)
{
    (void)fprintf(out, "Usage: leat COMMAND [OPTION...]\n\n"
                       "Streams the committed changes of a PostgreSQL database to files and message\n"
                       "brokers, in order and without loss.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(out, "\nleat COMMAND --help says more; the manual is leat(1) and leat.yaml(5).\n");
}

int main(int argc, char **argv)
{
    stage_init();
    if (argc < 2) {
        put_usage(stderr);
        (void)fprintf(stderr, "leat: which command?\n");
        return EX_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0
        || strcmp(argv[1], "help") == 0) {
        put_usage(stdout);
        return EX_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(1, argv);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    put_usage(stderr);
    (void)fprintf(stderr, "leat: no command \"%s\"\n", argv[1]);
    return EX_USAGE;
}
