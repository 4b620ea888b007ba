/* SPDX-License-Identifier: Apache-2.0
 *
 * xxh64.c -- written after the algorithm's specification, in its words: stripes, lanes, rounds.
 */
#include "xxh64.h"

#include <endian.h>
#include <string.h>

#define PRIME1 0x9e3779b185ebca87u
#define PRIME2 0xc2b2ae3d27d4eb4fu
#define PRIME3 0x165667b19e3779f9u
#define PRIME4 0x85ebca77c2b2ae63u
#define PRIME5 0x27d4eb2f165667c5u

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return le64toh(value);
}

static uint64_t load32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return le32toh(value);
}

static uint64_t one_round(uint64_t lane, uint64_t input)
{
    return rotate(lane + input * PRIME2, 31) * PRIME1;
}

static void stripe(struct xxh64 *hash, const uint8_t *p)
{
    for (int i = 0; i < 4; i++)
        hash->lanes[i] = one_round(hash->lanes[i], load64(p + 8 * i));
}

void xxh64_init(struct xxh64 *hash)
{
    memset(hash, 0, sizeof *hash);
    hash->lanes[0] = PRIME1 + PRIME2;
    hash->lanes[1] = PRIME2;
    hash->lanes[3] = 0 - PRIME1;
}

void xxh64_add(struct xxh64 *hash, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    hash->total += len;
    if (hash->held) {
        size_t n = sizeof hash->buffer - hash->held;
        n = n < len ? n : len;
        memcpy(hash->buffer + hash->held, p, n);
        hash->held += n;
        p += n;
        len -= n;
        if (hash->held < sizeof hash->buffer)
            return;
        stripe(hash, hash->buffer);
        hash->held = 0;
    }
    for (; len >= 32; p += 32, len -= 32)
        stripe(hash, p);
    if (len)
        memcpy(hash->buffer, p, len);
    hash->held = len;
}

/* The lanes as one number. */
static uint64_t converge(const struct xxh64 *hash)
{
    if (hash->total < 32)
        return PRIME5;
    uint64_t value = rotate(hash->lanes[0], 1) + rotate(hash->lanes[1], 7) +
                     rotate(hash->lanes[2], 12) + rotate(hash->lanes[3], 18);
    for (int i = 0; i < 4; i++)
        value = (value ^ one_round(0, hash->lanes[i])) * PRIME1 + PRIME4;
    return value;
}

uint64_t xxh64_value(const struct xxh64 *hash)
{
    uint64_t value = converge(hash) + hash->total;
    const uint8_t *p = hash->buffer, *end = p + hash->held;
    for (; end - p >= 8; p += 8)
        value = rotate(value ^ one_round(0, load64(p)), 27) * PRIME1 + PRIME4;
    for (; end - p >= 4; p += 4)
        value = rotate(value ^ load32(p) * PRIME1, 23) * PRIME2 + PRIME3;
    for (; p < end; p++)
        value = rotate(value ^ *p * PRIME5, 11) * PRIME1;
    value = (value ^ value >> 33) * PRIME2;
    value = (value ^ value >> 29) * PRIME3;
    return value ^ value >> 32;
}
