/* SPDX-License-Identifier: Apache-2.0
 *
 * check_internal.h -- what check_plugin.c (the command) and check_child.c (its process) share.  [main]
 */
#ifndef LEAT_CHECK_INTERNAL_H
#define LEAT_CHECK_INTERNAL_H

#include <leat/plugin.h>

#include <sys/types.h>

struct plugin;

/* What is checked: a source or a sink of a pipeline. */
struct subject {
    const char *pipeline, *instance; /* as the plugin's host names them */
    const struct plugin *plugin;
    const void *options;
    bool is_source, isolate;
    void (*look)(const void *options, leat_check *); /* NULL: the plugin has no check, or offline */
};

/* Messages of the process: a finding has its severity in number, then its text and its fix. */
enum { SAYS_FINDING = 1, SAYS_CREATES, SAYS_ENDED };

/* In the process that was forked for it: tells over the socket, and ends with the parent. */
_Noreturn void check__run_child(const struct subject *subject, const leat_check *given, int socket,
                                pid_t parent);

#endif
