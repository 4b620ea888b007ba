/* SPDX-License-Identifier: Apache-2.0
 *
 * json_pack.c -- reads JSON once, from front to back, and writes MessagePack as it goes.  [any]
 *
 * A container's head tells its count, which is known at its end: one byte is left for it, and what
 * was written behind it moves up where the count needs more (16 items and more).
 */
#include "json_pack.h"

#include "json_unescape.h"
#include "number.h"

struct level {
    size_t start; /* of the head, in the pack */
    uint32_t count;
    bool map;
};

struct reader {
    struct pack *pack;
    const char *at, *end;
    locale_t c_locale;
    uint32_t depth;
    struct level levels[JSON_PACK_DEPTH];
};

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r'))
        reader->at++;
}

static bool take(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

/* ---- strings -------------------------------------------------------------------------------- */

/* Behind the opening quote. */
static bool read_string(struct reader *reader)
{
    const char *start = reader->at;
    unsigned char seen = 0;
    bool escaped = false;
    for (;; reader->at++) {
        if (reader->at == reader->end || (unsigned char)*reader->at < 0x20)
            return false;
        if (*reader->at == '"')
            break;
        seen |= (unsigned char)*reader->at;
        if (*reader->at != '\\')
            continue;
        escaped = true;
        if (++reader->at == reader->end)
            return false;
    }
    const char *end = reader->at++;
    size_t size = (size_t)(end - start);
    if (!escaped && (seen < 0x80 || utf8_valid(start, size))) {
        pack_plain(reader->pack, start, size);
        return true;
    }
    if (!json_unescape(start, end, NULL, &size))
        return false;
    pack_string_head(reader->pack, size);
    unsigned char *dst = pack_take(reader->pack, size);
    return !dst || json_unescape(start, end, dst, &size);
}

/* ---- numbers and words ---------------------------------------------------------------------- */

static bool read_number(struct reader *reader)
{
    const char *start = reader->at;
    while (reader->at < reader->end && ((*reader->at >= '0' && *reader->at <= '9') ||
                                        (*reader->at != 0 && strchr("+-.eE", *reader->at))))
        reader->at++;
    size_t len = (size_t)(reader->at - start);
    struct number number;
    switch (number_parse(start, len, reader->c_locale, &number)) {
    case NUMBER_INTEGER:
        pack_int(reader->pack, number.integer);
        return true;
    case NUMBER_DOUBLE:
        pack_double(reader->pack, number.floating);
        return true;
    case NUMBER_INEXACT:
        pack_plain(reader->pack, start, len);
        return true;
    default:
        return false;
    }
}

static bool take_word(struct reader *reader, const char *word, size_t len)
{
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static bool read_word(struct reader *reader)
{
    if (take_word(reader, "null", 4))
        pack_nil(reader->pack);
    else if (take_word(reader, "true", 4))
        pack_bool(reader->pack, true);
    else if (take_word(reader, "false", 5))
        pack_bool(reader->pack, false);
    else
        return false;
    return true;
}

/* ---- containers ----------------------------------------------------------------------------- */

static bool open_container(struct reader *reader, bool map)
{
    if (reader->depth == JSON_PACK_DEPTH)
        return false;
    reader->levels[reader->depth++] = (struct level){.start = reader->pack->at, .map = map};
    pack_byte(reader->pack, 0);
    return true;
}

static void close_container(struct reader *reader)
{
    struct level level = reader->levels[--reader->depth];
    struct pack *pack = reader->pack;
    if (pack->full)
        return;
    size_t body = level.start + 1, len = pack->at - body;
    size_t more = level.count < 16 ? 0 : level.count <= UINT16_MAX ? 2 : 4;
    (void)pack_take(pack, more);
    if (pack->full)
        return;
    if (pack->base && more != 0)
        memmove(pack->base + body + more, pack->base + body, len);
    struct pack head = {.base = pack->base, .at = level.start, .room = body + more};
    if (level.map)
        pack_map(&head, level.count);
    else
        pack_array(&head, level.count);
}

/* A member's name and its colon. */
static bool read_name(struct reader *reader)
{
    skip_space(reader);
    if (!take(reader, '"') || !read_string(reader))
        return false;
    skip_space(reader);
    return take(reader, ':');
}

/* One value, or the start of a container, of which *opened tells. */
static bool read_value(struct reader *reader, bool *opened)
{
    *opened = false;
    skip_space(reader);
    if (reader->at == reader->end)
        return false;
    switch (*reader->at) {
    case '"':
        reader->at++;
        return read_string(reader);
    case '{':
    case '[':
        *opened = true;
        return open_container(reader, *reader->at++ == '{');
    case 'n':
    case 't':
    case 'f':
        return read_word(reader);
    default:
        return read_number(reader);
    }
}

/* Behind a value: closes what ends here.  False: wrong.  Else the next value is due, unless depth
 * is 0. */
static bool read_separator(struct reader *reader)
{
    while (reader->depth > 0) {
        const struct level *level = &reader->levels[reader->depth - 1];
        skip_space(reader);
        if (take(reader, level->map ? '}' : ']')) {
            close_container(reader);
            continue;
        }
        return take(reader, ',') && (!level->map || read_name(reader));
    }
    return true;
}

/* In front of a container's first value: closes it where it is empty.  *empty: no value follows. */
static bool read_first(struct reader *reader, bool *empty)
{
    const struct level *level = &reader->levels[reader->depth - 1];
    skip_space(reader);
    *empty = take(reader, level->map ? '}' : ']');
    if (*empty) {
        close_container(reader);
        return true;
    }
    return !level->map || read_name(reader);
}

bool json_pack(struct pack *pack, const char *text, size_t len, locale_t c_locale)
{
    struct reader reader;
    if (len == 0)
        return false;
    reader.pack = pack;
    reader.at = text;
    reader.end = text + len;
    reader.c_locale = c_locale;
    reader.depth = 0;
    do {
        bool opened;
        if (reader.depth > 0)
            reader.levels[reader.depth - 1].count++;
        if (!read_value(&reader, &opened) || pack->full)
            return false;
        if (opened) {
            bool empty;
            if (!read_first(&reader, &empty))
                return false;
            if (!empty)
                continue;
        }
        if (!read_separator(&reader))
            return false;
    } while (reader.depth > 0);
    skip_space(&reader);
    return reader.at == reader.end && !pack->full;
}
