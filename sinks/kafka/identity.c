/* SPDX-License-Identifier: Apache-2.0
 *
 * identity.c -- see the header.
 */
#include "identity.h"

/* Up to 8 upper-case hexadecimal digits from *p on; false when there is none. */
static bool take_hex(const char **p, const char *end, uint32_t *out)
{
    const char *begin = *p;
    uint32_t value = 0;
    while (*p < end && *p - begin < 8) {
        unsigned char c = (unsigned char)**p;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint32_t)(c - '0');
        else if (c >= 'A' && c <= 'F')
            value = value << 4 | (uint32_t)(c - 'A' + 10);
        else
            break;
        (*p)++;
    }
    *out = value;
    return *p > begin;
}

static bool take_seq(const char **p, const char *end, int64_t *out)
{
    bool minus = *p < end && **p == '-';
    *p += minus;
    const char *begin = *p;
    int64_t value = 0;
    while (*p < end && *p - begin < 18 && **p >= '0' && **p <= '9')
        value = value * 10 + (*(*p)++ - '0');
    *out = minus ? -value : value;
    return *p > begin;
}

bool message_id_parse(const char *text, size_t len, const char *name_space, struct message_id *out)
{
    static const char suffix[] = KAFKA_TOMBSTONE_SUFFIX;
    size_t prefix = strlen(name_space);
    if (!text || len <= prefix || memcmp(text, name_space, prefix) != 0 || text[prefix] != ':')
        return false;
    const char *p = text + prefix + 1, *end = text + len;
    uint32_t high, low;
    int64_t seq;
    if (!take_hex(&p, end, &high) || p == end || *p++ != '/')
        return false;
    if (!take_hex(&p, end, &low) || p == end || *p++ != ':' || !take_seq(&p, end, &seq))
        return false;
    out->identity = (leat_identity){(uint64_t)high << 32 | low, seq};
    out->tombstone = false;
    if (p == end)
        return true;
    out->tombstone = true;
    return (size_t)(end - p) == sizeof suffix - 1 && memcmp(p, suffix, sizeof suffix - 1) == 0;
}
