/* SPDX-License-Identifier: Apache-2.0
 *
 * exit_code.h -- how an error ends the process, in the codes of sysexits.h.  [any]
 */
#ifndef LEAT_EXIT_CODE_H
#define LEAT_EXIT_CODE_H

#include <leat/plugin.h>
#include <sysexits.h>

static inline int exit_code_of(const leat_error *error)
{
    if (error->exit_code != 0)
        return error->exit_code;
    switch (error->status) {
    case LEAT_ECONFIG:
        return EX_CONFIG;
    case LEAT_ERETRY:
        return EX_IOERR;
    case LEAT_EREJECT:
        return EX_CONFIG; /* memory, a policy, or a route has to be changed */
    default:
        return EX_SOFTWARE;
    }
}

#endif
