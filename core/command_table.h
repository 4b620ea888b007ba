/* SPDX-License-Identifier: Apache-2.0
 *
 * command_table.h -- the commands by name, for main and for completion.  [main]
 */
#ifndef LEAT_COMMAND_TABLE_H
#define LEAT_COMMAND_TABLE_H

#include <stddef.h>

struct command_entry {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

extern const struct command_entry command_table[];
extern const size_t command_table_size;

const struct command_entry *command_find(const char *name); /* NULL: there is none */

/* The nearest name to one that nobody knows, or NULL. */
const char *command_suggest(const char *name);

#endif
