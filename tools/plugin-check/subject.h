/* SPDX-License-Identifier: Apache-2.0
 *
 * subject.h -- the plugin that is tried, loaded and configured as the daemon does it.  [child,
 * main]
 */
#ifndef CHECK_SUBJECT_H
#define CHECK_SUBJECT_H

#include "check.h"
#include "config.h"
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

/* Loads and configures it; ends the trial when that fails. */
void subject_load(void);

/* The host's extensions for either kind. */
const void *subject_extension(const leat_host *host, const char *id);

/* The trial of what the file itself says. */
void trial_descriptor(void);

#endif
