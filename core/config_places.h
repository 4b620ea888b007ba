/* SPDX-License-Identifier: Apache-2.0
 *
 * config_places.h -- where a daemon keeps its positions and where it answers, when its
 * configuration does not say.  [main]
 *
 * Under systemd the unit says it, by $STATE_DIRECTORY and $RUNTIME_DIRECTORY.  Elsewhere the name
 * of the file says the same as the units would: /etc/leat/NAME.yaml belongs to leat@NAME.  So a
 * command that is given the file finds the daemon that runs it, and no two instances meet.
 */
#ifndef LEAT_CONFIG_PLACES_H
#define LEAT_CONFIG_PLACES_H

#include <limits.h>

struct config_places {
    char state[PATH_MAX];
    char listen[PATH_MAX + 16]; /* "unix:/run/leat/leat.sock" */
};

/* config: the file's path, as given; NULL: of the one daemon that has no other name. */
void config_places(const char *config, struct config_places *out);

#endif
