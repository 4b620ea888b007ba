/* SPDX-License-Identifier: Apache-2.0
 *
 * glob.c -- matching with one remembered star: a later star makes an earlier one's choice final.
 */
#include "glob.h"

/* The character's end: behind its continuation bytes. */
static size_t next_character(const char *text, size_t len, size_t at)
{
    at++;
    while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
        at++;
    return at;
}

bool glob_match(const char *pattern, const char *text, size_t len)
{
    const char *star = NULL;
    size_t at = 0, star_at = 0;
    while (at < len) {
        if (*pattern == '*') {
            star = ++pattern;
            star_at = at;
        } else if (*pattern == '?') {
            pattern++;
            at = next_character(text, len, at);
        } else if (*pattern != 0 && *pattern == text[at]) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}
