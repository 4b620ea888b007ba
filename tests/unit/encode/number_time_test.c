/* SPDX-License-Identifier: Apache-2.0
 *
 * number_time_test.c -- numbers and timestamps out of text: exact, or left alone.
 */
#include "iso_time.h"
#include "number.h"
#include "samples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static locale_t c_locale;

static void numbers_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum number_kind kind;
        int64_t integer;
        double floating;
    } cases[] = {{"0", NUMBER_INTEGER, 0, 0},
                 {"-7", NUMBER_INTEGER, -7, 0},
                 {"9223372036854775807", NUMBER_INTEGER, INT64_MAX, 0},
                 {"-9223372036854775808", NUMBER_INTEGER, INT64_MIN, 0},
                 {"9223372036854775808", NUMBER_INEXACT, 0, 0},
                 {"-9223372036854775809", NUMBER_INEXACT, 0, 0},
                 {"100000000000000000000", NUMBER_DOUBLE, 0, 1e20},
                 {"-0", NUMBER_DOUBLE, 0, -0.0},
                 {"0.1", NUMBER_DOUBLE, 0, 0.1},
                 {"1.10", NUMBER_DOUBLE, 0, 1.1},
                 {"1e5", NUMBER_DOUBLE, 0, 1e5},
                 {"1E-7", NUMBER_DOUBLE, 0, 1e-7},
                 {"1.7976931348623157e+308", NUMBER_DOUBLE, 0, 1.7976931348623157e308},
                 {"5e-324", NUMBER_DOUBLE, 0, 5e-324},
                 {"1e309", NUMBER_INEXACT, 0, 0},
                 {"1e-400", NUMBER_INEXACT, 0, 0},
                 {"1e99999999999999999999", NUMBER_INEXACT, 0, 0},
                 {"0e99999999999999999999", NUMBER_DOUBLE, 0, 0},
                 {"0.12345678901234567890", NUMBER_INEXACT, 0, 0},
                 {"3.141592653589793", NUMBER_DOUBLE, 0, 3.141592653589793},
                 {"9007199254740993.0", NUMBER_INEXACT, 0, 0},
                 {"0.30000000000000004", NUMBER_DOUBLE, 0, 0.30000000000000004},
                 {"", NUMBER_WRONG, 0, 0},
                 {"-", NUMBER_WRONG, 0, 0},
                 {"01", NUMBER_WRONG, 0, 0},
                 {"-01", NUMBER_WRONG, 0, 0},
                 {"+1", NUMBER_WRONG, 0, 0},
                 {"1.", NUMBER_WRONG, 0, 0},
                 {".5", NUMBER_WRONG, 0, 0},
                 {"1e", NUMBER_WRONG, 0, 0},
                 {"1e+", NUMBER_WRONG, 0, 0},
                 {"1x", NUMBER_WRONG, 0, 0},
                 {"NaN", NUMBER_WRONG, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number number = {0};
        enum number_kind kind =
            number_parse(cases[i].text, strlen(cases[i].text), c_locale, &number);
        if (kind != cases[i].kind)
            fail_msg("%s: %d", cases[i].text, (int)kind);
        if (kind == NUMBER_INTEGER)
            assert_int_equal(number.integer, cases[i].integer);
        if (kind == NUMBER_DOUBLE)
            assert_memory_equal(&number.floating, &cases[i].floating, sizeof(double));
    }
}

/* Every double that is printed shortest comes back bit for bit. */
static void doubles_come_back(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int i = 0; i < 60000; i++) {
        double number, back;
        char text[64];
        uint64_t bits = sample_random(&seed);
        memcpy(&number, &bits, sizeof bits);
        if (i % 2)
            number = (double)(int64_t)sample_below(&seed, 2000000) / 1000 - 1000;
        if (!isfinite(number))
            continue;
        int digits = 0, len = 0;
        do {
            len = snprintf(text, sizeof text, "%.*e", digits, number);
            back = strtod(text, NULL);
        } while (back != number && ++digits < 17);
        struct number parsed = {0};
        if (number_parse(text, (size_t)len, c_locale, &parsed) != NUMBER_DOUBLE ||
            memcmp(&parsed.floating, &number, sizeof number) != 0)
            fail_msg("%s", text);
    }
}

/* Under a locale whose numbers have commas, too. */
static void locale_does_not_matter(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    locale_t other = (locale_t)0;
    for (size_t i = 0; i < sizeof names / sizeof *names && !other; i++)
        other = newlocale(LC_ALL_MASK, names[i], (locale_t)0);
    if (!other)
        return; /* none is installed here */
    locale_t before = uselocale(other);
    numbers_by_hand(state);
    doubles_come_back(state);
    uselocale(before);
    freelocale(other);
}

static void times_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t seconds;
        uint32_t nanoseconds;
    } cases[] = {{"1970-01-01T00:00:00", true, 0, 0},
                 {"2026-11-22T10:00:00.123456", true, 1795341600, 123456000},
                 {"2026-11-22T10:00:00.123456+00:00", true, 1795341600, 123456000},
                 {"2026-11-22T10:00:00.1Z", true, 1795341600, 100000000},
                 {"2026-11-22T10:00:00+05:30", true, 1795341600 - 19800, 0},
                 {"2026-11-22T10:00:00-03", true, 1795341600 + 10800, 0},
                 {"1890-01-01T00:00:00+00:19:32", true, INT64_C(-2524522772), 0},
                 {"1969-12-31T23:59:59.5", true, -1, 500000000},
                 {"2000-02-29T00:00:00", true, 951782400, 0},
                 {"0001-01-01T00:00:00", true, INT64_C(-62135596800), 0},
                 {"294276-12-31T23:59:59.999999", true, INT64_C(9224318015999), 999999000},
                 {"1900-02-29T00:00:00", false, 0, 0},
                 {"2026-13-01T00:00:00", false, 0, 0},
                 {"2026-00-01T00:00:00", false, 0, 0},
                 {"2026-01-32T00:00:00", false, 0, 0},
                 {"2026-01-01T24:00:00", false, 0, 0},
                 {"2026-01-01T00:00:60", false, 0, 0},
                 {"2026-01-01T00:00", false, 0, 0},
                 {"2026-01-01T00:00:00.", false, 0, 0},
                 {"2026-01-01T00:00:00.1234567890", false, 0, 0},
                 {"2026-01-01T00:00:00+", false, 0, 0},
                 {"2026-01-01T00:00:00+1", false, 0, 0},
                 {"2026-01-01T00:00:00Z0", false, 0, 0},
                 {"2026-01-01 00:00:00", false, 0, 0},
                 {"0000-01-01T00:00:00", false, 0, 0},
                 {"0044-03-15T00:00:00 BC", false, 0, 0},
                 {"1234567-01-01T00:00:00", false, 0, 0},
                 {"infinity", false, 0, 0},
                 {"", false, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds = 0;
        uint32_t nanoseconds = 0;
        bool ok = iso_time_parse(cases[i].text, strlen(cases[i].text), &seconds, &nanoseconds);
        if (ok != cases[i].ok ||
            (ok && (seconds != cases[i].seconds || nanoseconds != cases[i].nanoseconds)))
            fail_msg("%s: %d %lld %u", cases[i].text, ok, (long long)seconds, nanoseconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_by_hand),
        cmocka_unit_test(doubles_come_back),
        cmocka_unit_test(locale_does_not_matter),
        cmocka_unit_test(times_by_hand),
    };
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    freelocale(c_locale);
    return failed;
}
