/* SPDX-License-Identifier: Apache-2.0
 *
 * connect.c -- connections to PostgreSQL, made by libpq without blocking.  [any]  Never logs.
 *
 * The one thing that may block here is the name service, which libpq asks synchronously.
 */
#include "connect.h"
#include "fault.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS INT64_C(1000000)
#define KEYWORDS_MAX 96
#define OPTIONS_MAX 2048

/* What arrives must not depend on the server's, the database's or the role's settings. */
#define SETTINGS                                                                                   \
    "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 "          \
    "-c bytea_output=hex -c lc_monetary=C -c search_path=pg_catalog"

int64_t connect_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec;
}

const char *connect_dsn(const leat_host *host, const struct pgoutput_options *options,
                        char out[CONNECT_DSN_MAX])
{
    const leat_secrets *secrets =
        host && host->extension ? host->extension(host, LEAT_EXTENSION_SECRETS) : NULL;
    if (secrets && LEAT_HAS(secrets, leat_secrets, current) &&
        secrets->current(host, "dsn", out, CONNECT_DSN_MAX) == LEAT_OK)
        return out;
    return options->dsn;
}

/* ---- the parameters of one connection -------------------------------------------------------- */

struct parameters {
    const char *keywords[KEYWORDS_MAX + 1];
    const char *values[KEYWORDS_MAX + 1];
    size_t count;
    PQconninfoOption *parsed;         /* owned: most values point into it */
    char rotated[3][CONNECT_DSN_MAX]; /* host, hostaddr, port */
    char options[OPTIONS_MAX];
};

static bool set(struct parameters *p, const char *keyword, const char *value)
{
    size_t at = 0;
    while (at < p->count && strcmp(p->keywords[at], keyword) != 0)
        at++;
    if (at == p->count && p->count == KEYWORDS_MAX)
        return false;
    p->keywords[at] = keyword;
    p->values[at] = value;
    if (at == p->count)
        p->count++;
    return true;
}

static const char *get(const struct parameters *p, const char *keyword)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->keywords[i], keyword) == 0)
            return p->values[i];
    return NULL;
}

static bool set_default(struct parameters *p, const char *keyword, const char *value)
{
    return get(p, keyword) || set(p, keyword, value);
}

/* a,b,c turned by one: b,c,a.  False: too long for out. */
static bool rotate(const char *list, unsigned turn, char out[CONNECT_DSN_MAX])
{
    size_t length = strlen(list);
    unsigned count = 1;
    for (const char *c = list; *c; c++)
        count += *c == ',';
    const char *start = list;
    for (turn %= count; turn; turn--)
        start = strchr(start, ',') + 1;
    if (length >= CONNECT_DSN_MAX)
        return false;
    size_t tail = length - (size_t)(start - list);
    memcpy(out, start, tail);
    if (start > list) {
        out[tail] = ',';
        memcpy(out + tail + 1, list, (size_t)(start - list) - 1);
    }
    out[length] = '\0';
    return true;
}

static bool rotate_hosts(struct parameters *p, unsigned turn)
{
    static const char *const keywords[] = {"host", "hostaddr", "port"};
    for (size_t i = 0; i < 3; i++) {
        const char *list = get(p, keywords[i]);
        if (!list || !strchr(list, ','))
            continue;
        if (!rotate(list, turn, p->rotated[i]) || !set(p, keywords[i], p->rotated[i]))
            return false;
        /* Of several servers the one that takes writes is meant, unless the user says otherwise. */
        if (i < 2 && !set_default(p, "target_session_attrs", "read-write"))
            return false;
    }
    return true;
}

/* The user's own options stay, ours come last and so win.  A backslash at their end would quote our
 * space. */
static bool set_options(struct parameters *p, enum connect_kind kind)
{
    const char *own = get(p, "options");
    if (!own)
        own = getenv("PGOPTIONS");
    size_t length = own ? strlen(own) : 0, slashes = 0;
    while (slashes < length && own[length - 1 - slashes] == '\\')
        slashes++;
    if (slashes % 2)
        length--;
    int written = snprintf(p->options, sizeof p->options, "%.*s %s%s", (int)length, own ? own : "",
                           SETTINGS, kind == CONNECT_PLAIN ? " -c statement_timeout=5s" : "");
    return written > 0 && (size_t)written < sizeof p->options && set(p, "options", p->options);
}

static bool set_place(struct parameters *p, const struct connect_place *place)
{
    return set(p, "host", place->host) && set(p, "hostaddr", place->address) &&
           set(p, "port", place->port) && set(p, "target_session_attrs", "any");
}

static bool fill(struct parameters *p, enum connect_kind kind, unsigned turn,
                 const struct connect_place *place)
{
    for (PQconninfoOption *option = p->parsed; option->keyword; option++)
        if (option->val && !set(p, option->keyword, option->val))
            return false;
    bool ok =
        (place ? set_place(p, place) : rotate_hosts(p, turn)) && set_options(p, kind) &&
        set(p, "client_encoding", "UTF8") && set_default(p, "fallback_application_name", "leat") &&
        set_default(p, "tcp_user_timeout", "30000") && set_default(p, "keepalives_idle", "10") &&
        set_default(p, "keepalives_interval", "5") && set_default(p, "keepalives_count", "3");
    return ok && set(p, "replication", kind == CONNECT_REPLICATION ? "database" : "false");
}

