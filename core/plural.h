/* SPDX-License-Identifier: Apache-2.0
 *
 * plural.h -- "1 batch", "2 batches".  [any]
 */
#ifndef LEAT_PLURAL_H
#define LEAT_PLURAL_H

#include <stdint.h>

/* The word behind a number. */
static inline const char *plural(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

#endif
