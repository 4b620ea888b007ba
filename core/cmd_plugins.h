/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_plugins.h -- `leat plugins`.  [main]
 */
#ifndef LEAT_CMD_PLUGINS_H
#define LEAT_CMD_PLUGINS_H

/* argv[0] is the command's own name.  Returns the exit code. */
int cmd_plugins(int argc, char **argv);

#endif
