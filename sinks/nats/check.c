/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- `leat check`: tries what the configuration names and changes nothing.  [main]
 */
#include "advice.h"
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>

enum { EX_NOPERM_ = 77, EX_CONFIG_ = 78 };

struct findings {
    leat_check *check;
    const struct nats_options *options;
    struct stream_info *info;
    char text[700], fix[900];
    char denied[200]; /* what the server said of a right that we do not have */
};

static void ignore_message(void *context, char kind, uint64_t number,
                           const struct wire_event *event)
{
    (void)context;
    (void)kind;
    (void)number;
    (void)event;
}

static void keep_denied(void *context, leat_bytes text)
{
    struct findings *f = context;
    (void)snprintf(f->denied, sizeof f->denied, "%.*s", (int)(text.len < 180 ? text.len : 180),
                   text.ptr);
}

static void report(struct findings *f, int32_t severity, int32_t exit_code, const char *fix)
{
    f->check->report(f->check, severity, exit_code, f->text, fix);
}

#define SAY(f, ...) ((void)snprintf((f)->text, sizeof(f)->text, __VA_ARGS__))
#define MEND(f, ...) ((void)snprintf((f)->fix, sizeof(f)->fix, __VA_ARGS__), (f)->fix)

static void check_limits(struct findings *f)
{
    const struct stream_info *info = f->info;
    const char *name = f->options->stream;
    bool limited = info->max_bytes > 0 || info->max_messages > 0 || info->max_age_ns > 0;
    if (!info->discard_new && (info->max_bytes > 0 || info->max_messages > 0)) {
        SAY(f,
            "stream %s has limits and discard old: at a limit it drops old messages, also those "
            "that no consumer has seen",
            name);
        report(f, LEAT_FINDING_WARNING, 0, MEND(f, "nats stream edit %s --discard new", name));
    } else if (limited && info->max_age_ns > 0) {
        SAY(f, "stream %s drops messages after %lld s, read or not", name,
            (long long)(info->max_age_ns / 1000000000));
        report(f, LEAT_FINDING_NOTE, 0,
               MEND(f, "nats stream edit %s --max-age 0s, where readers may be away longer", name));
    }
    if (info->max_per_subject > 0) {
        SAY(f,
            "stream %s keeps %lld message%s of each subject: it drops or refuses what comes beyond "
            "that, "
            "seen by a consumer or not",
            name, (long long)info->max_per_subject, info->max_per_subject == 1 ? "" : "s");
        report(f, LEAT_FINDING_WARNING, 0,
               MEND(f, "nats stream edit %s --max-msgs-per-subject=-1", name));
    }
    if (!info->limits_retention) {
        SAY(f,
            "stream %s drops messages that its consumers have taken: after a restart it cannot "
            "say what it was given last, so duplicates are told by their ids alone",
            name);
        report(f, LEAT_FINDING_WARNING, 0,
               "nats stream add NEW --subjects SUBJECTS --retention limits --defaults, and stream: "
               "NEW; let NEW's limits of age or size drop what was read");
    }
}

static void check_durability(struct findings *f, int64_t hold_option_ms)
{
    const char *why;
    uint32_t hold_ms = hold_choose(f->options, f->info, hold_option_ms, &why);
    SAY(f, "an acknowledged record is confirmed to the source %u ms later (%s)", hold_ms, why);
    report(f, LEAT_FINDING_OK, 0, NULL);
    if (hold_ms == 0 && hold_option_ms == 0 && f->info->replicas < 2) {
        SAY(f,
            "confirm_hold is 0 and stream %s has one replica: unless the server syncs always, a "
            "power cut loses acknowledged records",
            f->options->stream);
        report(f, LEAT_FINDING_WARNING, 0, "confirm_hold: auto");
    }
    /* A restart of ours within the window is what the ids are for. */
    int64_t window_ms = f->info->duplicate_window_ns / 1000000;
    if (f->options->dedupe == DEDUPE_MSG_ID && window_ms < (int64_t)hold_ms + 60000) {
        SAY(f, "stream %s remembers message ids for %lld ms, less than the hold and a restart take",
            f->options->stream, (long long)window_ms);
        report(f, LEAT_FINDING_WARNING, 0,
               MEND(f, "nats stream edit %s --dupe-window %us", f->options->stream,
                    hold_ms / 1000 + 450));
    }
}

/* All the subjects that a route template can give, as one pattern: a token with a name in it can be
 * any.  False: it does not fit. */
static bool widen(const char *route, char *dst, size_t size)
{
    size_t len = 0, token = 0;
    bool inside = false, any = false;
    for (const char *p = route;; p++) {
        bool end = !*p || (*p == '.' && !inside);
        if (len + 2 >= size)
            return false;
        if (end && any) {
            len = token;
            dst[len++] = '*';
        }
        if (!*p)
            break;
        inside = *p == '{' || (inside && *p != '}');
        any = !end && (any || inside);
        dst[len++] = *p;
        if (end)
            token = len;
    }
    dst[len] = '\0';
    return true;
}

