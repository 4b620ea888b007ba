/* SPDX-License-Identifier: Apache-2.0
 *
 * units.h -- numbers as people write them: 250ms, 5s, 64KiB, 10MB.  [any]
 */
#ifndef LEAT_UNITS_H
#define LEAT_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT 32

/* Each takes the whole text or nothing; false leaves *out alone. */
bool units_integer(const char *text, int64_t *out);
bool units_size(const char *text, int64_t *out);        /* bytes; without a unit: bytes */
bool units_duration(const char *text, int64_t *out_ms); /* a unit is needed, but for 0 */

/* The way back, in the largest unit that keeps it whole. */
const char *units_size_text(int64_t bytes, char out[UNITS_TEXT]);
const char *units_duration_text(int64_t ms, char out[UNITS_TEXT]);

/* A text that would have been right, for one with a wrong unit ("64mb": "64MB"), or NULL. */
const char *units_size_hint(const char *text, char out[UNITS_TEXT]);
const char *units_duration_hint(const char *text, char out[UNITS_TEXT]);

#endif
