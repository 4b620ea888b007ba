/* SPDX-License-Identifier: Apache-2.0
 *
 * memfd.h -- memory with a descriptor and without a name in any folder, that can be sealed and never
 * executed.  [any]
 */
#ifndef LEAT_MEMFD_H
#define LEAT_MEMFD_H

/* The descriptor, which an exec closes; -1 with errno set.  The name is for /proc alone. */
int memfd_make(const char *name);

#endif
