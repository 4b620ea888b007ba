/* SPDX-License-Identifier: Apache-2.0
 *
 * error.c -- see the header.
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

leat_status error_set(leat_error *error, leat_status status, int exit_code, const char *format, ...)
{
    if (!error)
        return status;
    error->status = status;
    error->exit_code = exit_code;
    error->os_errno = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

static const char *advice(int code)
{
    switch (code) {
    case ENOSPC:
        return ": free some space, leat goes on by itself";
    case EDQUOT:
        return ": raise the quota or free some space, leat goes on by itself";
    case EROFS:
        return ": remount it writable, leat goes on by itself";
    case EACCES:
    case EPERM:
        return ": give the user of leat the right to write there";
    case ENOENT:
        return ": create the folders above it";
    case EBUSY:
        return ": it is the directory of another file sink: give each a directory of its own";
    case EIO:
        return ": look at the disk and the kernel's log";
    default:
        return "";
    }
}

static int exit_code_of(int code)
{
    if (code == EACCES || code == EPERM)
        return EX_NOPERM;
    return code == ENOENT || code == ENOTDIR ? EX_CANTCREAT : EX_IOERR;
}

leat_status error_errno(leat_error *error, const char *what, const char *path, const char *name)
{
    int code = errno;
    char reason[128];
    (void)error_set(error, LEAT_ERETRY, exit_code_of(code), "%s %s%s%s: %s%s", what, path,
                    name ? "/" : "", name ? name : "", strerror_r(code, reason, sizeof reason),
                    advice(code));
    if (error)
        error->os_errno = code;
    return LEAT_ERETRY;
}
