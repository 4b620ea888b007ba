/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_internal.h -- where libyaml says that something stands, and what it says is wrong, in words
 * for whoever wrote the file.  [main]
 */
#ifndef LEAT_TREE_INTERNAL_H
#define LEAT_TREE_INTERNAL_H

#include <stddef.h>
#include <yaml.h>

struct problems;

/* libyaml's marks count from 0, ours from 1. */
int tree__line(yaml_mark_t mark);
int tree__column(yaml_mark_t mark);

/* Where a byte stands, in characters. */
void tree__locate(const char *text, size_t offset, int *line, int *column);

/* Why the parser has stopped. */
void tree__report_syntax(const yaml_parser_t *parser, const char *text, size_t len,
                         struct problems *problems);

#endif
