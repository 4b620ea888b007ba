/* SPDX-License-Identifier: Apache-2.0
 *
 * xxh64.h -- the checksum behind a zstd frame: the low 32 bits of XXH64 of its content, seed 0
 * (RFC 8878, section 3.1.1).  Needed to close a frame that a crash left open.  Pure [any].
 */
#ifndef FILE_XXH64_H
#define FILE_XXH64_H

#include <stddef.h>
#include <stdint.h>

struct xxh64 {
    uint64_t lanes[4], total;
    size_t held; /* bytes in buffer, < 32 */
    uint8_t buffer[32];
};

void xxh64_init(struct xxh64 *hash);
void xxh64_add(struct xxh64 *hash, const void *bytes, size_t len);
uint64_t xxh64_value(const struct xxh64 *hash);

#endif