static void check_routes(struct findings *f)
{
    char pattern[1024];
    if (!LEAT_HAS(f->check, leat_check, routes) || !f->info->subjects[0])
        return;
    for (size_t i = 0; i < f->check->routes.count; i++) {
        const char *route = f->check->routes.items[i];
        if (!widen(route, pattern, sizeof pattern) || stream_covers(f->info, pattern))
            continue;
        SAY(f, "stream %s does not take all subjects of route %.200s (%.200s)", f->options->stream,
            route, pattern);
        report(f, LEAT_FINDING_WARNING, 0,
               MEND(f, "nats stream edit %s --subjects %.200s", f->options->stream, pattern));
    }
}

static void check_stream(struct findings *f, int64_t hold_option_ms)
{
    leat_error error = {.size = sizeof error};
    const char *name = f->options->stream;
    if (!f->info->exists) {
        SAY(f, "stream %s does not exist", name);
        if (f->options->create_stream) {
            report(f, LEAT_FINDING_NOTE, 0, "create_stream will make it at the first start");
            return;
        }
        report(f, LEAT_FINDING_ERROR, EX_CONFIG_,
               MEND(f,
                    "nats stream add %s --subjects 'cdc.>' --storage file --discard new "
                    "--dupe-window 10m%s --defaults",
                    name, f->options->publish == PUBLISH_ATOMIC ? " --allow-batch" : ""));
        return;
    }
    if (stream_accept(f->info, f->options, &error)) {
        SAY(f, "%s", error.text);
        advice_on_stream(f->info, f->options, f->fix, sizeof f->fix);
        report(f, LEAT_FINDING_ERROR, EX_CONFIG_, f->fix);
        return;
    }
    SAY(f, "stream %s, %lld %s, subjects %.300s", name, (long long)f->info->replicas,
        f->info->replicas == 1 ? "replica" : "replicas", f->info->subjects);
    report(f, LEAT_FINDING_OK, 0, NULL);
    if (f->info->memory) {
        SAY(f, "stream %s keeps its messages in memory: a restart of the server loses them", name);
        advice_on_stream(f->info, f->options, f->fix, sizeof f->fix);
        report(f, LEAT_FINDING_WARNING, 0, f->fix);
    }
    if (f->options->create_stream)
        for (size_t i = 0; i < f->options->create_subjects.count; i++) {
            const char *subject = f->options->create_subjects.items[i];
            if (stream_covers(f->info, subject))
                continue;
            SAY(f, "stream %s does not take subject %s of create.subjects", name, subject);
            report(f, LEAT_FINDING_WARNING, 0,
                   MEND(f, "nats stream edit %s --subjects %s", name, subject));
        }
    check_routes(f);
    check_limits(f);
    check_durability(f, hold_option_ms);
}

/* True when the server was reached. */
static bool check_server(struct findings *f, struct client *client, size_t index, bool look,
                         bool last, int64_t hold_option_ms)
{
    leat_error error = {.size = sizeof error};
    f->denied[0] = '\0';
    leat_status status = client_open(client, index, &error);
    bool reached = status == LEAT_OK;
    if (reached) {
        SAY(f, "server %s, version %s, max_payload %llu%s", client->server, client->info.version,
            (unsigned long long)client->info.max_payload, client->socket.ssl ? ", TLS" : "");
        report(f, LEAT_FINDING_OK, 0, NULL);
        if (look)
            status = stream_read(client, f->info, 2000, &error);
        if (look && !status)
            check_stream(f, hold_option_ms);
    }
    if (status) {
        /* One server of several that does not answer is what several are for. */
        bool bad = status == LEAT_ECONFIG || reached || (look && last);
        if (f->denied[0])
            SAY(f, "%s: the server said: %s", client->server, f->denied);
        else
            SAY(f, "%s", error.text);
        int32_t exit_code = advice_on(client, f->text, f->fix, sizeof f->fix);
        report(f, bad ? LEAT_FINDING_ERROR : LEAT_FINDING_WARNING,
               status == LEAT_ECONFIG ? EX_CONFIG_ : exit_code, f->fix);
    }
    return reached;
}

void sink_check(const void *config, leat_check *check)
{
    struct nats_options options = *(const struct nats_options *)config;
    struct findings f = {.check = check, .options = &options};
    leat_error error = {.size = sizeof error};
    struct client client = {0};
    int64_t hold_ms;
    bool reached = false;
    if (nats_options_check(&options, &hold_ms, &error)) {
        SAY(&f, "%s", error.text);
        report(&f, LEAT_FINDING_ERROR, EX_CONFIG_,
               "correct the option; leat plugins nats says what each takes");
        return;
    }
    int64_t share = (int64_t)check->deadline_ms / (int64_t)(options.url.count + 1);
    if (share >= 100 && share < options.connect_timeout_ms)
        options.connect_timeout_ms = share;
    f.info = calloc(1, sizeof *f.info);
    if (f.info && client_init(&client, &options, "leat check")) {
        client.events = (struct client_events){&f, ignore_message, keep_denied};
        for (size_t i = 0; i < options.url.count; i++)
            reached |= check_server(&f, &client, i, !reached, i + 1 == options.url.count, hold_ms);
    }
    client_fini(&client);
    free(f.info);
}
