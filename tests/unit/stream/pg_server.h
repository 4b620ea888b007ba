/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_server.h -- a private PostgreSQL in a temporary folder, on a unix socket, for tests.
 */
#ifndef LEAT_TEST_PG_SERVER_H
#define LEAT_TEST_PG_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pg_server {
    char directory[64]; /* data, socket and log */
    char as[64];        /* how commands are run as an ordinary user; "" where we are one */
};

/* The folder of initdb and postgres; NULL: there is none on this machine. */
const char *pg_server_programs(void);

/* False: it does not start; what went wrong is on stderr. */
bool pg_server_create(struct pg_server *server, const char *settings);
void pg_server_destroy(struct pg_server *server);

bool pg_server_start(struct pg_server *server);
bool pg_server_stop(struct pg_server *server, const char *mode); /* waits */
pid_t pg_server_stop_begin(struct pg_server *server, const char *mode);
void pg_server_crash(struct pg_server *server); /* SIGKILL to the postmaster, then a new start */

/* Runs SQL as the superuser in a database.  False: refused, printed on stderr. */
bool pg_server_sql(struct pg_server *server, const char *database, const char *sql);

/* The first value of the first row, "" when there is none.  Static. */
const char *pg_server_value(struct pg_server *server, const char *database, const char *sql);

#endif
