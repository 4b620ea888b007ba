/* SPDX-License-Identifier: Apache-2.0
 *
 * suggest.c -- the edit distance behind "did you mean".  See suggest.h.
 */
#include "suggest.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Three rows of the table are enough: a swap looks two rows back. */
size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_len = strnlen(a, WORD_MAX);
    size_t b_len = strnlen(b, WORD_MAX);

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            int same = fold(a[i - 1]) == fold(b[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void suggest_offer(struct suggestion *best, const char *unknown, const char *known)
{
    size_t longer = strlen(unknown);
    if (strlen(known) > longer)
        longer = strlen(known);
    size_t limit = longer < 3 ? 1 : (longer + 2) / 3;
    size_t distance = suggest_distance(unknown, known);
    if (distance > limit || distance >= longer)
        return;
    if (best->word && best->distance <= distance)
        return;
    best->word = known;
    best->distance = distance;
}
