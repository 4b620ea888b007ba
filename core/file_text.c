/* SPDX-License-Identifier: Apache-2.0
 *
 * file_text.c -- a small file, read whole.  See file_text.h.
 */
#include "file_text.h"

#include "region.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_text(int fd, struct region *region, size_t limit, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    size_t room = st.st_size > 0 && (size_t)st.st_size < limit ? (size_t)st.st_size + 1 : limit + 1;
    char *text = region_take(region, room + 1);
    *len = 0;
    while (*len < room) {
        ssize_t got = read(fd, text + *len, room - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return NULL;
        if (got == 0)
            break;
        *len += (size_t)got;
    }
    text[*len] = '\0';
    return text;
}
