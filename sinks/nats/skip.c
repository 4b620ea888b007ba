/* SPDX-License-Identifier: Apache-2.0
 *
 * skip.c -- see the header.
 */
#include "skip.h"

#include <stdlib.h>

bool skip_init(struct skip *skip)
{
    *skip = (struct skip){.ranges = malloc(SKIP_MAX * sizeof(struct range))};
    return skip->ranges != NULL;
}

void skip_fini(struct skip *skip)
{
    free(skip->ranges);
    skip->ranges = NULL;
}

void skip_clear(struct skip *skip)
{
    skip->count = skip->cursor = 0;
    skip->overflowed = false;
}

void skip_add(struct skip *skip, struct range range)
{
    if (skip->count == SKIP_MAX)
        skip->overflowed = true;
    else
        skip->ranges[skip->count++] = range;
}

static int by_first(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return leat_identity_compare(x->first, y->first);
}

void skip_seal(struct skip *skip, leat_identity done)
{
    size_t kept = 0;
    qsort(skip->ranges, skip->count, sizeof skip->ranges[0], by_first);
    for (size_t i = 0; i < skip->count; i++) {
        struct range range = skip->ranges[i];
        if (leat_identity_compare(range.last, done) <= 0)
            continue;
        struct range *before = kept ? &skip->ranges[kept - 1] : NULL;
        if (!before || leat_identity_compare(range.first, before->last) > 0)
            skip->ranges[kept++] = range;
        else if (leat_identity_compare(range.last, before->last) > 0)
            before->last = range.last;
    }
    skip->count = kept;
    skip->cursor = 0;
}

bool skip_holds(struct skip *skip, leat_identity identity)
{
    while (skip->cursor < skip->count &&
           leat_identity_compare(skip->ranges[skip->cursor].last, identity) < 0)
        skip->cursor++;
    return skip->cursor < skip->count &&
           leat_identity_compare(skip->ranges[skip->cursor].first, identity) <= 0;
}
