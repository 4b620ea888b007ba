/* SPDX-License-Identifier: Apache-2.0
 *
 * compress.c -- see the header.
 */
#include "compress.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

enum { OUT_SIZE = 256 * 1024 };

struct compressor {
    ZSTD_CCtx *zstd;
    unsigned char *out;
    size_t have;            /* bytes of `out` not yet written */
    uint64_t frame_content; /* bytes added to the open frame; 0: none is open */
};

struct compressor *compressor_create(int level)
{
    struct compressor *compressor = calloc(1, sizeof *compressor);
    if (!compressor)
        return NULL;
    compressor->zstd = ZSTD_createCCtx();
    compressor->out = malloc(OUT_SIZE);
    if (!compressor->zstd || !compressor->out ||
        ZSTD_isError(ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_checksumFlag, 1))) {
        compressor_destroy(compressor);
        return NULL;
    }
    return compressor;
}

void compressor_destroy(struct compressor *compressor)
{
    if (!compressor)
        return;
    ZSTD_freeCCtx(compressor->zstd);
    free(compressor->out);
    free(compressor);
}

void compressor_reset(struct compressor *compressor)
{
    (void)ZSTD_CCtx_reset(compressor->zstd, ZSTD_reset_session_only);
    compressor->have = 0;
    compressor->frame_content = 0;
}

bool compressor_frame_full(const struct compressor *compressor)
{
    return compressor->frame_content >= FRAME_CONTENT;
}

static int write_out(struct compressor *compressor, struct compress_target *target)
{
    if (compressor->have == 0)
        return 0;
    struct iovec piece = {compressor->out, compressor->have};
    if (io_write(target->io, target->fd, &piece, 1, target->size) != 0)
        return -1;
    target->size += compressor->have;
    compressor->have = 0;
    return 0;
}

/* Until all of `in` is taken, and, but for ZSTD_e_continue, all of it has come out. */
static int drive(struct compressor *compressor, struct compress_target *target, ZSTD_inBuffer *in,
                 ZSTD_EndDirective directive)
{
    for (;;) {
        ZSTD_outBuffer out = {compressor->out, OUT_SIZE, compressor->have};
        size_t left = ZSTD_compressStream2(compressor->zstd, &out, in, directive);
        compressor->have = out.pos;
        if (ZSTD_isError(left)) {
            errno = ENOMEM; /* the only reason that is left: the parameters were accepted */
            return -1;
        }
        bool done = in->pos == in->size && (directive == ZSTD_e_continue || left == 0);
        if (compressor->have > OUT_SIZE / 2 || !done)
            if (write_out(compressor, target) != 0)
                return -1;
        if (done)
            return 0;
    }
}

int compressor_add(struct compressor *compressor, struct compress_target *target,
                   const struct iovec *pieces, int count)
{
    for (int i = 0; i < count; i++) {
        ZSTD_inBuffer in = {pieces[i].iov_base, pieces[i].iov_len, 0};
        compressor->frame_content += in.size;
        if (drive(compressor, target, &in, ZSTD_e_continue) != 0)
            return -1;
    }
    return 0;
}

int compressor_flush(struct compressor *compressor, struct compress_target *target, bool end)
{
    if (compressor->frame_content == 0)
        return 0;
    ZSTD_inBuffer nothing = {NULL, 0, 0};
    if (drive(compressor, target, &nothing, end ? ZSTD_e_end : ZSTD_e_flush) != 0)
        return -1;
    if (end)
        compressor->frame_content = 0;
    return write_out(compressor, target);
}
