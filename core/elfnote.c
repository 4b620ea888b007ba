/* SPDX-License-Identifier: Apache-2.0
 *
 * elfnote.c -- finds the note by the program headers.  See elfnote.h and elf(5).
 */
#include "elfnote.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { HEADERS_MAX = 64, NOTES_MAX = 16384, NOTE_TYPE = 1 };

static bool read_at(int fd, void *out, size_t size, uint64_t offset)
{
    char *to = out;
    if (offset > INT64_MAX - size)
        return false;
    while (size > 0) {
        ssize_t got = pread(fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static size_t round_up(size_t size)
{
    return (size + 3u) & ~(size_t)3u;
}

/* Walks one PT_NOTE segment. */
static bool find_note(const unsigned char *bytes, size_t size, struct elfnote *note)
{
    size_t at = 0;
    while (size - at >= 12) {
        uint32_t head[3]; /* name size, description size, type */
        memcpy(head, bytes + at, sizeof head);
        at += sizeof head;
        if (head[0] > size || round_up(head[0]) > size - at)
            return false;
        const unsigned char *name = bytes + at;
        at += round_up(head[0]);
        if (head[1] > size || round_up(head[1]) > size - at)
            return false;
        if (head[2] == NOTE_TYPE && head[0] == 5 && memcmp(name, "LEAT", 5) == 0 && head[1] >= 12) {
            memcpy(note, bytes + at, sizeof *note);
            return true;
        }
        at += round_up(head[1]);
    }
    return false;
}

static enum elfnote_result check_header(const ElfW(Ehdr) * header)
{
    const unsigned char *id = header->e_ident;
    const uint16_t one = 1;
    unsigned char order;
    memcpy(&order, &one, 1);
    if (memcmp(id, ELFMAG, SELFMAG) != 0)
        return ELFNOTE_NOT_ELF;
    if (id[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        id[EI_DATA] != (order ? ELFDATA2LSB : ELFDATA2MSB) || header->e_type != ET_DYN)
        return ELFNOTE_FOREIGN;
    if (header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phnum > HEADERS_MAX)
        return ELFNOTE_BROKEN;
    return ELFNOTE_FOUND;
}

enum elfnote_result elfnote_read(int fd, struct elfnote *note)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[HEADERS_MAX];
    unsigned char bytes[NOTES_MAX];
    if (!read_at(fd, &header, sizeof header, 0))
        return ELFNOTE_NOT_ELF;
    enum elfnote_result result = check_header(&header);
    if (result != ELFNOTE_FOUND)
        return result;
    if (!read_at(fd, segments, header.e_phnum * sizeof segments[0], header.e_phoff))
        return ELFNOTE_BROKEN;
    for (size_t i = 0; i < header.e_phnum; i++) {
        if (segments[i].p_type != PT_NOTE)
            continue;
        if (segments[i].p_filesz > sizeof bytes)
            continue;
        if (!read_at(fd, bytes, segments[i].p_filesz, segments[i].p_offset))
            return ELFNOTE_BROKEN;
        if (find_note(bytes, segments[i].p_filesz, note))
            return ELFNOTE_FOUND;
    }
    return ELFNOTE_NONE;
}
