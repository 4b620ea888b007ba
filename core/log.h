/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h -- one line an event on standard error: a fixed message, then key=value.  [any]
 *
 * Text (logfmt; with a syslog priority in front and no time where systemd reads it) or JSON. Values
 * are escaped and cut to a bounded length; nothing of a row and no secret is ever given to it.  A
 * warning or error that repeats within ten seconds is counted; the count is printed with the next
 * one, or alone when none comes.
 *
 * There is one level for all, and components may have others (config_log.h says what is one).
 */
#ifndef LEAT_LOG_H
#define LEAT_LOG_H

#include <leat/plugin.h>

#define LOG_COMPONENTS 32
#define LOG_COMPONENT 136 /* two names and a slash */

struct config;

/* [main] before any thread starts: the form, and the levels as log_configure. */
void log_init(const struct config *config);

/* [any] The form, text or JSON: CONFIG_LOG_... */
void log_set_format(int64_t format);

/* [any] The levels of the configuration; what was set otherwise is forgotten. */
void log_configure(const struct config *config);

void log_set_level(int64_t level); /* [any] the one for all */
int64_t log_level(void);           /* [any] */

/* [any] level -1: as all.  False: there are LOG_COMPONENTS already. */
bool log_set_component(const char *component, int64_t level);

struct log_component {
    char name[LOG_COMPONENT];
    int64_t level;
};

/* [any] Returns how many. */
size_t log_components(struct log_component out[LOG_COMPONENTS]);

/* [any] pipeline and instance may be NULL. */
void log_event(const char *pipeline, const char *instance, int32_t level, const char *message,
               const leat_field *fields, size_t field_count);

/* [any] As leat_host.log wants it. */
void log_for_host(const leat_host *host, int32_t level, const char *message,
                  const leat_field *fields, size_t field_count);

/* [main] Once a second: prints the counts of repeats that nothing followed.  all: every one. */
void log_tick(bool all);

#endif
