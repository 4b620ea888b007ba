/* SPDX-License-Identifier: Apache-2.0
 *
 * command_table.c -- see command_table.h.
 */
#include "command_table.h"

#include "cmd_plugins.h"
#include "commands.h"
#include "suggest.h"

#include <string.h>

const struct command_entry command_table[] = {
    {"run", cmd_run, "run what a configuration says, in the foreground"},
    {"check", cmd_check, "check a configuration and everything it names"},
    {"doctor", cmd_doctor, "say what is wrong and what to do, of the file and the daemon"},
    {"status", cmd_status, "show what a running daemon does"},
    {"pause", cmd_control, "hold a pipeline or a sink of a running daemon"},
    {"resume", cmd_control, "let it go on"},
    {"drain", cmd_control, "take nothing new, deliver and confirm what is in flight"},
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

const size_t command_table_size = sizeof command_table / sizeof *command_table;

const struct command_entry *command_find(const char *name)
{
    for (size_t i = 0; i < command_table_size; i++)
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}

const char *command_suggest(const char *name)
{
    struct suggestion best = {0};

    for (size_t i = 0; i < command_table_size; i++)
        suggest_offer(&best, name, command_table[i].name);
    return best.word;
}
