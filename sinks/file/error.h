/* SPDX-License-Identifier: Apache-2.0
 *
 * error.h -- fills a leat_error.  NULL for the error is allowed everywhere.  [any]
 */
#ifndef FILE_ERROR_H
#define FILE_ERROR_H

#include <leat/plugin.h>

/* Returns `status`. */
leat_status error_set(leat_error *error, leat_status status, int exit_code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "WHAT PATH/NAME: reason; what to do", from errno.  name: NULL for none.  Returns the status:
 * ERETRY, for each of these passes once somebody has acted, or by itself. */
leat_status error_errno(leat_error *error, const char *what, const char *path, const char *name);

#endif