/* libpq's own would write the server's text as it stands to the standard error, which is the
 * daemon's log.  What ends a connection is an error of that connection besides. */
static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

static leat_status begin(const char *dsn, enum connect_kind kind, unsigned turn,
                         const struct connect_place *place, PGconn **out, leat_error *error)
{
    *out = NULL;
    struct parameters *p = calloc(1, sizeof *p);
    if (!p)
        return fault_set(error, LEAT_ERETRY, 0, "no memory for a connection");
    /* libpq's own words about a bad string may quote a piece of a password. */
    p->parsed = PQconninfoParse(dsn, NULL);
    leat_status status = LEAT_OK;
    if (!p->parsed)
        status =
            fault_set(error, LEAT_ECONFIG, 78,
                      "dsn is not a libpq connection string: write \"host=... dbname=... "
                      "user=...\" (values with spaces or quotes in '...') or a postgresql:// URI");
    else if (!fill(p, kind, turn, place))
        status = fault_set(error, LEAT_ECONFIG, 78, "dsn is too long, or has too long options");
    else if (!(*out = PQconnectStartParams(p->keywords, p->values, 0)))
        status = fault_set(error, LEAT_ERETRY, 0, "no memory for a connection");
    else if (PQstatus(*out) == CONNECTION_BAD &&
             fault_parameter(error, PQerrorMessage(*out)) != LEAT_OK) {
        status = LEAT_ECONFIG;
        PQfinish(*out);
        *out = NULL;
    }
    if (*out)
        (void)PQsetNoticeReceiver(*out, ignore_notice, NULL);
    PQconninfoFree(p->parsed);
    explicit_bzero(p, sizeof *p);
    free(p);
    return status;
}

leat_status connect_begin(const char *dsn, enum connect_kind kind, unsigned turn, PGconn **out,
                          leat_error *error)
{
    return begin(dsn, kind, turn, NULL, out, error);
}

leat_status connect_begin_at(const char *dsn, enum connect_kind kind,
                             const struct connect_place *place, PGconn **out, leat_error *error)
{
    return begin(dsn, kind, 0, place, out, error);
}

/* As many places as the dsn names, which cannot be any server's. */
static bool set_nowhere(struct parameters *p)
{
    static const char nowhere[] = "/dev/null,";
    const size_t length = sizeof nowhere - 1;
    const char *list = get(p, "hostaddr");
    size_t count = 1; /* known before the list is overwritten, which may lie in rotated */
    if (!list || !*list)
        list = get(p, "host");
    for (; list && *list; list++)
        count += *list == ',';
    if (count > CONNECT_DSN_MAX / length)
        return false;
    for (size_t i = 0; i < count; i++)
        memcpy(p->rotated[0] + i * length, nowhere, length);
    p->rotated[0][count * length - 1] = '\0';
    return set(p, "host", p->rotated[0]) && set(p, "hostaddr", "");
}

leat_status connect_judge(const char *dsn, leat_error *error)
{
    struct parameters *p = calloc(1, sizeof *p);
    PGconn *conn = NULL;
    leat_status status = LEAT_OK;
    if (!p)
        return LEAT_OK; /* connect_begin will say */
    p->parsed = PQconninfoParse(dsn, NULL);
    if (p->parsed && fill(p, CONNECT_PLAIN, 0, NULL) && set_nowhere(p))
        conn = PQconnectStartParams(p->keywords, p->values, 0);
    if (conn)
        status = fault_parameter(error, PQerrorMessage(conn));
    PQfinish(conn);
    PQconninfoFree(p->parsed);
    explicit_bzero(p, sizeof *p);
    free(p);
    return status;
}

static void keep(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text ? text : "");
}

void connect_place_of(const PGconn *conn, struct connect_place *out)
{
    keep(out->host, sizeof out->host, PQhost(conn));
    keep(out->address, sizeof out->address, PQhostaddr(conn));
    keep(out->port, sizeof out->port, PQport(conn));
    /* Of a unix socket, PQhostaddr gives nothing in some versions and the folder in others. */
    if (out->address[0] == '/' || out->address[0] == '@')
        out->address[0] = '\0';
}

leat_status connect_step(PGconn *conn, short *events)
{
    if (PQstatus(conn) == CONNECTION_BAD)
        return LEAT_ERETRY;
    switch (PQconnectPoll(conn)) {
    case PGRES_POLLING_OK:
        return PQsetnonblocking(conn, 1) == 0 ? LEAT_OK : LEAT_ERETRY;
    case PGRES_POLLING_READING:
        *events = POLLIN;
        return LEAT_AGAIN;
    case PGRES_POLLING_WRITING:
        *events = POLLOUT;
        return LEAT_AGAIN;
    default:
        return LEAT_ERETRY;
    }
}

char *connect_keyword(const char *dsn, const char *keyword)
{
    char *value = NULL;
    PQconninfoOption *sets[] = {PQconninfoParse(dsn, NULL), PQconndefaults()};
    for (size_t i = 0; i < 2; i++) {
        for (PQconninfoOption *o = sets[i]; o && o->keyword && !value; o++)
            if (strcmp(o->keyword, keyword) == 0 && o->val && *o->val)
                value = strdup(o->val);
        PQconninfoFree(sets[i]);
    }
    return value;
}
