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

static void refuse_command(struct answer *answer, unsigned code, const char *why)
{
    answer->code = code;
    answer->type = JSON;
    text_put_string(&answer->text, "{\"error\":");
    text_put_json(&answer->text, why);
    text_put_string(&answer->text, "}\n");
}

/* ?level=LEVEL for all, with &component=NAME for one; level=default: as all. */
static void post_log_level(struct admin *admin, struct answer *answer,
                           struct MHD_Connection *connection)
{
    const char *word = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "level");
    const char *component =
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "component");
    bool reset = word && component && strcmp(word, "default") == 0;
    bool known = true;
    int level = word && !reset ? config_log_level(word) : -1;
    leat_field fields[] = {LEAT_F_STR("level", word), LEAT_F_STR("component", component)};

    if (level < 0 && !reset) {
        refuse_command(answer, 400,
                       "write /loglevel?level=error, warn, info or debug, and &component=NAME for "
                       "one component, which level=default resets");
        return;
    }
    if (component) {
        registry_lock(admin->registry);
        known = config_log_is_component(admin->registry->config, component);
        registry_unlock(admin->registry);
    }
    if (!known) {
        refuse_command(answer, 404,
                       "there is no such component: write core, source, a sink's name, "
                       "PIPELINE/source or PIPELINE/SINK");
        return;
    }
    if (!component) {
        log_set_level(level);
    } else if (!log_set_component(component, level)) {
        refuse_command(answer, 409,
                       "32 components have a level already: reset some with level=default");
        return;
    }
    log_event(NULL, NULL, LEAT_LOG_INFO, "log level set by command", fields, component ? 2 : 1);
    answer->code = 200;
    answer->type = JSON;
    text_print(&answer->text, "{\"ok\":true,\"level\":\"%s\"}\n", word);
}

/* An order on its way, and the connection that waits for it. */
struct waiting {
    struct order order; /* first */
    struct MHD_Connection *connection;
};

/* [main] */
static void order_done(struct order *order)
{
    MHD_resume_connection(((struct waiting *)(void *)order)->connection);
}

struct verb {
    const char *name;
    enum order_kind kind;
};

static const struct verb daemon_verbs[] = {{"shutdown", ORDER_SHUTDOWN}, {"reload", ORDER_RELOAD}};
static const struct verb pipeline_verbs[] = {
    {"pause", ORDER_PAUSE}, {"resume", ORDER_RESUME}, {"drain", ORDER_DRAIN}};
static const struct verb sink_verbs[] = {
    {"pause", ORDER_SINK_PAUSE}, {"resume", ORDER_SINK_RESUME}, {"drop", ORDER_SINK_DROP}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool take_verb(const struct verb *verbs, size_t count, const char *word, struct order *order)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(verbs[i].name, word) != 0)
            continue;
        order->kind = verbs[i].kind;
        return true;
    }
    return false;
}

/* The part of a path up to the next slash; NULL: too long to be a name, or the path ends there. */
static const char *take_name(const char *at, char out[NAME_MAX_BYTES])
{
    size_t length = strcspn(at, "/");

    if (length == 0 || length >= NAME_MAX_BYTES || at[length] != '/')
        return NULL;
    memcpy(out, at, length);
    out[length] = '\0';
    return at + length + 1;
}

/* "/VERB", "/pipelines/NAME/VERB" or "/pipelines/NAME/sinks/NAME/VERB". */
static bool read_order(const char *url, struct order *order)
{
    static const char head[] = "/pipelines/", sinks[] = "sinks/";
    const char *rest;

    if (strncmp(url, head, sizeof head - 1) != 0)
        return *url == '/' && take_verb(daemon_verbs, COUNT(daemon_verbs), url + 1, order);
    rest = take_name(url + sizeof head - 1, order->pipeline);
    if (!rest)
        return false;
    if (strncmp(rest, sinks, sizeof sinks - 1) != 0)
        return take_verb(pipeline_verbs, COUNT(pipeline_verbs), rest, order);
    rest = take_name(rest + sizeof sinks - 1, order->sink);
    return rest && take_verb(sink_verbs, COUNT(sink_verbs), rest, order);
}

