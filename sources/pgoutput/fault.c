/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.c -- errors as one clean line of text.  [any]  Never logs.
 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

leat_status fault_set(leat_error *error, leat_status status, int exit_code, const char *format, ...)
{
    if (!error)
        return status;
    char text[LEAT_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error->status = status;
    error->os_errno = 0;
    error->exit_code = exit_code;
    (void)fault_line(error->text, sizeof error->text, text);
    return status;
}

const char *fault_line(char *out, size_t out_size, const char *text)
{
    size_t used = 0;
    for (; text && *text && used + 1 < out_size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            c = ' ';
        if (c == ' ' && (used == 0 || out[used - 1] == ' '))
            continue;
        out[used++] = (char)c;
    }
    while (used && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
    return out;
}

const char *fault_sqlstate(const PGresult *result)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return state ? state : "";
}

/* Classes whose primary message speaks of objects, limits and the server, never of a row's value:
 * connection, feature, cardinality of resources, authorization, catalogue names, configuration,
 * operator intervention, system, internal. */
static bool class_is_safe(const char *state)
{
    static const char *const safe[] = {"08", "0A", "25", "28", "3D", "3F", "42",
                                       "53", "54", "55", "57", "58", "F0", "XX"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strncmp(state, safe[i], 2) == 0)
            return true;
    return false;
}

const char *fault_result(char *out, size_t out_size, const PGresult *result)
{
    const char *state = fault_sqlstate(result);
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    char raw[FAULT_TEXT];
    if (strcmp(state, "22021") == 0 || strcmp(state, "22P05") == 0)
        (void)snprintf(raw, sizeof raw,
                       "there is text that cannot be turned into UTF-8 (SQLSTATE %.5s)", state);
    else if (*state && !class_is_safe(state))
        (void)snprintf(raw, sizeof raw,
                       "an error of a class whose text may quote data (SQLSTATE %.5s)", state);
    else if (primary)
        (void)snprintf(raw, sizeof raw, "%.300s (SQLSTATE %.5s)", primary, *state ? state : "?");
    else
        (void)snprintf(raw, sizeof raw, "%.300s",
                       result ? PQresultErrorMessage(result) : "no answer: out of memory");
    return fault_line(out, out_size, raw);
}

/* Of libpq's text only what stands before the value: where quotes were forgotten in dsn, a value may
 * hold a piece of a password. */
leat_status fault_parameter(leat_error *error, const char *message)
{
    static const struct {
        const char *start, *text; /* NULL: libpq's, up to the value */
    } table[] = {
        {"invalid ", NULL},
        {"could not match ", NULL},
        {"weak sslmode ", "its sslmode does not go with sslrootcert=system"},
        {"definition of service ", "its service is not in the service file"},
        {"service file ", "its service file does not exist"},
    };
    for (size_t i = 0; message && i < sizeof table / sizeof *table; i++) {
        if (strncmp(message, table[i].start, strlen(table[i].start)) != 0)
            continue;
        const char *text = table[i].text ? table[i].text : message;
        return fault_set(error, LEAT_ECONFIG, 78, "dsn: %.*s: correct it",
                         (int)strcspn(text, ":\"\n"), text);
    }
    return LEAT_OK;
}

/* A failed connection has no SQLSTATE in libpq, so its English text is all there is to go by; a
 * translated one gets the general advice. */
struct fault_advice fault_connection(const char *message)
{
    static const struct {
        const char *part;
        struct fault_advice advice;
    } table[] = {
        {"replication role to start walsender", {77, FAULT_NEEDS_REPLICATION}},
        {"permission denied to start WAL sender", {77, FAULT_NEEDS_REPLICATION}},
        {"pg_hba.conf",
         {77, "let this client in: add a line for this database, user and address to pg_hba.conf "
              "and reload the server"}},
        {"password authentication failed", {77, "correct user and password in dsn"}},
        {"no password supplied", {77, "give dsn a password, or use a passfile"}},
        {"authentication failed", {77, "correct user, password or certificate in dsn"}},
        {"is not permitted to log in", {77, "let the role log in (ALTER ROLE, LOGIN)"}},
        {"permission denied", {77, "give the role CONNECT on the database"}},
        {"unrecognized configuration parameter", {78, "correct options in dsn"}},
        {"invalid value for parameter", {78, "correct options in dsn"}},
        {"could not open certificate file", {78, "correct sslcert in dsn"}},
        {"root certificate file", {78, "give dsn a sslrootcert that exists"}},
        {"certificate verify failed",
         {77, "correct sslrootcert in dsn, or the server's certificate"}},
        {"does not match host name", {77, "name the server as its certificate does"}},
        {"role \"", {77, "create the role: leat setup prints the SQL"}},
        {"database \"", {78, "correct dbname in dsn"}},
        {"too many clients", {69, "raise max_connections on the server"}},
        {"max_wal_senders", {69, "raise max_wal_senders on the server, which needs a restart"}},
        {"remaining connection slots", {69, "raise max_connections on the server"}},
        {"starting up", {69, "wait for the server"}},
        {"shutting down", {69, "wait for the server"}},
        {"in recovery mode", {69, "wait for the server"}},
        {"could not translate host name", {69, "correct host in dsn, or the name service"}},
    };
    for (size_t i = 0; message && i < sizeof table / sizeof *table; i++)
        if (strstr(message, table[i].part))
            return table[i].advice;
    return (struct fault_advice){69, "start the server, or correct host and port in dsn"};
}
