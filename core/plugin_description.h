/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_description.h -- reads one file of plugins.d.  [main]  Runs no code of a plugin.
 */
#ifndef LEAT_PLUGIN_DESCRIPTION_H
#define LEAT_PLUGIN_DESCRIPTION_H

#include "plugins.h"

struct region;

/* Fills it from the file at description->path; a file that cannot be used leaves its one line in
 * description->error.  All that it points at is the region's. */
void plugin_description_read(struct plugin_description *description, struct region *region);

#endif
