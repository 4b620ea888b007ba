/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_answer.c -- one request, one answer.  [the endpoint's thread]  See admin.h.
 *
 * A request's body is never looked at: arguments stand in the query.
 */
#include "admin_internal.h"

#include "config_log.h"
#include "log.h"
#include "page.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NAME_MAX_BYTES 64

enum page_type { TEXT, JSON, METRICS, HTML };

static const char *const content_types[] = {"text/plain; charset=utf-8", "application/json",
                                            "text/plain; version=0.0.4; charset=utf-8",
                                            "text/html; charset=utf-8"};

struct answer {
    unsigned code;
    enum page_type type;
    struct text_buffer text;
    char policy[256];  /* of the page; empty otherwise */
    const char *allow; /* with 405 */
};

/* ---- questions ------------------------------------------------------------------------------ */

static void with_status(struct admin *admin, struct answer *answer,
                        void (*form)(const struct status *, struct text_buffer *))
{
    struct status *status = status_take(admin->registry);

    answer->code = 200;
    if (status)
        form(status, &answer->text);
    else
        answer->text.failed = true;
    free(status);
}

static void get_status(struct admin *admin, struct answer *answer)
{
    answer->type = JSON;
    with_status(admin, answer, status_json);
}

static void get_table(struct admin *admin, struct answer *answer)
{
    with_status(admin, answer, status_table);
}

static void get_metrics(struct admin *admin, struct answer *answer)
{
    answer->type = METRICS;
    with_status(admin, answer, status_metrics);
}

static void get_ready(struct admin *admin, struct answer *answer)
{
    struct status *status = status_take(admin->registry);

    if (status)
        answer->code = status_ready(status, &answer->text) ? 200 : 503;
    else
        answer->text.failed = true;
    free(status);
}

/* Alive: the control thread goes round. */
static void get_live(struct admin *admin, struct answer *answer)
{
    int64_t age_ns = clock_now_ns(admin->registry->clock) -
                     atomic_load_explicit(&admin->registry->alive_ns, memory_order_relaxed);

    answer->code = age_ns < INT64_C(30000000000) ? 200 : 503;
    text_put_string(&answer->text,
                    answer->code == 200 ? "ok\n" : "the control thread has not moved for 30 s\n");
}

/* The page's own style and script are known by a number that is new each time; nothing else runs.
 */
static void get_page(struct admin *admin, struct answer *answer)
{
    static const char mark[] = "NONCE";
    unsigned char random[16] = {0};
    char nonce[33];
    const char *rest = page_html, *at;

    (void)admin;
    (void)!getrandom(random, sizeof random, 0);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(nonce + 2 * i, 3, "%02x", random[i]);
    while ((at = strstr(rest, mark)) != NULL) {
        text_put(&answer->text, rest, (size_t)(at - rest));
        text_put_string(&answer->text, nonce);
        rest = at + sizeof mark - 1;
    }
    text_put_string(&answer->text, rest);
    answer->code = 200;
    answer->type = HTML;
    (void)snprintf(answer->policy, sizeof answer->policy,
                   "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
                   "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                   "frame-ancestors 'none'",
                   nonce, nonce);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void refuse(struct answer *answer, unsigned code, const char *why)
{
    answer->code = code;
    text_print(&answer->text, "%s\n", why);
}

static void post_shutdown(struct admin *admin, struct answer *answer)
{
    registry_ask_stop(admin->registry);
    refuse(answer, 202, "stopping");
}

/* ?level=LEVEL for all, with &component=NAME for one; level=default: as all. */
static void post_log_level(struct admin *admin, struct answer *answer,
                           struct MHD_Connection *connection)
{
    const char *word = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "level");
    const char *component =
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "component");
    bool reset = word && component && strcmp(word, "default") == 0;
    int level = word && !reset ? config_log_level(word) : -1;
    leat_field fields[] = {LEAT_F_STR("level", word), LEAT_F_STR("component", component)};

    if (level < 0 && !reset) {
        refuse(answer, 400,
               "write /loglevel?level=error, warn, info or debug, and &component=NAME for one "
               "component, which level=default resets");
        return;
    }
    if (component && !config_log_is_component(admin->registry->config, component)) {
        refuse(answer, 404,
               "there is no such component: write core, source, a sink's name, PIPELINE/source or "
               "PIPELINE/SINK");
        return;
    }
    if (!component)
        log_set_level(level);
    else if (!log_set_component(component, level)) {
        refuse(answer, 409, "32 components have a level already: reset some with level=default");
        return;
    }
    log_event(NULL, NULL, LEAT_LOG_INFO, "log level set by command", fields, component ? 2 : 1);
    refuse(answer, 200, word);
}

