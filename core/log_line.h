/* SPDX-License-Identifier: Apache-2.0
 *
 * log_line.h -- one line of the log, as logfmt or as a JSON object.  [any] Allocates nothing.
 *
 * Invariant: whatever is put into it, the line is whole: what a value has too much of is cut behind
 * a character and ends in "...", and a pair for which there is no room at all is left out.
 */
#ifndef LEAT_LOG_LINE_H
#define LEAT_LOG_LINE_H

#include <leat/plugin.h>

#define LOG_LINE_BYTES 2048

struct log_line {
    bool json, for_journal; /* set first; the journal knows the time, and wants its own level */
    size_t length;
    char text[LOG_LINE_BYTES];
};

void log_line_begin(struct log_line *line, int32_t level, const char *message);
void log_line_text(struct log_line *line, const char *name, const char *text);
void log_line_field(struct log_line *line, const leat_field *field);
/* With its newline; nothing may follow. */
void log_line_end(struct log_line *line);

#endif
