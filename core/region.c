/* SPDX-License-Identifier: Apache-2.0
 *
 * region.c -- memory with one lifetime.  See region.h.
 *
 * One calloc a piece, not a bump pointer: configurations are small, and so the sanitizers see every
 * step over an edge.
 */
#include "region.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct region_piece {
    struct region_piece *next;
    max_align_t bytes[];
};

static void out_of_memory(void)
{
    (void)fputs("leat: out of memory while reading the configuration\n", stderr);
    exit(70);
}

void *region_take(struct region *region, size_t size)
{
    struct region_piece *piece = NULL;
    if (size <= SIZE_MAX - sizeof *piece)
        piece = calloc(1, sizeof *piece + size);
    if (!piece)
        out_of_memory();
    piece->next = region->pieces;
    region->pieces = piece;
    return piece->bytes;
}

char *region_text(struct region *region, const char *text, size_t len)
{
    char *copy = region_take(region, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *region_print(struct region *region, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        out_of_memory();

    char *text = region_take(region, (size_t)len + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void region_fini(struct region *region)
{
    while (region->pieces) {
        struct region_piece *piece = region->pieces;
        region->pieces = piece->next;
        free(piece);
    }
}
