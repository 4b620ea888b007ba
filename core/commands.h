/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.h -- the subcommands of leat.  [main]  Each takes its own arguments, argv[0] being its
 * name, and returns the exit code.
 */
#ifndef LEAT_COMMANDS_H
#define LEAT_COMMANDS_H

#include "config.h"

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_slot(int argc, char **argv);
int cmd_setup(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_control(int argc, char **argv);  /* argv[0]: pause, resume, drain, ... */
int cmd_complete(int argc, char **argv); /* __complete: for the shells */
int cmd_tail(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* What the commands that read a configuration have in common. */
struct command_line {
    const char *config;   /* -c FILE */
    const char *pipeline; /* --pipeline NAME, or NULL */
    const char *verb;     /* the first word that is no option, or NULL */
    bool json, offline;
};

enum { TAKES_PIPELINE = 1, TAKES_JSON = 2, TAKES_OFFLINE = 4, TAKES_VERB = 8 };

/* 0: go on; else the command ends with that code minus 1 (help: 1, usage: 65). */
int command_parse(int argc, char **argv, unsigned takes, const char *usage,
                  struct command_line *out);

/* Says that -c FILE is missing, and which file it may be. */
void command_needs_config(const char *usage, const char *command);

/* The pipelines that --pipeline leaves; false, with a message, when it names none. */
bool command_selects(const struct command_line *line, const struct config_pipeline *pipeline);
bool command_pipeline_exists(const struct command_line *line, const struct config *config);

/* A leat_output that writes to standard output. */
leat_output command_output(bool json);

#endif
