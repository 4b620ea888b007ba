/* SPDX-License-Identifier: Apache-2.0
 *
 * glob.h -- shell-like patterns for names.  [any]  Never allocates, never recurses.
 */
#ifndef LEAT_GLOB_H
#define LEAT_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* `*` stands for any run of bytes, `?` for one character (of UTF-8), all else for itself.  The
 * whole text has to match.  At most length of the pattern times length of the text steps. */
bool glob_match(const char *pattern, const char *text, size_t len);

#endif