/* An argument that is absent, or one of two words; false: another word. */
static bool read_choice(struct MHD_Connection *connection, const char *name, const char *no,
                        const char *yes, bool *out)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);

    *out = value && strcmp(value, yes) == 0;
    return !value || *out || strcmp(value, no) == 0;
}

/* True: the connection waits. */
static bool give_order(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                       const char *url, struct answer *answer, void **state)
{
    struct waiting *waiting = calloc(1, sizeof *waiting);

    if (!waiting) {
        answer->text.failed = true;
        return false;
    }
    *state = waiting; /* freed when the request is over */
    (void)pthread_mutex_lock(&endpoint->admin->lock);
    endpoint->admin->orders++;
    (void)pthread_mutex_unlock(&endpoint->admin->lock);
    waiting->connection = connection;
    waiting->order.done = order_done;
    waiting->order.since_ns = clock_now_ns(endpoint->admin->registry->clock);
    if (!read_order(url, &waiting->order)) {
        refuse_command(answer, 404, "there is no such command; leat(1) lists them");
        return false;
    }
    if (!read_choice(connection, "accept_gap", "false", "true", &waiting->order.accept_gap) ||
        !read_choice(connection, "removed", "drain", "drop", &waiting->order.drop_removed)) {
        refuse_command(answer, 400, "write accept_gap=true or false, removed=drain or drop");
        return false;
    }
    MHD_suspend_connection(connection);
    if (!registry_give(endpoint->admin->registry, &waiting->order)) {
        waiting->order.code = 503;
        text_put_string(&waiting->order.answer, "{\"error\":\"the daemon has stopped\"}\n");
        MHD_resume_connection(connection);
    }
    return true;
}

/* True: the connection waits for the answer. */
static bool command(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                    const char *url, struct answer *answer, void **state)
{
    if (!endpoint->listener.local) {
        answer->allow = "GET, HEAD";
        refuse_command(answer, 405, "commands are taken from the unix socket only");
    } else if (strcmp(url, "/loglevel") == 0) {
        post_log_level(endpoint->admin, answer, connection);
    } else {
        return give_order(endpoint, connection, url, answer, state);
    }
    return false;
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

/* True: there is no answer yet, the connection waits for one. */
static bool judge(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                  const char *url, const char *method, struct answer *answer, void **state)
{
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

    if (endpoint->listener.loopback && !is_our_name(host)) {
        refuse(answer, 421, "this is not the host of that name");
    } else if (get) {
        question(endpoint, url, answer);
    } else if (strcmp(method, "POST") == 0) {
        return command(endpoint, connection, url, answer, state);
    } else {
        answer->allow = endpoint->listener.local ? "GET, HEAD, POST" : "GET, HEAD";
        refuse(answer, 405, "this method does nothing here");
    }
    return false;
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
    struct answer answer = {.code = 500};
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    *state = &headers_seen;
    if (!length || strcmp(length, "0") == 0)
        return MHD_YES;
    refuse(&answer, 413, "a request has no body here");
    return send_answer(connection, &answer);
}

/* Called first with the headers, then for each piece of a body, then at the end; and once more when
 * an order was answered. */
enum MHD_Result admin__answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct admin_endpoint *endpoint = context;
    struct answer answer = {.code = 500};

    (void)version;
    (void)upload;
    if (!*state)
        return begin_request(connection, state);
    if (*upload_size > 0)
        return MHD_NO; /* a body without a length */
    time_visit(endpoint, connection, clock_now_ns(endpoint->admin->registry->clock));
    if (*state != &headers_seen) {
        struct waiting *waiting = *state;
        answer.code = waiting->order.code;
        answer.type = JSON;
        answer.text = waiting->order.answer;
        waiting->order.answer = (struct text_buffer){0};
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
    struct waiting *waiting = *state;

    (void)connection;
    (void)code;
    if (!waiting || *state == (void *)&headers_seen)
        return;
    free(waiting->order.answer.text);
    free(waiting);
    *state = NULL;
    (void)pthread_mutex_lock(&endpoint->admin->lock);
    endpoint->admin->orders--;
    (void)pthread_cond_signal(&endpoint->admin->over);
    (void)pthread_mutex_unlock(&endpoint->admin->lock);
}
