/* SPDX-License-Identifier: Apache-2.0
 *
 * heap.h -- the C library's memory, counted, and failing on demand.  [any]
 *
 * The program's own malloc stands before the C library's, for the plugin and its libraries, too. In
 * a build with a sanitizer there is none: heap_blocks is -1 then, and nothing fails on demand.
 */
#ifndef CHECK_HEAP_H
#define CHECK_HEAP_H

#include <stdbool.h>
#include <stdint.h>

int64_t heap_blocks(void); /* allocated and not freed; -1: not counted */

/* The n-th allocation (from 1) that code between begin and end asks for gives NULL; 0: none. */
void heap_fail(uint64_t n, const void *begin, const void *end);
bool heap_failed(void); /* that came to pass */

#endif
