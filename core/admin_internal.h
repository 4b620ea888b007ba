/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_internal.h -- what admin.c (connections) and admin_answer.c (requests) share.
 */
#ifndef LEAT_ADMIN_INTERNAL_H
#define LEAT_ADMIN_INTERNAL_H

#include "admin.h"
#include "listen.h"

#include <microhttpd.h>

#define ADMIN_CONNECTIONS 16
#define ADMIN_ADDRESSES 8

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

/* [the endpoint's thread] As libmicrohttpd wants it; context: the struct admin_endpoint. */
enum MHD_Result admin__answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state);

/* [the endpoint's thread] The request is over: frees what it had. */
void admin__over(void *context, struct MHD_Connection *connection, void **state,
                 enum MHD_RequestTerminationCode code);

#endif
