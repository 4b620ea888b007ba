/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_load.h -- one library: opened, judged, loaded, its descriptor copied.  [main]
 *
 * Used by plugins.c, and by leat-plugin-check, which has a library and no description of it.
 */
#ifndef LEAT_PLUGIN_LOAD_H
#define LEAT_PLUGIN_LOAD_H

#include "plugins.h"

#include <limits.h>
#include <sys/types.h>

/* Immutable once loaded; never freed. */
struct plugin {
    struct plugin *next;
    dev_t device; /* of the library: the same file is the same plugin */
    ino_t inode;
    char path[PATH_MAX];
    leat_plugin descriptor; /* this version's size, zero behind the plugin's own */
    union {
        leat_sink_ops sink;
        leat_source_ops source;
    } ops;
    leat_option *options; /* descriptor.option_count rows of this version's size */
};

/* fd: open, trusted, still at its beginning; the caller closes it.  description: what it must be, or
 * NULL: any plugin.  NULL with a line in `why`. */
struct plugin *plugin_load(int fd, const char *real_path,
                           const struct plugin_description *description, char *why,
                           size_t why_size);

/* Whether the descriptor can be used as the description (NULL: any) says; fills the copies in `plugin`.
 * NULL, or what is wrong, in `why`.  Apart from plugin_load so that a test can call it. */
const char *plugin_adopt(struct plugin *plugin, const leat_plugin *theirs,
                         const struct plugin_description *description, char *why, size_t why_size);

#endif
