/* SPDX-License-Identifier: Apache-2.0
 *
 * frame.c -- see the header.
 */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>

int frame_reader_init(struct frame_reader *reader)
{
    *reader = (struct frame_reader){.fd = -1, .buffer = malloc(FRAME_READ)};
    return reader->buffer ? 0 : -1;
}

void frame_reader_fini(struct frame_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

void frame_reader_begin(struct frame_reader *reader, const struct io *io, int fd, uint64_t size)
{
    reader->io = io;
    reader->fd = fd;
    reader->size = size;
    reader->at = 0;
    reader->have = 0;
    reader->os_errno = 0;
}

const unsigned char *frame_read(struct frame_reader *reader, uint64_t at, size_t len)
{
    if (at > reader->size || len > reader->size - at || len > FRAME_READ)
        return NULL;
    if (at < reader->at || at + len > reader->at + reader->have) {
        ssize_t n = io_read(reader->io, reader->fd, reader->buffer, FRAME_READ, at);
        reader->at = at;
        reader->have = n < 0 ? 0 : (size_t)n;
        if (n < 0)
            reader->os_errno = errno;
        if (reader->have < len)
            return NULL;
    }
    return reader->buffer + (at - reader->at);
}

void frame_walk_init(struct frame_walk *walk, struct frame_reader *reader, uint64_t at)
{
    *walk = (struct frame_walk){.reader = reader, .at = at};
}

static enum frame_step missing(const struct frame_walk *walk)
{
    return walk->reader->os_errno ? FRAME_UNREADABLE : FRAME_TORN;
}

static enum frame_step take(struct frame_walk *walk, size_t size, enum frame_step step)
{
    walk->piece_at = walk->at;
    walk->piece_size = size;
    walk->at += size;
    return step;
}

/* Magic number, descriptor, window, dictionary, content size: 6 to 18 bytes. */
static enum frame_step step_header(struct frame_walk *walk)
{
    static const size_t dictionary_size[] = {0, 1, 2, 4}, content_size[] = {0, 2, 4, 8};
    if (walk->at == walk->reader->size)
        return FRAME_END;
    const unsigned char *p = frame_read(walk->reader, walk->at, 5);
    if (!p)
        return missing(walk);
    if (p[0] != 0x28 || p[1] != 0xb5 || p[2] != 0x2f || p[3] != 0xfd || (p[4] & 0x08u))
        return FRAME_BAD;
    unsigned descriptor = p[4];
    bool single = descriptor & 0x20u;
    size_t size =
        (single ? 5u : 6u) + dictionary_size[descriptor & 3u] + content_size[descriptor >> 6];
    if (single && descriptor >> 6 == 0)
        size++;
    if (!frame_read(walk->reader, walk->at, size))
        return missing(walk);
    walk->checksum = descriptor & 0x04u;
    walk->inside = true;
    return take(walk, size, FRAME_HEADER);
}

static enum frame_step step_block(struct frame_walk *walk)
{
    enum { RAW, RUN, COMPRESSED };
    const unsigned char *p = frame_read(walk->reader, walk->at, 3);
    if (!p)
        return missing(walk);
    uint32_t header = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    uint32_t kind = header >> 1 & 3u, size = header >> 3;
    if (kind > COMPRESSED || size > FRAME_BLOCK_MAX - 3)
        return FRAME_BAD;
    bool last = header & 1u;
    size_t piece = 3 + (kind == RUN ? 1 : size) + (last && walk->checksum ? 4 : 0);
    if (walk->at > walk->reader->size || piece > walk->reader->size - walk->at)
        return FRAME_TORN;
    walk->inside = !last;
    return take(walk, piece, last ? FRAME_LAST : FRAME_BLOCK);
}

enum frame_step frame_walk_step(struct frame_walk *walk)
{
    return walk->inside ? step_block(walk) : step_header(walk);
}
