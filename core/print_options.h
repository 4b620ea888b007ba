/* SPDX-License-Identifier: Apache-2.0
 *
 * print_options.h -- option tables for people, programs, manual pages and the sample file.  [main]
 *
 * The same rows that check a configuration are printed here, so that nothing can drift.
 */
#ifndef LEAT_PRINT_OPTIONS_H
#define LEAT_PRINT_OPTIONS_H

#include <leat/plugin.h>

#include <stdio.h>

struct plugins;

/* A table with a heading; every line begins with the name. */
void print_options_text(FILE *out, const leat_option *rows, size_t count);

/* One JSON array. */
void print_options_json(FILE *out, const leat_option *rows, size_t count);

/* A tagged list of mdoc(7). */
void print_options_mdoc(FILE *out, const leat_option *rows, size_t count);

/* A whole, valid configuration: every option of the core and of every plugin described, with its
 * help; what has a default is commented out.  False with a line in `why` when a plugin cannot be
 * loaded. */
bool print_sample(FILE *out, const struct plugins *plugins, char *why, size_t why_size);

/* A JSON Schema of the file, with every plugin described.  False as print_sample's. */
bool print_schema(FILE *out, const struct plugins *plugins, char *why, size_t why_size);

/* A quoted JSON string; NULL is written as null. */
void print_json_string(FILE *out, const char *text);

/* "at least 16MiB", "4KiB to 64MiB", "hex, base64", or "". */
const char *print_bounds(const leat_option *row, char *out, size_t size);

#endif
