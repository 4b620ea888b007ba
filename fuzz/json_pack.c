/* SPDX-License-Identifier: Apache-2.0
 *
 * json_pack.c -- hostile text as JSON: the conversion counts what it writes, never writes behind
 * its room, and what it takes is well-formed MessagePack to the last byte.
 */
#include "json_pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    const unsigned char *at, *end;
};

static uint64_t number(struct reader *reader, unsigned size)
{
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < size)
        abort();
    for (; size > 0; size--)
        value = value << 8 | *reader->at++;
    return value;
}

static void skip(struct reader *reader, uint64_t size)
{
    if ((uint64_t)(reader->end - reader->at) < size)
        abort();
    reader->at += size;
}

static void string(struct reader *reader, uint64_t size)
{
    const unsigned char *start = reader->at;
    skip(reader, size);
    if (!utf8_valid((const char *)start, (size_t)size))
        abort();
}

/* The values that follow this one: a container's own. */
static uint64_t value(struct reader *reader)
{
    unsigned lead = (unsigned)number(reader, 1);
    if (lead < 0x80 || lead >= 0xe0 || lead == 0xc0 || lead == 0xc2 || lead == 0xc3)
        return 0;
    if (lead < 0x90)
        return 2 * (lead & 15u);
    if (lead < 0xa0)
        return lead & 15u;
    if (lead < 0xc0)
        string(reader, lead & 31u);
    else if (lead == 0xcb || lead == 0xcf || lead == 0xd3)
        skip(reader, 8);
    else if (lead == 0xcc || lead == 0xd0)
        skip(reader, 1);
    else if (lead == 0xcd || lead == 0xd1)
        skip(reader, 2);
    else if (lead == 0xce || lead == 0xd2)
        skip(reader, 4);
    else if (lead >= 0xd9 && lead <= 0xdb)
        string(reader, number(reader, 1u << (lead - 0xd9)));
    else if (lead == 0xdc || lead == 0xdd)
        return number(reader, lead == 0xdc ? 2 : 4);
    else if (lead == 0xde || lead == 0xdf)
        return 2 * number(reader, lead == 0xde ? 2 : 4);
    else
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static locale_t c_locale;
    if (!c_locale)
        c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    struct pack count = {.room = SIZE_MAX};
    if (!json_pack(&count, (const char *)data, size, c_locale))
        count.at = 5 * size;
    for (size_t room = count.at > 8 ? count.at - 8 : 0; room <= count.at; room++) {
        struct pack pack = {.base = malloc(room != 0 ? room : 1), .room = room};
        bool ok = json_pack(&pack, (const char *)data, size, c_locale);
        if (ok) {
            struct reader reader = {pack.base, pack.base + pack.at};
            for (uint64_t due = 1; due > 0; due--)
                due += value(&reader);
            if (reader.at != reader.end || pack.at != count.at)
                abort();
        }
        free(pack.base);
    }
    return 0;
}
