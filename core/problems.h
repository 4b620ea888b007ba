/* SPDX-License-Identifier: Apache-2.0
 *
 * problems.h -- what is wrong with one file: collected, then printed in the file's order.  [main]
 *
 * A line is "file:line:column: what; what to do".  Text out of the file may stand in it: control
 * characters are written as \xNN, so that no value can forge a line or talk to a terminal.
 */
#ifndef LEAT_PROBLEMS_H
#define LEAT_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

/* More are counted, not kept. */
#define PROBLEMS_MAX 1000

struct problems;

struct problems *problems_create(const char *file); /* file: borrowed */
void problems_destroy(struct problems *problems);   /* NULL is allowed */

/* line and column from 1; line 0: of the file as a whole. */
void problems_add(struct problems *problems, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, but it makes no error of the file. */
void problems_warn(struct problems *problems, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Warnings not counted. */
size_t problems_errors(const struct problems *problems);

/* Sorted by line and column, each on a line of its own. */
void problems_print(struct problems *problems, FILE *out);

/* Writes the first error as one line without its newline. */
void problems_first(struct problems *problems, char *out, size_t size);

#define PROBLEMS_QUOTE 80

/* A value as a message may show it: shortened, never cut inside a character. */
const char *problems_quote(char out[PROBLEMS_QUOTE], const char *text);

#endif
