/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_server.c -- a private PostgreSQL in a temporary folder, on a unix socket, for tests.
 */
#include "pg_server.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool run(const char *format, ...)
{
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command) == 0;
}

const char *pg_server_programs(void)
{
    static const char *const known[] = {"/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin",
                                        "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/14/bin",
                                        "/usr/lib/postgresql/18/bin"};
    const char *chosen = getenv("LEAT_TEST_PG_BIN");
    char path[256];
    if (chosen)
        return chosen;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        (void)snprintf(path, sizeof path, "%s/initdb", known[i]);
        if (access(path, X_OK) == 0)
            return known[i];
    }
    return NULL;
}

bool pg_server_start(struct pg_server *server)
{
    return run("cd %s && %s %s/pg_ctl -D %s/data -l %s/log -w -t 60 start >/dev/null 2>&1",
               server->directory, server->as, pg_server_programs(), server->directory,
               server->directory);
}

bool pg_server_stop(struct pg_server *server, const char *mode)
{
    return run("cd %s && %s %s/pg_ctl -D %s/data -m %s -w -t 60 stop >/dev/null 2>&1",
               server->directory, server->as, pg_server_programs(), server->directory, mode);
}

pid_t pg_server_stop_begin(struct pg_server *server, const char *mode)
{
    pid_t child = fork();
    if (child == 0)
        _exit(pg_server_stop(server, mode) ? 0 : 1);
    return child;
}

static pid_t postmaster(const struct pg_server *server)
{
    char path[128];
    int pid = 0;
    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", server->directory);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    (void)fclose(file);
    return (pid_t)pid;
}

/* The postmaster's children see its end and follow; the new one waits for their shared memory. */
void pg_server_crash(struct pg_server *server)
{
    pid_t pid = postmaster(server);
    if (pid <= 1)
        return;
    (void)kill(pid, SIGKILL);
    while (kill(pid, 0) == 0)
        (void)poll(NULL, 0, 5);
    /* pg_ctl start refuses while a child still holds the shared memory. */
    for (int i = 0; i < 400 && !pg_server_start(server); i++)
        (void)poll(NULL, 0, 25);
}

bool pg_server_create(struct pg_server *server, const char *settings)
{
    const char *bin = pg_server_programs();
    *server = (struct pg_server){.directory = "/tmp/leat-stream-XXXXXX"};
    if (!bin || !mkdtemp(server->directory))
        return false;
    if (geteuid() == 0) {
        const struct passwd *user = getpwnam("nobody");
        if (!user || chown(server->directory, user->pw_uid, user->pw_gid))
            return false;
        (void)snprintf(server->as, sizeof server->as,
                       "setpriv --reuid=%u --regid=%u --clear-groups --", (unsigned)user->pw_uid,
                       (unsigned)user->pw_gid);
    }
    const char *d = server->directory;
    if (!run("cd %s && %s %s/initdb -D %s/data -U postgres -A trust --no-sync --locale=C -E UTF8 "
             ">/dev/null",
             d, server->as, bin, d))
        return false;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/data/postgresql.conf", d);
    FILE *file = fopen(path, "a");
    if (!file)
        return false;
    (void)fprintf(file,
                  "listen_addresses=''\nunix_socket_directories='%s'\nwal_level=logical\n"
                  "max_wal_senders=10\nmax_replication_slots=10\nmax_wal_size=4GB\n%s\n",
                  d, settings);
    return fclose(file) == 0 && pg_server_start(server);
}

void pg_server_destroy(struct pg_server *server)
{
    (void)pg_server_stop(server, "immediate");
    if (strncmp(server->directory, "/tmp/leat-stream-", 17) == 0)
        (void)run("rm -rf %s", server->directory);
}

static PGresult *execute(struct pg_server *server, const char *database, const char *sql)
{
    char dsn[256];
    (void)snprintf(dsn, sizeof dsn, "host=%s dbname=%s user=postgres", server->directory, database);
    PGconn *conn = PQconnectdb(dsn);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
        PQclear(result);
        result = NULL;
    }
    PQfinish(conn);
    return result;
}

bool pg_server_sql(struct pg_server *server, const char *database, const char *sql)
{
    PGresult *result = execute(server, database, sql);
    bool ok = result != NULL;
    PQclear(result);
    return ok;
}

const char *pg_server_value(struct pg_server *server, const char *database, const char *sql)
{
    static char value[256];
    PGresult *result = execute(server, database, sql);
    (void)snprintf(value, sizeof value, "%s",
                   result && PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}
