/* SPDX-License-Identifier: Apache-2.0
 *
 * usage.h -- wrong command lines, told alike by every command: how it is used and, as the last line
 * on the standard error, what is wrong.  [main]  Never ends the program.
 */
#ifndef LEAT_USAGE_H
#define LEAT_USAGE_H

#include <getopt.h>

/* usage: the command's help, ending with a newline.  Returns EX_USAGE. */
int usage_wrong(const char *usage, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What getopt_long refused: `found` is ':' for a value that is missing, else '?'.  Its short options
 * begin with ':', so that it says nothing itself.  Returns EX_USAGE. */
int usage_option(const char *usage, char *const *argv, const struct option *options, int found);

#endif
