/* SPDX-License-Identifier: Apache-2.0
 *
 * state_internal.h -- the state file's form: what state.c writes and state_read.c takes.
 */
#ifndef LEAT_STATE_INTERNAL_H
#define LEAT_STATE_INTERNAL_H

/* 2 is written only where a sink is dropped: a leat that does not know of that must not read it. */
#define STATE_VERSION 1
#define STATE_VERSION_DROPPED 2
#define STATE_BYTES_MAX (64 * 1024)

/* The last line: YAML's own end of a document, so that a file that was cut off is known. */
#define STATE_END "...\n"

#endif
