/* SPDX-License-Identifier: Apache-2.0
 *
 * wal.c -- LSNs as text and as bytes.  [any]  Never allocates.
 */
#include "wal.h"

#include <stdio.h>

const char *wal_print(uint64_t lsn, char out[WAL_TEXT])
{
    (void)snprintf(out, WAL_TEXT, "%X/%X", (unsigned)(lsn >> 32), (unsigned)(lsn & 0xffffffffu));
    return out;
}

/* One to eight hexadecimal digits up to `end`; -1 when it is anything else. */
static int64_t half(const char **text, char end)
{
    int64_t value = 0;
    int digits = 0;
    for (; **text != end; (*text)++, digits++) {
        char c = **text;
        int nibble;
        if (c >= '0' && c <= '9')
            nibble = c - '0';
        else if (c >= 'A' && c <= 'F')
            nibble = c - 'A' + 10;
        else if (c >= 'a' && c <= 'f')
            nibble = c - 'a' + 10;
        else
            return -1;
        value = value * 16 + nibble;
        if (digits == 8)
            return -1;
    }
    return digits ? value : -1;
}

bool wal_parse(const char *text, uint64_t *out)
{
    int64_t high, low;
    if (!text || (high = half(&text, '/')) < 0)
        return false;
    text++;
    if ((low = half(&text, '\0')) < 0)
        return false;
    *out = (uint64_t)high << 32 | (uint64_t)low;
    return true;
}

uint64_t wal_get64(const char *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

void wal_put64(char *bytes, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        bytes[i] = (char)(unsigned char)(value & 0xff);
}
