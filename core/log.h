/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h -- one line an event on standard error: a fixed message, then key=value.  [any]
 *
 * Text (logfmt; with a syslog priority in front and no time where systemd reads it) or JSON.  Values
 * are escaped and cut to a bounded length; nothing of a row and no secret is ever given to it.  A
 * line that repeats within ten seconds is counted, and the count is printed with the next one.
 */
#ifndef LEAT_LOG_H
#define LEAT_LOG_H

#include <leat/plugin.h>

/* [main] before any thread starts.  format: CONFIG_LOG_... */
void log_init(int64_t level, int64_t format);
void log_set_level(int64_t level); /* [any] */
int64_t log_level(void);           /* [any] */

/* [any] pipeline and instance may be NULL. */
void log_event(const char *pipeline, const char *instance, int32_t level, const char *message,
               const leat_field *fields, size_t field_count);

/* [any] As leat_host.log wants it. */
void log_for_host(const leat_host *host, int32_t level, const char *message,
                  const leat_field *fields, size_t field_count);

#endif
