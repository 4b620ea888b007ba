/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_answer.c -- one request, one answer: who may ask for it, who answers it (admin_question.c,
 * admin_command.c), and the way back.  [the endpoint's thread]  See admin.h.
 *
 * A request's body is never looked at: arguments stand in the query.
 */
#include "admin_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const content_types[] = {
    [ADMIN_TEXT] = "text/plain; charset=utf-8",
    [ADMIN_JSON] = "application/json",
    [ADMIN_METRICS] = "text/plain; version=0.0.4; charset=utf-8",
    [ADMIN_HTML] = "text/html; charset=utf-8",
};

/* ---- what is refused ------------------------------------------------------------------------ */

void admin__refuse(struct admin_answer *answer, unsigned code, const char *why)
{
    answer->code = code;
    text_print(&answer->text, "%s\n", why);
}

void admin__refuse_command(struct admin_answer *answer, unsigned code, const char *why)
{
    answer->code = code;
    answer->type = ADMIN_JSON;
    text_put_string(&answer->text, "{\"error\":");
    text_put_json(&answer->text, why);
    text_put_string(&answer->text, "}\n");
}

/* ---- who answers ---------------------------------------------------------------------------- */

/* A name that some page of the world resolves to this machine is not ours: without this, a browser
 * on this machine would let that page read the answers. */
static bool is_our_name(const char *host)
{
    char name[ADMIN_NAME_BYTES];
    size_t length;

    if (!host)
        return true; /* HTTP/1.0 */
    if (*host == '[')
        return true; /* a number */
    length = strcspn(host, ":");
    if (length >= sizeof name)
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    return strcmp(name, "localhost") == 0 || name[strspn(name, "0123456789.")] == '\0';
}

/* True: there is no answer yet, the connection waits for one. */
static bool judge(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                  const char *url, const char *method, struct admin_answer *answer, void **state)
{
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

    if (endpoint->listener.loopback && !is_our_name(host)) {
        admin__refuse(answer, 421, "this is not the host of that name");
    } else if (get) {
        admin__question(endpoint, url, answer);
    } else if (strcmp(method, "POST") == 0) {
        return admin__command(endpoint, connection, url, answer, state);
    } else {
        answer->allow = endpoint->listener.local ? "GET, HEAD, POST" : "GET, HEAD";
        admin__refuse(answer, 405, "this method does nothing here");
    }
    return false;
}

/* ---- the way there and back ----------------------------------------------------------------- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct admin_answer *answer)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (answer->text.failed || !answer->text.text) {
        free(answer->text.text);
        return MHD_NO;
    }
    response = MHD_create_response_from_buffer(answer->text.length, answer->text.text,
                                               MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer->text.text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", content_types[answer->type]);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    if (answer->policy[0])
        (void)MHD_add_response_header(response, "Content-Security-Policy", answer->policy);
    if (answer->allow)
        (void)MHD_add_response_header(response, "Allow", answer->allow);
    result = MHD_queue_response(connection, answer->code, response);
    MHD_destroy_response(response);
    return result;
}

static void time_visit(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                       int64_t since_ns)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct admin_visit *visit = info ? info->socket_context : NULL;

    if (!visit)
        return;
    (void)pthread_mutex_lock(&endpoint->lock);
    visit->since_ns = since_ns;
    (void)pthread_mutex_unlock(&endpoint->lock);
}

static char headers_seen; /* the state of a request whose headers have come */

static enum MHD_Result begin_request(struct MHD_Connection *connection, void **state)
{
    struct admin_answer answer = {.code = 500};
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    *state = &headers_seen;
    if (!length || strcmp(length, "0") == 0)
        return MHD_YES;
    admin__refuse(&answer, 413, "a request has no body here");
    return send_answer(connection, &answer);
}

/* Called first with the headers, then for each piece of a body, then at the end; and once more when
 * an order was answered. */
enum MHD_Result admin__answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct admin_endpoint *endpoint = context;
    struct admin_answer answer = {.code = 500};

    (void)version;
    (void)upload;
    if (!*state)
        return begin_request(connection, state);
    if (*upload_size > 0)
        return MHD_NO; /* a body without a length */
    time_visit(endpoint, connection, clock_now_ns(endpoint->admin->registry->clock));
    if (*state != &headers_seen) {
        admin__take_answer(*state, &answer);
    } else if (judge(endpoint, connection, url, method, &answer, state)) {
        time_visit(endpoint, connection, INT64_MAX);
        return MHD_YES;
    }
    return send_answer(connection, &answer);
}

void admin__over(void *context, struct MHD_Connection *connection, void **state,
                 enum MHD_RequestTerminationCode code)
{
    struct admin_endpoint *endpoint = context;
    void *order = *state;

    (void)connection;
    (void)code;
    if (!order || order == (void *)&headers_seen)
        return;
    *state = NULL;
    admin__forget(endpoint->admin, order);
}
