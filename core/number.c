/* SPDX-License-Identifier: Apache-2.0
 *
 * number.c -- decimal text to int64_t or double.  [any]
 */
#include "number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DIGITS_MAX 17 /* a double never needs more */
#define EXPONENT_MAX 100000

/* mantissa * 10^exponent; trailing zeros are in the exponent. */
struct decimal {
    bool negative, too_long;
    uint64_t mantissa;
    int digits, zeros; /* of the mantissa; zeros seen since its last digit */
    int64_t exponent;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(struct decimal *decimal, int digit)
{
    if (digit == 0) {
        decimal->zeros += decimal->mantissa != 0 && decimal->zeros < EXPONENT_MAX;
        return;
    }
    if (decimal->digits + decimal->zeros + 1 > DIGITS_MAX + 2) {
        decimal->too_long = true;
        decimal->digits = DIGITS_MAX + 2;
        return;
    }
    for (int i = decimal->mantissa != 0 ? decimal->zeros : 0; i > 0; i--)
        decimal->mantissa *= 10;
    decimal->mantissa = decimal->mantissa * 10 + (uint64_t)digit;
    decimal->digits += decimal->zeros + 1;
    decimal->zeros = 0;
}

/* The exponent behind the e, clamped.  Returns its end, or NULL. */
static const char *read_exponent(const char *at, const char *end, int64_t *exponent)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end || !is_digit(*at))
        return NULL;
    int64_t number = 0;
    for (; at < end && is_digit(*at); at++)
        number = number < EXPONENT_MAX ? number * 10 + (*at - '0') : EXPONENT_MAX;
    *exponent = negative ? -number : number;
    return at;
}

static bool read_decimal(const char *text, size_t len, struct decimal *decimal)
{
    const char *at = text, *end = text + len;
    *decimal = (struct decimal){0};
    if (at < end && *at == '-') {
        decimal->negative = true;
        at++;
    }
    const char *first = at;
    for (; at < end && is_digit(*at); at++)
        take_digit(decimal, *at - '0');
    if (at == first || (*first == '0' && at - first > 1))
        return false;
    int64_t fraction = 0;
    if (at < end && *at == '.') {
        first = ++at;
        for (; at < end && is_digit(*at); at++)
            take_digit(decimal, *at - '0');
        fraction = at - first;
        if (fraction == 0)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = read_exponent(at + 1, end, &decimal->exponent);
        if (!at)
            return false;
    }
    decimal->exponent += decimal->zeros - fraction;
    return at == end;
}

bool number_parse_integer(const char *text, size_t len, int64_t *out)
{
    bool negative = len != 0 && text[0] == '-';
    size_t digits = len - negative;
    uint64_t number = 0;
    if (digits == 0 || digits > 19 || (text[negative] == '0' && len != 1))
        return false;
    for (size_t i = negative; i < len; i++) {
        if (!is_digit(text[i]))
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    if (number > (uint64_t)INT64_MAX + negative) /* 19 digits do not overflow 64 bits */
        return false;
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* Both operands are exact and IEEE 754 rounds once: the result is the nearest double. */
static bool quick_double(const struct decimal *decimal, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#if FLT_EVAL_METHOD != 0
    return false;
#endif
    if (decimal->mantissa > UINT64_C(1) << 53 || decimal->exponent < -22 || decimal->exponent > 22)
        return false;
    double mantissa = (double)decimal->mantissa;
    *out = decimal->exponent < 0 ? mantissa / powers[-decimal->exponent]
                                 : mantissa * powers[decimal->exponent];
    return true;
}

/* Does it give the same digits when written with as many? */
static bool is_same(const struct decimal *decimal, double floating)
{
    char text[48];
    int len = snprintf(text, sizeof text, "%.*e", decimal->digits - 1, floating);
    uint64_t mantissa = 0;
    int at = 0;
    for (; at < len && text[at] != 'e'; at++) {
        if (is_digit(text[at]))
            mantissa = mantissa * 10 + (uint64_t)(text[at] - '0');
    }
    int64_t exponent = 0;
    if (at == len || !read_exponent(text + at + 1, text + len, &exponent))
        return false;
    return mantissa == decimal->mantissa && exponent - (decimal->digits - 1) == decimal->exponent;
}

static bool to_double(const struct decimal *decimal, locale_t c_locale, double *out)
{
    if (decimal->mantissa == 0) {
        *out = decimal->negative ? -0.0 : 0.0;
        return true;
    }
    if (decimal->too_long || decimal->digits > DIGITS_MAX)
        return false;
    bool quick = quick_double(decimal, out);
    if (!quick) {
        char text[48];
        (void)snprintf(text, sizeof text, "%llue%lld", (unsigned long long)decimal->mantissa,
                       (long long)decimal->exponent);
        *out = strtod_l(text, NULL, c_locale);
    }
    if ((!quick || decimal->digits > DBL_DIG) && !is_same(decimal, *out))
        return false;
    if (decimal->negative)
        *out = -*out;
    return isfinite(*out);
}

enum number_kind number_parse(const char *text, size_t len, locale_t c_locale, struct number *out)
{
    struct decimal decimal;
    if (number_parse_integer(text, len, &out->integer))
        return NUMBER_INTEGER;
    if (len == 0 || !read_decimal(text, len, &decimal))
        return NUMBER_WRONG;
    return to_double(&decimal, c_locale, &out->floating) ? NUMBER_DOUBLE : NUMBER_INEXACT;
}
