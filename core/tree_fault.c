/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_fault.c -- see tree_internal.h.
 */
#include "tree_internal.h"

#include "problems.h"

#include <string.h>

int tree__line(yaml_mark_t mark)
{
    return mark.line > 0x7ffffff ? 0x7ffffff : (int)mark.line + 1;
}

int tree__column(yaml_mark_t mark)
{
    return mark.column > 0x7ffffff ? 0x7ffffff : (int)mark.column + 1;
}

void tree__locate(const char *text, size_t offset, int *line, int *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

void tree__report_syntax(const yaml_parser_t *parser, const char *text, size_t len,
                         struct problems *problems)
{
    int line;
    int column;
    /* Of what it cannot decode it knows the offset only. */
    if (parser->error == YAML_READER_ERROR) {
        tree__locate(text, parser->problem_offset < len ? parser->problem_offset : len, &line,
                     &column);
        problems_add(problems, line, column, "this byte is not text (%s); save the file as UTF-8",
                     parser->problem ? parser->problem : "unreadable");
        return;
    }
    if (parser->error == YAML_MEMORY_ERROR) {
        problems_add(problems, 0, 0, "out of memory; the file is too large");
        return;
    }
    const char *problem = parser->problem ? parser->problem : "unknown error";
    yaml_mark_t mark = parser->problem_mark;
    /* What is never closed is noticed at the end of the file; it is better shown where it begins.
     */
    if (parser->context && strstr(problem, "end of stream"))
        mark = parser->context_mark;
    if (parser->context)
        problems_add(problems, tree__line(mark), tree__column(mark),
                     "not YAML: %s, %s that begins on line %d; look at the indentation and the "
                     "quotes here",
                     problem, parser->context, tree__line(parser->context_mark));
    else
        problems_add(problems, tree__line(mark), tree__column(mark),
                     "not YAML: %s; look at the indentation and the quotes here", problem);
}
