/* SPDX-License-Identifier: Apache-2.0
 *
 * iso_time.h -- an ISO 8601 timestamp's text as a point in time.  [any]
 *
 * Takes YYYY-MM-DDTHH:MM:SS[.fraction][Z|+HH[:MM[:SS]]], a year of four to six digits; without an
 * offset it counts as UTC.  Whatever else came ("infinity", years BC) is false: keep the text.
 */
#ifndef LEAT_ISO_TIME_H
#define LEAT_ISO_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds since 1970-01-01 UTC, rounded down, and 0 to 999,999,999 nanoseconds. */
bool iso_time_parse(const char *text, size_t len, int64_t *seconds, uint32_t *nanoseconds);

#endif
