/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_command.c -- what POST asks for: a log level at once, everything else as an order to the
 * control thread.  [the endpoint's thread], but for order_done, which is [main].
 *
 * While an order is on its way its connection is suspended: the endpoint's thread never waits.
 * Commands are taken from the unix socket only.
 */
#include "admin_internal.h"

#include "config_log.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* ---- at once -------------------------------------------------------------------------------- */

/* ?level=LEVEL for all, with &component=NAME for one; level=default: as all. */
static void post_log_level(struct admin *admin, struct admin_answer *answer,
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
        admin__refuse_command(
            answer, 400,
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
        admin__refuse_command(answer, 404,
                              "there is no such component: write core, source, a sink's name, "
                              "PIPELINE/source or PIPELINE/SINK");
        return;
    }
    if (!component) {
        log_set_level(level);
    } else if (!log_set_component(component, level)) {
        admin__refuse_command(answer, 409,
                              "32 components have a level already: reset some with level=default");
        return;
    }
    log_event(NULL, NULL, LEAT_LOG_INFO, "log level set by command", fields, component ? 2 : 1);
    answer->code = 200;
    answer->type = ADMIN_JSON;
    text_print(&answer->text, "{\"ok\":true,\"level\":\"%s\"}\n", word);
}

/* ---- orders --------------------------------------------------------------------------------- */

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
static const char *take_name(const char *at, char out[ADMIN_NAME_BYTES])
{
    size_t length = strcspn(at, "/");

    if (length == 0 || length >= ADMIN_NAME_BYTES || at[length] != '/')
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
                       const char *url, struct admin_answer *answer, void **state)
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
        admin__refuse_command(answer, 404, "there is no such command; leat(1) lists them");
        return false;
    }
    if (!read_choice(connection, "accept_gap", "false", "true", &waiting->order.accept_gap) ||
        !read_choice(connection, "removed", "drain", "drop", &waiting->order.drop_removed)) {
        admin__refuse_command(answer, 400, "write accept_gap=true or false, removed=drain or drop");
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
bool admin__command(struct admin_endpoint *endpoint, struct MHD_Connection *connection,
                    const char *url, struct admin_answer *answer, void **state)
{
    if (!endpoint->listener.local) {
        answer->allow = "GET, HEAD";
        admin__refuse_command(answer, 405, "commands are taken from the unix socket only");
    } else if (strcmp(url, "/loglevel") == 0) {
        post_log_level(endpoint->admin, answer, connection);
    } else {
        return give_order(endpoint, connection, url, answer, state);
    }
    return false;
}

void admin__take_answer(void *state, struct admin_answer *answer)
{
    struct waiting *waiting = state;

    answer->code = waiting->order.code;
    answer->type = ADMIN_JSON;
    answer->text = waiting->order.answer;
    waiting->order.answer = (struct text_buffer){0};
}

void admin__forget(struct admin *admin, void *state)
{
    struct waiting *waiting = state;

    free(waiting->order.answer.text);
    free(waiting);
    (void)pthread_mutex_lock(&admin->lock);
    admin->orders--;
    (void)pthread_cond_signal(&admin->over);
    (void)pthread_mutex_unlock(&admin->lock);
}
