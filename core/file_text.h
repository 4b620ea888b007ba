/* SPDX-License-Identifier: Apache-2.0
 *
 * file_text.h -- a small file, read whole.  [main]
 */
#ifndef LEAT_FILE_TEXT_H
#define LEAT_FILE_TEXT_H

#include <stddef.h>

struct region;

/* Up to `limit` bytes from where fd stands, NUL-terminated, owned by the region; one byte more is
 * read, so that *len > limit tells a file that is too large.  NULL: errno says why. */
char *file_text(int fd, struct region *region, size_t limit, size_t *len);

#endif
