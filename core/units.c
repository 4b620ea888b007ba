/* SPDX-License-Identifier: Apache-2.0
 *
 * units.c -- sizes and durations.  See units.h.
 */
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
    const char *typo; /* what people write instead */
};

/* Largest first; the ones in front are those that are written back. */
static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40, "ti"},
    {"GiB", INT64_C(1) << 30, "gi"},
    {"MiB", INT64_C(1) << 20, "mi"},
    {"KiB", INT64_C(1) << 10, "ki"},
    {"TB", 1000000000000, "t"},
    {"GB", 1000000000, "g"},
    {"MB", 1000000, "m"},
    {"kB", 1000, "k"},
    {"B", 1, "byte"},
    {NULL, 0, NULL},
};

static const struct unit duration_units[] = {
    {"d", 86400000, "day"}, {"h", 3600000, "hour"}, {"m", 60000, "min"},
    {"s", 1000, "sec"},     {"ms", 1, "msec"},      {NULL, 0, NULL},
};

/* Digits with an optional minus in front; the end of them is at *end. */
static bool digits(const char *text, int64_t *out, const char **end)
{
    bool negative = *text == '-';
    const char *p = text + negative;
    int64_t value = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *p - '0', &value))
            return false; /* kept negative: INT64_MIN has no positive twin */
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return false;
    *out = value;
    *end = p;
    return true;
}

static bool with_unit(const char *text, const struct unit *units, bool bare, int64_t *out)
{
    int64_t number;
    const char *end;
    if (*text == '-' || !digits(text, &number, &end))
        return false;
    if (!*end && (bare || number == 0)) {
        *out = number;
        return true;
    }
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcmp(end, unit->name) != 0)
            continue;
        if (__builtin_mul_overflow(number, unit->factor, &number))
            return false;
        *out = number;
        return true;
    }
    return false;
}

bool units_integer(const char *text, int64_t *out)
{
    int64_t number;
    const char *end;
    if (!digits(text, &number, &end) || *end)
        return false;
    *out = number;
    return true;
}

bool units_size(const char *text, int64_t *out)
{
    return with_unit(text, size_units, true, out);
}

bool units_duration(const char *text, int64_t *out_ms)
{
    return with_unit(text, duration_units, false, out_ms);
}

static const char *write_back(int64_t number, const struct unit *units, char out[UNITS_TEXT])
{
    for (const struct unit *unit = units; unit->name; unit++) {
        if (number == 0 || number % unit->factor != 0)
            continue;
        (void)snprintf(out, UNITS_TEXT, "%" PRId64 "%s", number / unit->factor,
                       unit->factor == 1 && unit->name[0] == 'B' ? "" : unit->name);
        return out;
    }
    (void)snprintf(out, UNITS_TEXT, "%" PRId64, number);
    return out;
}

const char *units_size_text(int64_t bytes, char out[UNITS_TEXT])
{
    return write_back(bytes, size_units, out);
}

const char *units_duration_text(int64_t ms, char out[UNITS_TEXT])
{
    return write_back(ms, duration_units, out);
}

static const char *hint(const char *text, const struct unit *units, const char *bare,
                        char out[UNITS_TEXT])
{
    int64_t number;
    const char *end;
    if (*text == '-' || !digits(text, &number, &end))
        return NULL;
    while (*end == ' ')
        end++;
    const char *name = *end ? NULL : bare;
    for (const struct unit *unit = units; unit->name && !name; unit++) {
        if (strcasecmp(end, unit->name) == 0 ||
            strncasecmp(end, unit->typo, strlen(unit->typo)) == 0)
            name = unit->name;
    }
    if (!name)
        return NULL;
    for (const struct unit *unit = units; unit->name; unit++) {
        int64_t product;
        if (unit->name == name && __builtin_mul_overflow(number, unit->factor, &product))
            return NULL; /* its unit is not what is wrong with it */
    }
    (void)snprintf(out, UNITS_TEXT, "%" PRId64 "%s", number, name);
    return out;
}

const char *units_size_hint(const char *text, char out[UNITS_TEXT])
{
    return hint(text, size_units, NULL, out);
}

const char *units_duration_hint(const char *text, char out[UNITS_TEXT])
{
    return hint(text, duration_units, "s", out);
}
