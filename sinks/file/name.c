/* SPDX-License-Identifier: Apache-2.0
 *
 * name.c -- see the header.
 */
#include "name.h"

#include <stdio.h>

static const char *const extensions[2][2] = {{".ndjson", ".ndjson.zst"},
                                             {".msgpack", ".msgpack.zst"}};

void name_format(const struct segment_name *name, char *dst)
{
    snprintf(dst, SEGMENT_NAME_MAX, "%016llx-%016llx-%04x%s",
             (unsigned long long)name->first.position,
             (unsigned long long)(uint64_t)(name->first.seq + 1), name->counter & 0xffffu,
             extensions[name->format == SEGMENT_MSGPACK][name->zstd]);
}

/* Exactly `digits` lower-case hexadecimal digits. */
static bool parse_hex(const char *text, int digits, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false; /* a NUL too */
    }
    return true;
}

bool name_parse(const char *file, struct segment_name *name)
{
    uint64_t position, seq, counter;
    if (!parse_hex(file, 16, &position) || file[16] != '-' || !parse_hex(file + 17, 16, &seq) ||
        file[33] != '-' || !parse_hex(file + 34, 4, &counter) || seq > INT64_MAX)
        return false;
    for (uint8_t format = 0; format < 2; format++)
        for (int zstd = 0; zstd < 2; zstd++)
            if (strcmp(file + 38, extensions[format][zstd]) == 0) {
                *name = (struct segment_name){.first = {position, (int64_t)seq - 1},
                                              .counter = (uint32_t)counter,
                                              .format = format,
                                              .zstd = zstd != 0};
                return true;
            }
    return false;
}

int name_compare(const struct segment_name *a, const struct segment_name *b)
{
    int order = leat_identity_compare(a->first, b->first);
    if (order)
        return order;
    if (a->counter != b->counter)
        return a->counter < b->counter ? -1 : 1;
    return (a->format * 2 + a->zstd) - (b->format * 2 + b->zstd);
}

const char *route_reject(leat_bytes route)
{
    if (route.len > ROUTE_MAX)
        return "the route is longer than 1000 bytes";
    size_t folder = 0, depth = route.len ? 1 : 0;
    for (size_t i = 0; i < route.len; i++) {
        unsigned char c = (unsigned char)route.ptr[i];
        if (c < 0x21 || c == 0x7f || c == '\\')
            return "the route holds a control character, a space or a backslash";
        if (c == '/') {
            if (folder == 0)
                return "the route has an empty folder name";
            folder = 0;
            depth++;
            continue;
        }
        if (c == '.' && folder == 0)
            return "a folder of the route begins with a dot";
        if (++folder > FOLDER_MAX)
            return "a folder of the route is longer than 255 bytes";
    }
    if (route.len && folder == 0)
        return "the route has an empty folder name";
    return depth > ROUTE_DEPTH ? "the route has more than 8 folders" : NULL;
}
