/* SPDX-License-Identifier: Apache-2.0
 *
 * suggest.h -- "did you mean ...?": the known word nearest to one that nobody knows.  [any]
 */
#ifndef LEAT_SUGGEST_H
#define LEAT_SUGGEST_H

#include <stddef.h>

/* The number of letters to insert, drop, change or swap with their neighbour to get from a to b,
 * letter case apart; words of more than 64 bytes are compared by their first 64. */
size_t suggest_distance(const char *a, const char *b);

/* How a search goes on; all zero to begin with. */
struct suggestion {
    const char *word; /* the nearest until now, or NULL: none is near enough.  Borrowed */
    size_t distance;
};

/* Offers one known word.  Near enough: at most a third of the letters differ. */
void suggest_offer(struct suggestion *best, const char *unknown, const char *known);

#endif
