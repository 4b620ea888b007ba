/* SPDX-License-Identifier: Apache-2.0
 *
 * frame.h -- walks the frames and blocks of a zstd file by their headers alone (RFC 8878, 3.1.1),
 * so that a torn tail is found, and the last frames reached, without decompressing what is before
 * them.  Knows nothing of what the blocks hold.  Everything read is hostile.  [worker]
 */
#ifndef FILE_FRAME_H
#define FILE_FRAME_H

#include "io.h"

#include <stdbool.h>

enum { FRAME_BLOCK_MAX = 128 * 1024 + 3 }; /* of a block with its header */

/* A window on a file that is read front to back. */
struct frame_reader {
    const struct io *io;
    int fd, os_errno; /* os_errno: the read that failed; 0: none did */
    uint64_t size, at;
    size_t have;
    unsigned char *buffer; /* FRAME_READ bytes, owned */
};
enum { FRAME_READ = 256 * 1024 };

enum frame_step {
    FRAME_HEADER,    /* the header of a frame */
    FRAME_BLOCK,     /* a block that is not the last of its frame */
    FRAME_LAST,      /* the last block of a frame, its checksum included */
    FRAME_TORN,      /* here the file ends, in the middle of a piece or of a frame */
    FRAME_BAD,       /* here stands what no frame of ours has */
    FRAME_END,       /* the file ends with a whole frame */
    FRAME_UNREADABLE /* os_errno */
};

struct frame_walk {
    struct frame_reader *reader;
    uint64_t at;   /* the next piece begins here */
    bool inside;   /* a frame */
    bool checksum; /* the frame has one */
    /* The piece of the last step: */
    uint64_t piece_at;
    size_t piece_size;
};

/* -1: no memory.  fini forgives a reader that was never made (zeroed). */
int frame_reader_init(struct frame_reader *reader);
void frame_reader_fini(struct frame_reader *reader);
void frame_reader_begin(struct frame_reader *reader, const struct io *io, int fd, uint64_t size);

/* Bytes [at, at + len) of the file, len <= FRAME_BLOCK_MAX; valid until the next call.  NULL: the
 * file ends before, or os_errno. */
const unsigned char *frame_read(struct frame_reader *reader, uint64_t at, size_t len);

void frame_walk_init(struct frame_walk *walk, struct frame_reader *reader, uint64_t at);
/* One piece on. */
enum frame_step frame_walk_step(struct frame_walk *walk);

#endif
