/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c -- finds the subcommand.  [main]
 */
#include "command_table.h"
#include "commands.h"
#include "isolate.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static void put_usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage: leat COMMAND [OPTION...]\n\n"
                  "Streams the committed changes of a PostgreSQL database to files and message\n"
                  "brokers, in order and without loss.\n\n");
    for (size_t i = 0; i < command_table_size; i++)
        (void)fprintf(out, "  %-10s %s\n", command_table[i].name, command_table[i].summary);
    (void)fprintf(out,
                  "\nleat COMMAND --help says more; the manual is leat(1) and leat.yaml(5).\n");
}

static int unknown(const char *word)
{
    const char *near = command_suggest(word);

    put_usage(stderr);
    (void)fprintf(stderr, "leat: no command \"%s\"%s%s%s\n", word, near ? "; did you mean " : "",
                  near ? near : "", near ? "?" : "");
    return EX_USAGE;
}

/* "leat help", "leat help tail". */
static int help(int argc, char **argv)
{
    static char option[] = "--help";
    const struct command_entry *command = argc > 2 ? command_find(argv[2]) : NULL;

    if (command)
        return command->run(2, (char *[]){argv[2], option, NULL});
    if (argc > 2)
        return unknown(argv[2]);
    put_usage(stdout);
    return EX_OK;
}

static int obey(int argc, char **argv)
{
    const struct command_entry *command;

    if (argc < 2) {
        put_usage(stderr);
        (void)fprintf(stderr, "leat: which command?\n");
        return EX_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(1, argv);
    if (strcmp(argv[1], "__complete") == 0)
        return cmd_complete(argc - 1, argv + 1);
    if (strcmp(argv[1], "__sink") == 0)
        return isolate_helper(argc - 1, argv + 1);
    command = command_find(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : unknown(argv[1]);
}

/* What a command has printed is there in full, or it has not done its work: a full disk must not
 * pass for a short list. */
static int finish(int exit_code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    if (exit_code != EX_OK)
        return exit_code;
    (void)fprintf(stderr, "leat: cannot write to the standard output%s%s\n", errno ? ": " : "",
                  errno ? strerror(errno) : "");
    return EX_IOERR;
}

int main(int argc, char **argv)
{
    stage_init();
    stage_pass("begun"); /* who asks for it learns whether this build has stages */
    return finish(obey(argc, argv));
}