/* "/pipelines/NAME/drain" */
static bool post_drain(struct admin *admin, struct answer *answer, const char *url)
{
    static const char head[] = "/pipelines/", tail[] = "/drain";
    const struct config *config = admin->registry->config;
    const char *name = url + sizeof head - 1;
    size_t length;

    if (strncmp(url, head, sizeof head - 1) != 0)
        return false;
    length = strcspn(name, "/");
    if (strcmp(name + length, tail) != 0)
        return false;
    for (size_t i = 0; i < config->pipeline_count; i++) {
        if (strlen(config->pipelines[i].name) != length ||
            memcmp(config->pipelines[i].name, name, length) != 0)
            continue;
        registry_ask_drain(admin->registry, i);
        refuse(answer, 202, "draining");
        return true;
    }
    refuse(answer, 404, "there is no such pipeline");
    return true;
}

static void command(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                    const char *url, struct answer *answer)
{
    bool shutdown = strcmp(url, "/shutdown") == 0;
    bool level = strcmp(url, "/loglevel") == 0;

    if (!endpoint->listener.local) {
        answer->allow = "GET, HEAD";
        refuse(answer, 405, "commands are taken from the unix socket only");
    } else if (shutdown) {
        post_shutdown(endpoint->admin, answer);
    } else if (level) {
        post_log_level(endpoint->admin, answer, connection);
    } else if (!post_drain(endpoint->admin, answer, url)) {
        refuse(answer, 404, "there is no such command");
    }
}

/* ---- the way there and back ----------------------------------------------------------------- */

struct question {
    const char *url;
    void (*get)(struct admin *admin, struct answer *answer);
};

static const struct question questions[] = {
    {"/", get_page},         {"/livez", get_live},       {"/readyz", get_ready},
    {"/status", get_status}, {"/status.txt", get_table}, {"/metrics", get_metrics},
};

static void question(struct admin_endpoint *endpoint, const char *url, struct answer *answer)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (strcmp(url, questions[i].url) == 0) {
            questions[i].get(endpoint->admin, answer);
            return;
        }
    }
    refuse(answer, 404, "try /, /livez, /readyz, /status, /status.txt or /metrics");
}

/* A name that some page of the world resolves to this machine is not ours: without this, a browser
 * on this machine would let that page read the answers. */
static bool is_our_name(const char *host)
{
    char name[NAME_MAX_BYTES];
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

static void judge(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                  const char *url, const char *method, struct answer *answer)
{
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

    if (endpoint->listener.loopback && !is_our_name(host)) {
        refuse(answer, 421, "this is not the host of that name");
    } else if (get) {
        question(endpoint, url, answer);
    } else if (strcmp(method, "POST") == 0) {
        command(endpoint, connection, url, answer);
    } else {
        answer->allow = endpoint->listener.local ? "GET, HEAD, POST" : "GET, HEAD";
        refuse(answer, 405, "this method does nothing here");
    }
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *answer)
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

static void begin_visit(struct admin_endpoint *endpoint, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct admin_visit *visit = info ? info->socket_context : NULL;

    if (!visit)
        return;
    (void)pthread_mutex_lock(&endpoint->lock);
    visit->since_ns = clock_now_ns(endpoint->admin->registry->clock);
    (void)pthread_mutex_unlock(&endpoint->lock);
}

/* Called first with the headers, then for each piece of a body, then at the end. */
enum MHD_Result admin__answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    static char headers_seen;
    struct admin_endpoint *endpoint = context;
    struct answer answer = {.code = 500};

    (void)version;
    (void)upload;
    if (!*state) {
        const char *length =
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
        *state = &headers_seen;
        if (!length || strcmp(length, "0") == 0)
            return MHD_YES;
        refuse(&answer, 413, "a request has no body here");
        return send_answer(connection, &answer);
    }
    if (*upload_size > 0)
        return MHD_NO; /* a body without a length */
    begin_visit(endpoint, connection);
    judge(endpoint, connection, url, method, &answer);
    return send_answer(connection, &answer);
}
