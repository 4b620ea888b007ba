/* SPDX-License-Identifier: Apache-2.0
 *
 * print_mdoc.c -- option tables for manual pages.  See print_options.h and mdoc(7).
 */
#include "print_options.h"

#include "option_value.h"

#include <string.h>

/* Text that roff takes literally. */
static void print_plain(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\')
            (void)fputs("\\e", out);
        else if (i == 0 && (text[i] == '.' || text[i] == '\''))
            (void)fprintf(out, "\\&%c", text[i]);
        else
            (void)fputc(text[i], out);
    }
}

/* A sentence a line, as mdoc wants it. */
static void print_sentences(FILE *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, ". ");
        size_t len = end ? (size_t)(end - text) + 1 : strlen(text);
        print_plain(out, text, len);
        text += len;
        if (!*text && text[-1] != '.')
            (void)fputc('.', out);
        (void)fputc('\n', out);
        text += strspn(text, " ");
    }
}

/* An argument of a macro; in quotes, so that no word of it is taken for a macro. */
static void print_argument(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            (void)fputs("\\(dq", out);
        else if (*p == '\\')
            (void)fputs("\\e", out);
        else if (*p == '-')
            (void)fputs("\\-", out);
        else
            (void)fputc(*p, out);
    }
    (void)fputc('"', out);
}

static void print_choices(FILE *out, const leat_option *row)
{
    (void)fputs("One of\n", out);
    for (size_t i = 0; row->choices[i]; i++) {
        (void)fputs(".Cm ", out);
        print_argument(out, row->choices[i]);
        (void)fputs(row->choices[i + 1] ? " ,\n" : " .\n", out);
    }
}

static void print_row(FILE *out, const leat_option *row)
{
    char bounds[256];
    (void)fprintf(out, ".It Cm %s : Ar %s\n", row->name, option_type_name(row->type));
    if (row->help)
        print_sentences(out, row->help);
    if (row->type == LEAT_OPT_ENUM)
        print_choices(out, row);
    else if (*print_bounds(row, bounds, sizeof bounds))
        (void)fprintf(out, "Range: %s.\n", bounds);
    if (row->dflt) {
        (void)fputs("Default:\n.Li ", out);
        print_argument(out, row->dflt);
        (void)fputs(" .\n", out);
    }
    if (row->flags & LEAT_OPT_REQUIRED)
        (void)fputs("Required.\n", out);
    if (row->flags & LEAT_OPT_SECRET)
        (void)fputs("A secret: never logged, never shown.\n", out);
    if (row->flags & LEAT_OPT_DEPRECATED)
        (void)fputs("Deprecated.\n", out);
}

void print_options_mdoc(FILE *out, const leat_option *rows, size_t count)
{
    if (!count)
        return;
    (void)fputs(".Bl -tag -width Ds\n", out);
    for (size_t i = 0; i < count; i++)
        print_row(out, &rows[i]);
    (void)fputs(".El\n", out);
}
