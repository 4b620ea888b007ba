/* SPDX-License-Identifier: Apache-2.0
 *
 * compress.h -- one zstd context for the whole sink, lent to one segment at a time.
 *
 * A frame is begun by the first bytes added, flushed once a group of batches, and ended when it has
 * grown to FRAME_CONTENT, when another segment wants the context, and when its segment is finished:
 * so a reader, and the scan after a crash, need not go back far.  A flush ends with whole records.
 * [worker]
 */
#ifndef FILE_COMPRESS_H
#define FILE_COMPRESS_H

#include "io.h"

#include <stdbool.h>

enum { FRAME_CONTENT = 4 * 1024 * 1024 };

struct compressor;

struct compressor *compressor_create(int level);        /* NULL: no memory */
void compressor_destroy(struct compressor *compressor); /* NULL is allowed */

/* Where compressed bytes go: `size` grows as they are written at it. */
struct compress_target {
    const struct io *io;
    int fd;
    uint64_t size;
};

/* 0; or -1 with errno: then what of the frame is in the file is of no use, and compressor_reset is
 * due. */
int compressor_add(struct compressor *compressor, struct compress_target *target,
                   const struct iovec *pieces, int count);
/* Everything added is in the file afterwards; with `end` the frame is ended too.  Nothing is
 * written when no frame is open. */
int compressor_flush(struct compressor *compressor, struct compress_target *target, bool end);
void compressor_reset(struct compressor *compressor);

/* The open frame has grown to its full size. */
bool compressor_frame_full(const struct compressor *compressor);

#endif
