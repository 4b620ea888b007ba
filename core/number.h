/* SPDX-License-Identifier: Apache-2.0
 *
 * number.h -- a JSON number's text as a machine number, where that loses nothing.  [any]
 *
 * Exact means: written out again with as many digits, the double gives the same digits, as it does
 * for every number that was a double once.  Independent of the process's locale.  Never allocates.
 */
#ifndef LEAT_NUMBER_H
#define LEAT_NUMBER_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum number_kind {
    NUMBER_WRONG = 0, /* not a number by RFC 8259, section 6                                   */
    NUMBER_INTEGER,   /* without fraction and exponent, and it fits int64_t; not "-0"          */
    NUMBER_DOUBLE,
    NUMBER_INEXACT /* a number, but neither holds it                                        */
};

struct number {
    int64_t integer;
    double floating;
};

/* Only the integers: true for what would be NUMBER_INTEGER. */
bool number_parse_integer(const char *text, size_t len, int64_t *out);

/* c_locale: of newlocale(..., "C", ...). */
enum number_kind number_parse(const char *text, size_t len, locale_t c_locale, struct number *out);

#endif
