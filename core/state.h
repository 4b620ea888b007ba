/* SPDX-License-Identifier: Apache-2.0
 *
 * state.h -- the state directory: one file a pipeline, and the lock that says who runs.
 *
 * A state file is small YAML.  It is written whole to a temporary name, fsynced, renamed over the
 * old one, and the directory is fsynced, before the source is told a position.  Anything unexpected
 * in it is an error that names the file and the line: never a guess.  Used by the control thread
 * only, after [main] has loaded it.
 */
#ifndef LEAT_STATE_H
#define LEAT_STATE_H

#include "journal.h"

struct state_directory {
    char path[4000];
    int fd;   /* of the directory */
    int lock; /* of the lock file */
};

/* [main] Opens the directory (makes its last component where it is missing) and takes the lock.
 * False: error->text and exit_code (73, 77, 78). */
bool state_open(struct state_directory *directory, const char *path, leat_error *error);
void state_close(struct state_directory *directory);

/* [main] Opens an existing directory without taking the lock, for commands that only look. */
bool state_look(struct state_directory *directory, const char *path);

/* [main] LEAT_OK: read; LEAT_EOF: there is none; ECONFIG: unreadable, error says why. */
leat_status state_load(const struct state_directory *directory, const char *pipeline,
                       struct journal_entry *out, leat_error *error);

/* [control] False with error: ENOSPC, EIO, ...: the old file still stands. */
bool state_save(const struct state_directory *directory, const char *pipeline,
                const struct journal_entry *entry, leat_error *error);

#endif
