/* SPDX-License-Identifier: Apache-2.0
 *
 * trust.h -- opens a file that nobody but root and we could have put there.  [main]
 *
 * A plugin is code of the same trust as the daemon.  So every folder from / down to the file, and
 * every folder behind a symbolic link on the way, must belong to root or to the effective user and
 * not be writable by group or others, unless it is sticky; the file itself must be regular, no
 * link, owned and protected the same way.  With such folders there is no race between check and
 * use.
 */
#ifndef LEAT_TRUST_H
#define LEAT_TRUST_H

#include <limits.h>
#include <stddef.h>

/* The file's descriptor (read-only, close-on-exec), or -1 with one line in `why` that names the
 * path, what was found and what was expected.  real gets the path without links.  A relative path
 * begins at the working directory. */
int trust_open(const char *path, char real[PATH_MAX], char *why, size_t why_size);

/* The same for a folder: opened with O_DIRECTORY; the last part may be a link, too. */
int trust_open_folder(const char *path, char real[PATH_MAX], char *why, size_t why_size);

#endif
