/* SPDX-License-Identifier: Apache-2.0
 *
 * pgoutput_options.c -- what the option table cannot say of a configuration.  [main]  Never
 * reaches for a server.
 */
#include "pgoutput_options.h"
#include "connect.h"
#include "fault.h"
#include "wal.h"

static bool slot_name_is_good(const char *name)
{
    size_t length = strlen(name);
    return length >= 1 && length <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

int64_t options_liveness_ms(const struct pgoutput_options *options)
{
    if (options->liveness_timeout_ms > 0)
        return options->liveness_timeout_ms;
    return options->status_interval_ms > 15000 ? 2 * options->status_interval_ms : 30000;
}

leat_status options_check(const struct pgoutput_options *options, leat_error *error)
{
    if (!options->dsn || !*options->dsn)
        return fault_set(error, LEAT_ECONFIG, 78,
                         "dsn is empty: write \"host=... dbname=... user=...\"");
    if (!options->slot || !slot_name_is_good(options->slot))
        return fault_set(error, LEAT_ECONFIG, 78,
                         "slot must be 1 to 63 characters of a-z, 0-9 and _, as PostgreSQL has it");
    if (options->publication.count == 0)
        return fault_set(error, LEAT_ECONFIG, 78, "publication names no publication");
    for (size_t i = 0; i < options->publication.count; i++) {
        size_t length = strlen(options->publication.items[i]);
        if (length < 1 || length > 63)
            return fault_set(error, LEAT_ECONFIG, 78,
                             "publication %zu of the list must be 1 to 63 bytes long", i + 1);
    }
    uint64_t lsn;
    if (options->accept_gap && !wal_parse(options->accept_gap, &lsn))
        return fault_set(error, LEAT_ECONFIG, 78,
                         "accept_gap must be a position in the WAL, as 0/15D5C98");
    if (options->guard_warn_bytes > options->guard_critical_bytes && options->guard_critical_bytes)
        return fault_set(error, LEAT_ECONFIG, 78,
                         "guard.warn must not be greater than guard.critical");
    if (options->guard_warn_percent > options->guard_critical_percent &&
        options->guard_critical_percent)
        return fault_set(error, LEAT_ECONFIG, 78,
                         "guard.warn_percent must not be greater than guard.critical_percent");
    PQconninfoOption *parsed = PQconninfoParse(options->dsn, NULL);
    if (!parsed)
        return fault_set(
            error, LEAT_ECONFIG, 78,
            "dsn is not a libpq connection string: write \"host=... dbname=... "
            "user=...\" (values with spaces or quotes in '...') or a postgresql:// URI");
    PQconninfoFree(parsed);
    return connect_judge(options->dsn, error);
}
