/* SPDX-License-Identifier: Apache-2.0
 *
 * subject.h -- the plugin that is tried, loaded and configured as the daemon does it.  [child,
 * main]
 */
#ifndef CHECK_SUBJECT_H
#define CHECK_SUBJECT_H

#include "check.h"
#include "config.h"
#include "elfnote.h"
#include "plugins.h"

struct subject {
    const struct plugin *plugin;
    const leat_sink_ops *sink; /* by kind */
    const leat_source_ops *source;
    const void *options;       /* the plugin's own struct, from the configuration */
    struct config_sink config; /* a sink's core options */
    struct option_templates *templates;
    struct router *router;   /* NULL: no routes */
    struct encoder *encoder; /* of a sink */
    const void *code_begin, *code_end;
};

extern struct subject subject;

/* Loads and configures it, and remembers the state of the process.  This and its two halves end the
 * trial where they fail. */
void subject_load(void);
void subject_open(struct elfnote *note, enum elfnote_result *has_note);
void subject_configure(void);

/* The host's extensions for either kind. */
const void *subject_extension(const leat_host *host, const char *id);

#endif
