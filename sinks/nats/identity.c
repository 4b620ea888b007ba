/* SPDX-License-Identifier: Apache-2.0
 *
 * identity.c -- see the header.
 */
#include "identity.h"
#include "json.h"
#include "wire.h"

static bool parse_hex(leat_bytes text, uint64_t *out)
{
    *out = 0;
    if (!text.len || text.len > 8)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A') + 10;
        else
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

bool identity_parse(leat_bytes id, const char *name_space, leat_identity *identity)
{
    size_t name_len = strlen(name_space);
    if (id.len < name_len + 6 || memcmp(id.ptr, name_space, name_len) != 0 ||
        id.ptr[name_len] != ':')
        return false;
    const char *p = id.ptr + name_len + 1, *end = id.ptr + id.len;
    const char *slash = memchr(p, '/', (size_t)(end - p));
    const char *colon = slash ? memchr(slash, ':', (size_t)(end - slash)) : NULL;
    uint64_t high, low;
    if (!colon || !parse_hex((leat_bytes){p, (size_t)(slash - p)}, &high) ||
        !parse_hex((leat_bytes){slash + 1, (size_t)(colon - slash) - 1}, &low))
        return false;
    identity->position = high << 32 | low;
    return json_int((leat_bytes){colon + 1, (size_t)(end - colon) - 1}, &identity->seq);
}

bool identity_of_headers(leat_bytes headers, const char *name_space, struct range *range)
{
    leat_bytes value;
    if (!wire_header(headers, HEADER_ID, &value) && !wire_header(headers, HEADER_MSG_ID, &value))
        return false;
    if (!identity_parse(value, name_space, &range->last))
        return false;
    range->first = range->last;
    if (wire_header(headers, HEADER_FIRST, &value) &&
        (!identity_parse(value, name_space, &range->first) ||
         leat_identity_compare(range->first, range->last) > 0))
        return false;
    return true;
}
