/* SPDX-License-Identifier: Apache-2.0
 *
 * iso_time.c -- parses ISO 8601 timestamps.  [any]
 */
#include "iso_time.h"

struct cursor {
    const char *at, *end;
};

static bool is_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

/* min to max digits. */
static bool take_number(struct cursor *cursor, int min, int max, int64_t *out)
{
    int count = 0;
    for (*out = 0; count < max && is_digit(cursor); count++)
        *out = *out * 10 + (*cursor->at++ - '0');
    return count >= min && !is_digit(cursor);
}

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Since 1970-01-01, proleptic Gregorian; year at least 1. */
static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted_year = month <= 2 ? year - 1 : year;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 +
           day_of_year - 719468;
}

static bool take_date(struct cursor *cursor, int64_t *days)
{
    int64_t year, month, day;
    if (!take_number(cursor, 4, 6, &year) || !take(cursor, '-') ||
        !take_number(cursor, 2, 2, &month) || !take(cursor, '-') ||
        !take_number(cursor, 2, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month))
        return false;
    *days = days_since_epoch(year, month, day);
    return true;
}

static bool take_clock(struct cursor *cursor, int64_t *seconds)
{
    int64_t hour, minute, second;
    if (!take_number(cursor, 2, 2, &hour) || !take(cursor, ':') ||
        !take_number(cursor, 2, 2, &minute) || !take(cursor, ':') ||
        !take_number(cursor, 2, 2, &second))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

static bool take_fraction(struct cursor *cursor, uint32_t *nanoseconds)
{
    *nanoseconds = 0;
    if (!take(cursor, '.'))
        return true;
    const char *start = cursor->at;
    int64_t number;
    if (!take_number(cursor, 1, 9, &number))
        return false;
    for (int64_t digits = cursor->at - start; digits < 9; digits++)
        number *= 10;
    *nanoseconds = (uint32_t)number;
    return true;
}

static bool take_offset(struct cursor *cursor, int64_t *seconds)
{
    *seconds = 0;
    if (cursor->at == cursor->end || take(cursor, 'Z'))
        return true;
    bool negative = take(cursor, '-');
    int64_t hour, minute = 0, second = 0;
    if ((!negative && !take(cursor, '+')) || !take_number(cursor, 2, 2, &hour))
        return false;
    if (take(cursor, ':') && !take_number(cursor, 2, 2, &minute))
        return false;
    if (take(cursor, ':') && !take_number(cursor, 2, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    if (negative)
        *seconds = -*seconds;
    return true;
}

bool iso_time_parse(const char *text, size_t len, int64_t *seconds, uint32_t *nanoseconds)
{
    if (len == 0)
        return false;
    struct cursor cursor = {text, text + len};
    int64_t days, clock, offset;
    if (!take_date(&cursor, &days) || !take(&cursor, 'T') || !take_clock(&cursor, &clock) ||
        !take_fraction(&cursor, nanoseconds) || !take_offset(&cursor, &offset))
        return false;
    *seconds = days * 86400 + clock - offset;
    return cursor.at == cursor.end;
}
