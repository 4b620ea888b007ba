/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.h -- "leat.guard/1": a source has the sink dropped that holds everything back.
 */
#ifndef LEAT_GUARD_H
#define LEAT_GUARD_H

#include <leat/plugin.h>

/* As leat_host.extension of a source wants it; hands other names on to host_services. */
const void *guard_services_for_source(const leat_host *host, const char *id);

#endif
