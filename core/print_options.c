/* SPDX-License-Identifier: Apache-2.0
 *
 * print_options.c -- option tables as text and JSON.  See print_options.h.
 */
#include "print_options.h"

#include "option_value.h"
#include "units.h"

#include <string.h>

struct flag_name {
    uint32_t flag;
    const char *name;
};

static const struct flag_name flag_names[] = {
    {LEAT_OPT_REQUIRED, "required"},
    {LEAT_OPT_SECRET, "secret"},
    {LEAT_OPT_RELOADABLE, "reloadable"},
    {LEAT_OPT_DEPRECATED, "deprecated"},
    {LEAT_OPT_ALONE, "alone"},
    {LEAT_OPT_PATH, "path"},
};

enum { FLAG_COUNT = sizeof flag_names / sizeof *flag_names, BOUNDS = 256 };

void print_json_string(FILE *out, const char *text)
{
    if (!text) {
        (void)fputs("null", out);
        return;
    }
    (void)fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            (void)fprintf(out, "\\%c", *p);
        else if (*p < 0x20)
            (void)fprintf(out, "\\u%04x", *p);
        else
            (void)fputc(*p, out);
    }
    (void)fputc('"', out);
}

static const char *print_choices(const leat_option *row, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; row->choices && row->choices[i] && len < size; i++) {
        int more = snprintf(out + len, size - len, "%s%s", i ? ", " : "", row->choices[i]);
        len += more < 0 ? 0 : (size_t)more;
    }
    return out;
}

const char *print_bounds(const leat_option *row, char *out, size_t size)
{
    char low[UNITS_TEXT];
    char high[UNITS_TEXT];
    const char *of = row->type == LEAT_OPT_STRINGS || row->type == LEAT_OPT_PAIRS ? " entries" : "";
    out[0] = '\0';
    if (row->type == LEAT_OPT_ENUM)
        return print_choices(row, out, size);
    if (row->min == 0 && row->max == 0)
        return out;
    if (row->max == INT64_MAX)
        (void)snprintf(out, size, "at least %s%s", option_value_text(row, row->min, low), of);
    else
        (void)snprintf(out, size, "%s to %s%s", option_value_text(row, row->min, low),
                       option_value_text(row, row->max, high), of);
    return out;
}

static const char *print_flags(const leat_option *row, char out[64])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (!(row->flags & flag_names[i].flag))
            continue;
        len += (size_t)snprintf(out + len, 64 - len, "%s%s", len ? "," : "", flag_names[i].name);
    }
    return out;
}

static size_t widest(size_t width, const char *text)
{
    return strlen(text) > width ? strlen(text) : width;
}

void print_options_text(FILE *out, const leat_option *rows, size_t count)
{
    char bounds[BOUNDS];
    char flags[64];
    size_t name = 4;
    size_t dflt = 7;
    size_t range = 5;
    size_t flag = 5;
    for (size_t i = 0; i < count; i++) {
        name = widest(name, rows[i].name);
        dflt = widest(dflt, rows[i].dflt ? rows[i].dflt : "-");
        range = widest(range, print_bounds(&rows[i], bounds, sizeof bounds));
        flag = widest(flag, print_flags(&rows[i], flags));
    }
    (void)fprintf(out, "%-*s  %-8s  %-*s  %-*s  %-*s  %s\n", (int)name, "NAME", "TYPE", (int)dflt,
                  "DEFAULT", (int)range, "RANGE", (int)flag, "FLAGS", "MEANING");
    for (size_t i = 0; i < count; i++) {
        const leat_option *row = &rows[i];
        print_bounds(row, bounds, sizeof bounds);
        print_flags(row, flags);
        (void)fprintf(out, "%-*s  %-8s  %-*s  %-*s  %-*s  %s\n", (int)name, row->name,
                      option_type_name(row->type), (int)dflt, row->dflt ? row->dflt : "-",
                      (int)range, *bounds ? bounds : "-", (int)flag, *flags ? flags : "-",
                      row->help ? row->help : "");
    }
}

static void print_json_flags(FILE *out, const leat_option *row)
{
    const char *comma = "";
    (void)fputs(",\"flags\":[", out);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (!(row->flags & flag_names[i].flag))
            continue;
        (void)fprintf(out, "%s\"%s\"", comma, flag_names[i].name);
        comma = ",";
    }
    (void)fputc(']', out);
}

static void print_json_choices(FILE *out, const leat_option *row)
{
    (void)fputs(",\"choices\":[", out);
    for (size_t i = 0; row->choices && row->choices[i]; i++) {
        if (i)
            (void)fputc(',', out);
        print_json_string(out, row->choices[i]);
    }
    (void)fputc(']', out);
}

void print_options_json(FILE *out, const leat_option *rows, size_t count)
{
    (void)fputc('[', out);
    for (size_t i = 0; i < count; i++) {
        const leat_option *row = &rows[i];
        (void)fputs(i ? ",{\"name\":" : "{\"name\":", out);
        print_json_string(out, row->name);
        (void)fprintf(out, ",\"type\":\"%s\",\"default\":", option_type_name(row->type));
        print_json_string(out, row->dflt);
        if (row->min || row->max)
            (void)fprintf(out, ",\"min\":%lld,\"max\":%lld", (long long)row->min,
                          (long long)row->max);
        if (row->type == LEAT_OPT_ENUM)
            print_json_choices(out, row);
        print_json_flags(out, row);
        (void)fputs(",\"help\":", out);
        print_json_string(out, row->help);
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}
