/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.c -- MessagePack's formats.  [any]
 */
#include "pack.h"

void pack_number(struct pack *pack, unsigned lead, uint64_t number, unsigned size)
{
    unsigned char *dst = pack_take(pack, 1 + (size_t)size);
    if (!dst)
        return;
    *dst++ = (unsigned char)lead;
    for (unsigned shift = 8 * size; shift > 0; shift -= 8)
        *dst++ = (unsigned char)(number >> (shift - 8));
}

void pack_uint(struct pack *pack, uint64_t number)
{
    if (number < 0x80)
        pack_byte(pack, (unsigned)number);
    else if (number <= UINT8_MAX)
        pack_number(pack, 0xcc, number, 1);
    else if (number <= UINT16_MAX)
        pack_number(pack, 0xcd, number, 2);
    else if (number <= UINT32_MAX)
        pack_number(pack, 0xce, number, 4);
    else
        pack_number(pack, 0xcf, number, 8);
}

void pack_int(struct pack *pack, int64_t number)
{
    if (number >= 0)
        pack_uint(pack, (uint64_t)number);
    else if (number >= -32)
        pack_byte(pack, 0x100u + (unsigned)number);
    else if (number >= INT8_MIN)
        pack_number(pack, 0xd0, (uint64_t)number, 1);
    else if (number >= INT16_MIN)
        pack_number(pack, 0xd1, (uint64_t)number, 2);
    else if (number >= INT32_MIN)
        pack_number(pack, 0xd2, (uint64_t)number, 4);
    else
        pack_number(pack, 0xd3, (uint64_t)number, 8);
}

void pack_double(struct pack *pack, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    pack_number(pack, 0xcb, bits, 8);
}

static void pack_container(struct pack *pack, uint32_t count, unsigned fix, unsigned lead16)
{
    if (count < 16)
        pack_byte(pack, fix | count);
    else if (count <= UINT16_MAX)
        pack_number(pack, lead16, count, 2);
    else
        pack_number(pack, lead16 + 1, count, 4);
}

void pack_map(struct pack *pack, uint32_t pairs)
{
    pack_container(pack, pairs, 0x80, 0xde);
}

void pack_array(struct pack *pack, uint32_t items)
{
    pack_container(pack, items, 0x90, 0xdc);
}

/* Lengths come from values of less than 4 GiB; what repair makes longer than that cannot be said.
 */
static void pack_length(struct pack *pack, unsigned lead8, size_t len)
{
    if (len <= UINT8_MAX)
        pack_number(pack, lead8, len, 1);
    else if (len <= UINT16_MAX)
        pack_number(pack, lead8 + 1, len, 2);
    else if (len <= UINT32_MAX)
        pack_number(pack, lead8 + 2, len, 4);
    else
        pack->full = true;
}

void pack_bin(struct pack *pack, const char *bytes, size_t len)
{
    pack_length(pack, 0xc4, len);
    pack_raw(pack, bytes, len);
}

void pack_string_head(struct pack *pack, size_t len)
{
    if (len < 32)
        pack_byte(pack, 0xa0 | (unsigned)len);
    else
        pack_length(pack, 0xd9, len);
}

void pack_text(struct pack *pack, const char *text, size_t len)
{
    pack_plain(pack, text, len);
}

void pack_string(struct pack *pack, const char *text, size_t len)
{
    if (utf8_valid(text, len)) {
        pack_plain(pack, text, len);
        return;
    }
    size_t size = utf8_repaired_size(text, len);
    pack_string_head(pack, size);
    unsigned char *dst = pack_take(pack, size);
    if (dst)
        (void)utf8_repair(dst, text, len);
}

/* Extension -1: 32 bits of seconds, or 34 with 30 bits of nanoseconds, or 64 with 32. */
void pack_timestamp(struct pack *pack, int64_t seconds, uint32_t nanoseconds)
{
    if (seconds >= 0 && seconds <= UINT32_MAX && nanoseconds == 0) {
        pack_number(pack, 0xd6, UINT64_C(0xff) << 32 | (uint64_t)seconds, 5);
    } else if (seconds >= 0 && seconds < INT64_C(1) << 34) {
        pack_number(pack, 0xd7, 0xff, 1);
        uint64_t both = (uint64_t)nanoseconds << 34 | (uint64_t)seconds;
        unsigned char *dst = pack_take(pack, 8);
        for (unsigned shift = 64; dst && shift > 0; shift -= 8)
            *dst++ = (unsigned char)(both >> (shift - 8));
    } else {
        pack_number(pack, 0xc7, 12, 1);
        pack_number(pack, 0xff, nanoseconds, 4);
        unsigned char *dst = pack_take(pack, 8);
        for (unsigned shift = 64; dst && shift > 0; shift -= 8)
            *dst++ = (unsigned char)((uint64_t)seconds >> (shift - 8));
    }
}
