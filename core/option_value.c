/* SPDX-License-Identifier: Apache-2.0
 *
 * option_value.c -- one scalar as one option's type.  See option_value.h.
 */
#include "option_value.h"

#include "options.h"
#include "suggest.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *option_type_name(uint32_t type)
{
    switch (type) {
    case LEAT_OPT_STRING:
        return "text";
    case LEAT_OPT_INT:
        return "integer";
    case LEAT_OPT_BOOL:
        return "boolean";
    case LEAT_OPT_DURATION_MS:
        return "duration";
    case LEAT_OPT_SIZE:
        return "size";
    case LEAT_OPT_ENUM:
        return "choice";
    case LEAT_OPT_STRINGS:
        return "list";
    case LEAT_OPT_PAIRS:
        return "mapping";
    default:
        return "section";
    }
}

size_t option_type_size(uint32_t type)
{
    switch (type) {
    case LEAT_OPT_STRING:
    case OPTION_NODE:
        return sizeof(const char *);
    case LEAT_OPT_INT:
    case LEAT_OPT_DURATION_MS:
    case LEAT_OPT_SIZE:
    case LEAT_OPT_ENUM:
        return sizeof(int64_t);
    case LEAT_OPT_BOOL:
        return sizeof(bool);
    case LEAT_OPT_STRINGS:
        return sizeof(leat_strings);
    case LEAT_OPT_PAIRS:
        return sizeof(leat_pairs);
    default:
        return 0;
    }
}

size_t option_type_align(uint32_t type)
{
    return type == LEAT_OPT_BOOL ? _Alignof(bool)
           : type == LEAT_OPT_STRING || type == OPTION_NODE || type == LEAT_OPT_STRINGS ||
                   type == LEAT_OPT_PAIRS
               ? _Alignof(const char *)
               : _Alignof(int64_t);
}

const char *option_value_text(const leat_option *row, int64_t value, char *out)
{
    if (row->type == LEAT_OPT_SIZE)
        return units_size_text(value, out);
    if (row->type == LEAT_OPT_DURATION_MS)
        return units_duration_text(value, out);
    (void)snprintf(out, UNITS_TEXT, "%" PRId64, value);
    return out;
}

static bool in_range(const leat_option *row, int64_t value, char *why, size_t why_size)
{
    char text[UNITS_TEXT];
    if (row->min == 0 && row->max == 0)
        return true;
    if (value < row->min)
        (void)snprintf(why, why_size, "is too small; write at least %s",
                       option_value_text(row, row->min, text));
    else if (value > row->max)
        (void)snprintf(why, why_size, "is too large; write at most %s",
                       option_value_text(row, row->max, text));
    return value >= row->min && value <= row->max;
}

static bool parse_bool(const char *text, int64_t *out, char *why, size_t why_size)
{
    static const char *const yes[] = {"yes", "on", "1", "y", "t", NULL};
    static const char *const no[] = {"no", "off", "0", "n", "f", NULL};
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *out = text[0] == 't';
        return true;
    }
    const char *meant = "true or false";
    for (size_t i = 0; yes[i]; i++) {
        if (strcasecmp(text, yes[i]) == 0)
            meant = "true";
        else if (strcasecmp(text, no[i]) == 0)
            meant = "false";
    }
    (void)snprintf(why, why_size, "is neither true nor false; write %s", meant);
    return false;
}

static bool parse_choice(const leat_option *row, const char *text, int64_t *out, char *why,
                         size_t why_size)
{
    struct suggestion best = {0};
    for (size_t i = 0; row->choices[i]; i++) {
        if (strcmp(text, row->choices[i]) == 0) {
            *out = (int64_t)i;
            return true;
        }
        suggest_offer(&best, text, row->choices[i]);
    }
    bool near = best.word && !(row->flags & LEAT_OPT_SECRET);
    int len =
        near ? snprintf(why, why_size, "is not known; did you mean \"%s\"? choices: ", best.word)
             : snprintf(why, why_size, "is not known; choices: ");
    for (size_t i = 0; row->choices[i] && len >= 0 && (size_t)len < why_size; i++)
        len += snprintf(why + len, why_size - (size_t)len, "%s%s", i ? ", " : "", row->choices[i]);
    return false;
}

static bool parse_with_unit(const leat_option *row, const char *text, int64_t *out, char *why,
                            size_t why_size)
{
    char hint[UNITS_TEXT];
    bool size = row->type == LEAT_OPT_SIZE;
    if (size ? units_size(text, out) : units_duration(text, out))
        return in_range(row, *out, why, why_size);
    const char *near = size ? units_size_hint(text, hint) : units_duration_hint(text, hint);
    const char *name = size ? "size" : "duration";
    const char *example = size ? "64KiB, 10MiB or 1GiB" : "250ms, 5s or 10m";
    if (near && !(row->flags & LEAT_OPT_SECRET))
        (void)snprintf(why, why_size, "is not a %s; did you mean %s? write it like %s", name, near,
                       example);
    else
        (void)snprintf(why, why_size, "is not a %s; write it like %s", name, example);
    return false;
}

bool option_value_parse(const leat_option *row, const char *text, int64_t *out, char *why,
                        size_t why_size)
{
    switch (row->type) {
    case LEAT_OPT_INT:
        if (units_integer(text, out))
            return in_range(row, *out, why, why_size);
        (void)snprintf(why, why_size, "is not a whole number; write digits only");
        return false;
    case LEAT_OPT_BOOL:
        return parse_bool(text, out, why, why_size);
    case LEAT_OPT_DURATION_MS:
    case LEAT_OPT_SIZE:
        return parse_with_unit(row, text, out, why, why_size);
    case LEAT_OPT_ENUM:
        return parse_choice(row, text, out, why, why_size);
    default:
        (void)snprintf(why, why_size, "is of a type that this version does not know");
        return false;
    }
}
