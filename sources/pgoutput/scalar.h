/* SPDX-License-Identifier: Apache-2.0
 *
 * scalar.h -- checks and rewrites the text of single values.  [any]  Nothing here allocates or
 * reads past the text it was given.
 */
#ifndef LEAT_PGOUTPUT_SCALAR_H
#define LEAT_PGOUTPUT_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits without leading zeros, maybe behind a minus sign, that fit int64_t. */
bool scalar_is_integer(const char *p, size_t len);

/* A number as JSON writes it. */
bool scalar_is_number(const char *p, size_t len);

/* NaN, Infinity or -Infinity. */
bool scalar_is_unbounded(const char *p, size_t len);

/* Printable ASCII without quote or backslash. */
bool scalar_is_plain(const char *p, size_t len);

/* A timestamp in DateStyle ISO becomes ISO 8601 as to_json() writes it: a T between date and time,
 * and, where it has a zone, at least hours and minutes of it.  Works in place and may begin up to
 * SCALAR_HEADROOM bytes before p, which have to be there.  Returns where it begins.  What does not
 * look like a timestamp ("infinity") stays as it is. */
#define SCALAR_HEADROOM 3
char *scalar_timestamp(char *p, size_t *len, bool zone);

/* \x0a1b becomes bytes, in place.  False: malformed. */
bool scalar_bytea(char *p, size_t *len);

#endif
