/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_internal.h -- what admin.c (connections), admin_answer.c (requests), admin_question.c (GET)
 * and admin_command.c (POST) share.
 */
#ifndef LEAT_ADMIN_INTERNAL_H
#define LEAT_ADMIN_INTERNAL_H

#include "admin.h"
#include "listen.h"

#include <microhttpd.h>

#define ADMIN_CONNECTIONS 16
#define ADMIN_ADDRESSES 8
#define ADMIN_NAME_BYTES 64 /* of a pipeline, a sink, a host */

/* One connection: since when its present request takes. */
struct admin_visit {
    int fd;           /* -1: free */
    int64_t since_ns; /* INT64_MAX: it waits for an order, which is bounded by itself */
};

struct admin_endpoint {
    struct admin *admin;
    struct listener listener;
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    struct admin_visit visits[ADMIN_CONNECTIONS]; /* under lock */
};

struct admin {
    struct registry *registry;
    pthread_mutex_t lock;
    pthread_cond_t over;
    unsigned orders; /* under lock: requests with an order whose answer has not gone out */
    size_t count;
    struct admin_endpoint endpoints[ADMIN_ADDRESSES];
};

enum admin_type { ADMIN_TEXT, ADMIN_JSON, ADMIN_METRICS, ADMIN_HTML };

/* What goes back.  Its text is owned, until it is handed to libmicrohttpd. */
struct admin_answer {
    unsigned code;
    enum admin_type type;
    struct text_buffer text;
    char policy[256];  /* of the page; empty otherwise */
    const char *allow; /* with 405 */
};

/* All of them: [the endpoint's thread] */

/* ---- admin_answer.c ------------------------------------------------------------------------- */

/* As libmicrohttpd wants it; context: the struct admin_endpoint. */
enum MHD_Result admin__answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state);

/* The request is over: frees what it had. */
void admin__over(void *context, struct MHD_Connection *connection, void **state,
                 enum MHD_RequestTerminationCode code);

/* The reason as a line of text, or as the error of a command. */
void admin__refuse(struct admin_answer *answer, unsigned code, const char *why);
void admin__refuse_command(struct admin_answer *answer, unsigned code, const char *why);

/* ---- admin_question.c ----------------------------------------------------------------------- */

void admin__question(struct admin_endpoint *endpoint, const char *url, struct admin_answer *answer);

/* ---- admin_command.c ------------------------------------------------------------------------ */

/* True: the connection waits for the answer.  Where it leaves something in *state, admin__forget
 * frees that. */
bool admin__command(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                    const char *url, struct admin_answer *answer, void **state);

/* Once it has been answered. */
void admin__take_answer(void *state, struct admin_answer *answer);

/* The request is over: frees the order. */
void admin__forget(struct admin *admin, void *state);

#endif
