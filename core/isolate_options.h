/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_options.h -- a plugin's options as bytes, so that a helper process gets what the
 * configuration says without reading it.  They lie in a piece of memory without a name that only
 * the two have: secrets never stand in arguments or the environment.
 */
#ifndef LEAT_ISOLATE_OPTIONS_H
#define LEAT_ISOLATE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct plugin;
struct region;

/* [any] The bytes of a plugin's own struct; owned: free them.  NULL: no memory. */
char *isolate_options_pack(const struct plugin *plugin, const void *options, size_t *size);

/* [main] The struct, in the region.  NULL: the bytes are of another version of the plugin. */
void *isolate_options_unpack(const struct plugin *plugin, const char *bytes, size_t size,
                             struct region *region);

#endif
