/* SPDX-License-Identifier: Apache-2.0
 *
 * option_value.h -- one scalar as one option's type.  [main]
 */
#ifndef LEAT_OPTION_VALUE_H
#define LEAT_OPTION_VALUE_H

#include <leat/plugin.h>

/* Parses text for a row of type INT, BOOL (0 or 1), DURATION_MS, SIZE or ENUM and checks its range.
 * False with `why` ("is not a size; write ...", fit to follow the value); the value itself is never
 * in it. */
bool option_value_parse(const leat_option *row, const char *text, int64_t *out, char *why,
                        size_t why_size);

/* A bound as a person would write it; `out` of at least 32 bytes. */
const char *option_value_text(const leat_option *row, int64_t value, char *out);

/* "duration", "size", "choice", ...; static. */
const char *option_type_name(uint32_t type);

/* The size and alignment of the member that a type fills; 0 for a type that nobody knows. */
size_t option_type_size(uint32_t type);
size_t option_type_align(uint32_t type);

#endif
