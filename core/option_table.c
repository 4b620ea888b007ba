/* SPDX-License-Identifier: Apache-2.0
 *
 * option_table.c -- whether a table that a plugin brought can be used at all.  See options.h.
 *
 * A table is code, written once; what is wrong with it is said to the plugin's author.
 */
#include "options.h"

#include "option_value.h"

#include <stdio.h>
#include <string.h>

static const char *check_name(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > 100)
        return "a name is missing or longer than 100 bytes";
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c == '.' && (i == 0 || i + 1 == len || name[i - 1] == '.'))
            return "an empty part between dots";
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'))
            return "a name may hold a-z, 0-9, _ and dots";
    }
    return NULL;
}

static const char *check_place(const leat_option *row, size_t struct_size)
{
    size_t size = option_type_size(row->type);
    if (size == 0)
        return "a type that this leat does not know";
    if (row->offset > struct_size || size > struct_size - row->offset)
        return "its member lies outside of config_size";
    if (row->offset % option_type_align(row->type) != 0)
        return "its member is not aligned";
    if (row->type == LEAT_OPT_ENUM && (!row->choices || !row->choices[0]))
        return "a choice without choices";
    if (row->flags & LEAT_OPT_PATH && row->type != LEAT_OPT_STRING)
        return "a path that is no text";
    if (row->flags & LEAT_OPT_ALONE && row->type != LEAT_OPT_STRING &&
        row->type != LEAT_OPT_STRINGS)
        return "meant for one instance alone, and neither a text nor a list";
    if ((row->min || row->max) && row->min > row->max)
        return "min is greater than max";
    return NULL;
}

static const char *check_default(const leat_option *row, char *why, size_t why_size)
{
    int64_t number;
    if (!row->dflt)
        return NULL;
    if (row->flags & LEAT_OPT_REQUIRED)
        return "required, and yet with a default";
    if (row->type == LEAT_OPT_STRING || row->type == LEAT_OPT_STRINGS)
        return NULL;
    if (row->type == LEAT_OPT_PAIRS)
        return "a mapping cannot have a default";
    return option_value_parse(row, row->dflt, &number, why, why_size) ? NULL : why;
}

/* The same name twice, or a name that another one makes a section of. */
static const char *check_against(const char *name, const char *other)
{
    size_t len = strlen(name);
    size_t other_len = strlen(other);
    size_t shorter = len < other_len ? len : other_len;
    if (strncmp(name, other, shorter) != 0)
        return NULL;
    if (len == other_len)
        return "the name is there twice";
    return (len > other_len ? name : other)[shorter] == '.' ? "the name is a section's, too" : NULL;
}

const char *options_check_table(const leat_option *rows, size_t count, size_t struct_size,
                                char *why, size_t why_size)
{
    char text[256];
    for (size_t i = 0; i < count; i++) {
        const leat_option *row = &rows[i];
        const char *wrong = check_name(row->name);
        if (wrong) {
            (void)snprintf(why, why_size, "option %zu: %s", i, wrong);
            return why;
        }
        wrong = check_place(row, struct_size);
        if (!wrong)
            wrong = check_default(row, text, sizeof text);
        for (size_t j = 0; j < i && !wrong; j++)
            wrong = check_against(row->name, rows[j].name);
        if (wrong) {
            (void)snprintf(why, why_size, "option \"%s\": %s", row->name, wrong);
            return why;
        }
    }
    return NULL;
}
