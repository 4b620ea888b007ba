/* SPDX-License-Identifier: Apache-2.0
 *
 * expand.h -- ${ENV}, ${file:path} and ${credential:name} inside a value.  [any]
 *
 * ${NAME} is an environment variable, ${file:PATH} a file's content without its last newline (a
 * relative path is against the configuration's folder), ${credential:NAME} the same of the file NAME
 * in $CREDENTIALS_DIRECTORY, where systemd puts what LoadCredential= names; $${ is a literal ${, and
 * every other $ is itself.
 * What was put in is never looked at again.  Allocates nothing: a worker expands its secrets anew
 * at every connect.
 */
#ifndef LEAT_EXPAND_H
#define LEAT_EXPAND_H

#include <leat/plugin.h>

#define EXPAND_MAX (64u * 1024u) /* of a whole value, with the NUL behind it */

/* True when the text means something else than itself. */
bool expand_needed(const char *text);

/* True when it names a file or a credential, whose content may be another one later. */
bool expand_changes(const char *text);

/* Writes the expanded text, NUL-terminated.  OK; ECONFIG when the template can never be right;
 * ERETRY when a variable or file is missing or unreadable now.  Then `why` says what and what to
 * do, without any byte of a value; with `secret` not even the name of a variable (it could be a
 * piece of a password with a ${ in it), and out is empty. */
leat_status expand(const char *text, const char *folder, bool secret, char *out, size_t size,
                   char *why, size_t why_size);

#endif
