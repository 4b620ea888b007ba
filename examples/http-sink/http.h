/* SPDX-License-Identifier: Apache-2.0
 *
 * http.h -- the sink's own structs.
 */
#ifndef HTTP_SINK_H
#define HTTP_SINK_H

#include <leat/plugin.h>

#include <curl/curl.h>
#include <stdarg.h>
#include <strings.h>

enum { LENT_MAX = 32 };

struct options { /* filled from the table in http.c */
    const char *url, *token, *ca_file, *certificate, *key;
    int64_t connect_timeout_ms, timeout_ms, max_bytes;
};

enum request { NONE, GET, POST };

struct lent {
    const leat_batch *batch;
    uint32_t done; /* leading records that the endpoint has stored */
};

struct leat_sink {
    const leat_host *host;
    const struct options *options;
    const char *name_space;
    CURLM *multi;
    CURL *easy; /* one for all requests: at most one is under way */
    struct curl_slist *headers;
    enum request request;
    bool global, up, no_memory;
    struct lent lent[LENT_MAX]; /* in stream order */
    uint32_t count;
    char *body; /* of the POST under way: `sent` records from sending_first to sending */
    size_t body_size, body_room;
    uint32_t sent;
    leat_identity sending_first, sending;
    bool has_stored, careful; /* careful: a body was refused, so each record up to careful_until goes alone */
    leat_identity stored, careful_until;
    bool answered; /* the GET of start, with */
    CURLcode result;
    long status;
    bool has_last, is_log; /* what the headers said */
    leat_identity last;
    uint32_t retry_after_ms;
    char reason[CURL_ERROR_SIZE];
};

leat_status http_say(leat_error *error, leat_status status, const char *what, const char *why);

/* request.c: begins a request; the body of a POST stays where it is until it ends.  False: no memory. */
bool http_begin(leat_sink *sink, enum request request);
/* Lets libcurl work and wait, at most max_wait_ms (-1: until wake_fd); true when the request has come to its end. */
bool http_drive(leat_sink *sink, int32_t max_wait_ms, CURLcode *result, long *status);

#endif
