/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_places.h -- where this binary's plugins are: in its build tree, or installed.  [main]
 */
#ifndef LEAT_PLUGIN_PLACES_H
#define LEAT_PLUGIN_PLACES_H

#include <limits.h>

struct plugin_places {
    char descriptions[PATH_MAX]; /* the plugins.d folder */
    char libraries[PATH_MAX];
};

/* A binary that lies in a folder with CMakeCache.txt (or in a folder of such a folder, as tests do)
 * runs in its build tree and uses what lies there. */
void plugin_places(struct plugin_places *places);

#endif
