/* SPDX-License-Identifier: Apache-2.0
 *
 * problems.c -- what is wrong with one file.  See problems.h.
 */
#include "problems.h"

#include "region.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct problem {
    int line, column;
    size_t order; /* of discovery: keeps the sort stable */
    bool warning;
    const char *text;
};

struct problems {
    struct region region;
    const char *file;
    size_t count, errors, dropped;
    struct problem *items; /* room for PROBLEMS_MAX; NULL before the first */
};

/* True for the lead byte of U+0080..U+009F, the control characters that take two bytes. */
static bool is_c1(const unsigned char *p)
{
    return p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f;
}

static const char *clean(struct region *region, const char *text)
{
    size_t len = strlen(text);
    char *out = region_take(region, len * 4 + 1);
    char *to = out;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || is_c1(p))
            to += sprintf(to, "\\x%02x", is_c1(p) ? *++p : *p);
        else
            *to++ = (char)*p;
    }
    return out;
}

struct problems *problems_create(const char *file)
{
    struct region region = {0};
    struct problems *problems = region_take(&region, sizeof *problems);
    problems->file = clean(&region, file);
    problems->region = region;
    return problems;
}

void problems_destroy(struct problems *problems)
{
    if (!problems)
        return;
    struct region region = problems->region;
    region_fini(&region);
}

static void add(struct problems *problems, int line, int column, bool warning, const char *format,
                va_list args)
{
    if (!warning)
        problems->errors++;
    if (problems->count == PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    if (!problems->items)
        problems->items = region_take(&problems->region, PROBLEMS_MAX * sizeof *problems->items);
    char text[2048];
    (void)vsnprintf(text, sizeof text, format, args);
    struct problem *problem = &problems->items[problems->count];
    problem->line = line;
    problem->column = column;
    problem->order = problems->count++;
    problem->warning = warning;
    problem->text = clean(&problems->region, text);
}

void problems_add(struct problems *problems, int line, int column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(problems, line, column, false, format, args);
    va_end(args);
}

void problems_warn(struct problems *problems, int line, int column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(problems, line, column, true, format, args);
    va_end(args);
}

size_t problems_errors(const struct problems *problems)
{
    return problems->errors;
}

static int compare(const void *left, const void *right)
{
    const struct problem *a = left;
    const struct problem *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void write_one(const struct problems *problems, const struct problem *problem, FILE *out)
{
    (void)fputs(problems->file, out);
    if (problem->line > 0)
        (void)fprintf(out, ":%d:%d", problem->line, problem->column);
    (void)fprintf(out, ": %s%s", problem->warning ? "warning: " : "", problem->text);
}

void problems_print(struct problems *problems, FILE *out)
{
    if (problems->items)
        qsort(problems->items, problems->count, sizeof *problems->items, compare);
    for (size_t i = 0; i < problems->count; i++) {
        write_one(problems, &problems->items[i], out);
        (void)fputc('\n', out);
    }
    if (problems->dropped)
        (void)fprintf(out, "%s: and %zu more; mend these first\n", problems->file,
                      problems->dropped);
}

void problems_first(struct problems *problems, char *out, size_t size)
{
    if (problems->items)
        qsort(problems->items, problems->count, sizeof *problems->items, compare);
    out[0] = '\0';
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        if (problem->warning)
            continue;
        if (problem->line > 0)
            (void)snprintf(out, size, "%s:%d:%d: %s", problems->file, problem->line,
                           problem->column, problem->text);
        else
            (void)snprintf(out, size, "%s: %s", problems->file, problem->text);
        return;
    }
}

const char *problems_quote(char out[PROBLEMS_QUOTE], const char *text)
{
    size_t len = strlen(text);
    if (len < PROBLEMS_QUOTE) {
        memcpy(out, text, len + 1);
        return out;
    }
    len = PROBLEMS_QUOTE - 4;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    memcpy(out, text, len);
    memcpy(out + len, "...", 4);
    return out;
}
