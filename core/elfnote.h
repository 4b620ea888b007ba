/* SPDX-License-Identifier: Apache-2.0
 *
 * elfnote.h -- reads LEAT_ELF_NOTE out of a shared library without running any of it.  [any]
 */
#ifndef LEAT_ELFNOTE_H
#define LEAT_ELFNOTE_H

#include <stdint.h>

struct elfnote {
    uint32_t major, minor, minor_needed;
};

enum elfnote_result {
    ELFNOTE_FOUND = 0,
    ELFNOTE_NONE,    /* a library for this machine, but without the note */
    ELFNOTE_FOREIGN, /* ELF of another word size or byte order, or no shared library */
    ELFNOTE_NOT_ELF,
    ELFNOTE_BROKEN /* offsets that lead nowhere, or the file cannot be read */
};

/* Every offset and length of the file is hostile; reads with pread, leaves fd's position alone. */
enum elfnote_result elfnote_read(int fd, struct elfnote *note);

#endif
