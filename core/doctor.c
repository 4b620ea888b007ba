/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor.c -- see doctor.h.
 */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sysexits.h>
#include <unistd.h>

#define LAG_BYTES (INT64_C(256) * 1024 * 1024)
#define LAG_MS 60000
#define POOL_FULL 0.9

struct patient {
    struct findings *findings;
    const struct admin_client *client;
    const struct config *config; /* or NULL */
    const char *reach;           /* "-c FILE" or "--socket PATH": how commands find the daemon */
    const char *pipeline, *instance; /* of the next finding */
};

/* ---- saying it ------------------------------------------------------------------------------ */

static void find(struct patient *patient, int32_t severity, int exit_code, const char *fix,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void find(struct patient *patient, int32_t severity, int exit_code, const char *fix,
                 const char *format, ...)
{
    char text[2048];
    struct finding finding = {.severity = severity,
                              .exit_code = exit_code,
                              .pipeline = patient->pipeline,
                              .instance = patient->instance,
                              .text = text,
                              .fix = fix};
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    findings_add(patient->findings, &finding);
}

/* A command for the daemon, such as "leat resume -c FILE --pipeline shop --sink bus". */
static const char *command(const struct patient *patient, char *out, size_t size, const char *verb)
{
    bool sink = *patient->instance && strcmp(patient->instance, "source") != 0;

    (void)snprintf(out, size, "leat %s %s --pipeline %s%s%s", verb, patient->reach,
                   patient->pipeline, sink ? " --sink " : "", sink ? patient->instance : "");
    return out;
}

static int64_t number(const struct tree_node *mapping, const char *dotted)
{
    return strtoll(admin_client_text(mapping, dotted), NULL, 10);
}

static bool is(const struct tree_node *mapping, const char *dotted, const char *text)
{
    return strcmp(admin_client_text(mapping, dotted), text) == 0;
}

/* ---- nobody answers ------------------------------------------------------------------------- */

/* Who holds the lock of the state directory, out of /proc/locks: to try to take it would disturb a
 * daemon that starts at this moment. */
static long lock_holder(const char *state_directory)
{
    char path[4200], line[512], type[16];
    unsigned int major_number, minor_number;
    unsigned long long inode;
    long pid, found = 0;
    struct stat lock;
    FILE *locks;

    (void)snprintf(path, sizeof path, "%s/lock", state_directory);
    if (stat(path, &lock) != 0 || !(locks = fopen("/proc/locks", "re")))
        return 0;
    while (found == 0 && fgets(line, sizeof line, locks))
        if (sscanf(line, "%*s %15s %*s %*s %ld %x:%x:%llu", type, &pid, &major_number,
                   &minor_number, &inode) == 5 &&
            strcmp(type, "FLOCK") == 0 && inode == lock.st_ino &&
            major_number == major(lock.st_dev) && minor_number == minor(lock.st_dev))
            found = pid;
    (void)fclose(locks);
    return found;
}

static void nobody_answers(struct patient *patient, int failure, const char *why)
{
    char text[ADMIN_ADDRESS + 256], fix[ADMIN_ADDRESS + 256];
    int exit_code =
        admin_client_explain(patient->client, failure, why, text, sizeof text, fix, sizeof fix);
    long pid = patient->config ? lock_holder(patient->config->state_directory) : 0;

    if (exit_code == EX_UNAVAILABLE && pid > 0)
        find(patient, LEAT_FINDING_ERROR, exit_code,
             "look at its log (journalctl -u leat); it may run with another http.listen, or hang",
             "%s, but process %ld runs with this state directory", text, pid);
    else
        find(patient, LEAT_FINDING_ERROR, exit_code, fix, "%s", text);
}

/* ---- what it says of itself ----------------------------------------------------------------- */

/* What helps against one of the reasons why it is not ready. */
static const char *advice(const struct patient *patient, const char *reason, char *out, size_t size)
{
    char resume[512], drop[512];

    if (strstr(reason, "paused"))
        return command(patient, out, size, "resume");
    if (strstr(reason, "dropped")) {
        (void)snprintf(out, size,
                       "%s\nand, where it says that a gap is possible: the same with "
                       "--accept-gap",
                       command(patient, resume, sizeof resume, "resume"));
        return out;
    }
    if (strstr(reason, "draining"))
        return "wait: it ends when all that is in flight is durable and confirmed";
    if (strstr(reason, "recorded"))
        return "make room in state_directory, or give it back to the daemon's user; nothing is "
               "confirmed until then, and nothing is lost";
    if (strstr(reason, "connection released"))
        return "leat let go of the slot, so that the server is not kept from stopping; it takes it "
               "again by itself when the server is back, or a sink takes records again";
    if (strncmp(reason, "the source is waiting", 21) == 0)
        return "somebody else reads the slot: if that is the other daemon of a pair, all is well; "
               "else find it:\nSELECT slot_name, active_pid FROM pg_replication_slots WHERE active";
    if (strncmp(reason, "the source is", 13) == 0)
        return "mend what the line says, or the server; the daemon tries again by itself";
    if (strncmp(reason, "sink ", 5) != 0)
        return NULL;
    (void)snprintf(out, size,
                   "mend what the line says, or the sink's server; the daemon tries again by "
                   "itself\nif that takes long and PostgreSQL's disk fills: %s",
                   command(patient, drop, sizeof drop, "drop"));
    return out;
}

/* One line of `reasons`, "pipeline shop: sink bus is down: why". */
static void look_at_reason(struct patient *patient, const char *line, size_t length)
{
    char text[1024], name[64] = "", fix[2048];
    const char *at = text;
    size_t head;

    (void)snprintf(text, sizeof text, "%.*s", (int)length, line);
    head = strlen("pipeline ") + strlen(patient->pipeline);
    if (strncmp(text, "pipeline ", 9) == 0 && strncmp(text + head, ": ", 2) == 0)
        at = text + head + 2;
    patient->instance = strncmp(at, "the source", 10) == 0 ? "source" : "";
    if (sscanf(at, "sink %63[a-z0-9_-]", name) == 1)
        patient->instance = name;
    bool wanted = strstr(at, "paused") || strstr(at, "dropped") || strstr(at, "draining");
    find(patient, wanted ? LEAT_FINDING_WARNING : LEAT_FINDING_ERROR, EX_UNAVAILABLE,
         advice(patient, at, fix, sizeof fix), "%s", at);
    patient->instance = "";
}

static void look_at_reasons(struct patient *patient, const struct tree_node *pipeline)
{
    const char *reasons = admin_client_text(pipeline, "reasons");

    while (*reasons) {
        size_t length = strcspn(reasons, "\n");
        if (length > 0)
            look_at_reason(patient, reasons, length);
        reasons += length + (reasons[length] == '\n');
    }
}

/* The sink that has most before it. */
static const char *slowest(const struct tree_node *pipeline)
{
    const struct tree_node *sinks = tree_find(pipeline, "sinks");
    const char *name = "";
    int64_t most = -1;

    for (const struct tree_node *at = sinks ? sinks->first : NULL; at; at = at->next) {
        int64_t waits = number(at, "waiting_batches") + number(at, "encoded_parts");
        if (waits > most) {
            most = waits;
            name = admin_client_text(at, "name");
        }
    }
    return name;
}

static void look_at_lag(struct patient *patient, const struct tree_node *pipeline)
{
    int64_t lag = number(pipeline, "positions.lag_bytes");
    int64_t unconfirmed = number(pipeline, "positions.unconfirmed_bytes");
    int64_t age_ms = number(pipeline, "positions.oldest_commit_ms");
    double pool = (double)number(pipeline, "pool_bytes");
    bool full = pool > 0 && (double)number(pipeline, "pool_used_bytes") / pool > POOL_FULL;
    char fix[512];

    if (unconfirmed > lag)
        lag = unconfirmed;
    if (lag < LAG_BYTES && age_ms < LAG_MS)
        return;
    if (full)
        (void)snprintf(fix, sizeof fix,
                       "sink %s is the slowest, its batches fill the memory: see what it waits for "
                       "(leat status %s)",
                       slowest(pipeline), patient->reach);
    else
        (void)snprintf(fix, sizeof fix, "see that it falls: leat status %s --watch",
                       patient->reach);
    find(patient, LEAT_FINDING_WARNING, 0, fix,
         "%" PRId64 " MiB of WAL are not confirmed, the oldest commit in flight is %" PRId64
         " s old",
         lag / (1024 * 1024), age_ms / 1000);
}

static void look_at_note(struct patient *patient, const struct tree_node *of)
{
    const char *text = admin_client_text(of, "last_error.text");

    if (*text)
        find(patient, LEAT_FINDING_NOTE, 0, NULL, "last warning, %s, %s time(s): %s",
             admin_client_text(of, "last_error.time"), admin_client_text(of, "last_error.count"),
             text);
}

static void look_at_sink(struct patient *patient, const struct tree_node *sink)
{
    patient->instance = admin_client_text(sink, "name");
    if (number(sink, "rejects") > 0)
        find(patient, LEAT_FINDING_WARNING, 0,
             "see why in the dead letters, and in the log: record rejected",
             "%" PRId64 " records were rejected and lie in its dead letters",
             number(sink, "rejects"));
    look_at_note(patient, sink);
    patient->instance = "";
}

static void look_at_pipeline(struct patient *patient, const struct tree_node *pipeline)
{
    const struct tree_node *sinks = tree_find(pipeline, "sinks");
    size_t before = patient->findings->counts[LEAT_FINDING_ERROR] +
                    patient->findings->counts[LEAT_FINDING_WARNING];

    patient->pipeline = admin_client_text(pipeline, "name");
    if (is(pipeline, "state", "ended"))
        find(patient, LEAT_FINDING_WARNING, 0,
             "it begins again with the daemon: systemctl restart leat",
             "it was drained, and has ended");
    look_at_reasons(patient, pipeline);
    look_at_lag(patient, pipeline);
    if (tree_find(pipeline, "source")) {
        patient->instance = "source";
        look_at_note(patient, tree_find(pipeline, "source"));
        patient->instance = "";
    }
    for (const struct tree_node *at = sinks ? sinks->first : NULL; at; at = at->next)
        look_at_sink(patient, at);
    if (before == patient->findings->counts[LEAT_FINDING_ERROR] +
                      patient->findings->counts[LEAT_FINDING_WARNING])
        find(patient, LEAT_FINDING_OK, 0, NULL, "runs: %s changes a second, confirmed up to %s",
             admin_client_text(pipeline, "source.changes_per_second"),
             admin_client_text(pipeline, "positions.recorded"));
    patient->pipeline = "";
}

/* ---- does it run what the file says? -------------------------------------------------------- */

static const struct tree_node *named(const struct tree_node *list, const char *name)
{
    for (const struct tree_node *at = list ? list->first : NULL; at; at = at->next)
        if (is(at, "name", name))
            return at;
    return NULL;
}

static void compare(struct patient *patient, const struct tree_node *status)
{
    const struct tree_node *pipelines = tree_find(status, "pipelines");
    char fix[ADMIN_ADDRESS + 32];

    (void)snprintf(fix, sizeof fix, "leat reload %s", patient->reach);
    for (size_t i = 0; i < patient->config->pipeline_count; i++) {
        const struct config_pipeline *pipeline = &patient->config->pipelines[i];
        const struct tree_node *runs = named(pipelines, pipeline->name);
        patient->pipeline = pipeline->name;
        if (!runs)
            find(patient, LEAT_FINDING_WARNING, 0, fix, "it is in the file, but does not run");
        for (size_t k = 0; runs && k < pipeline->sink_count; k++)
            if (!named(tree_find(runs, "sinks"), pipeline->sinks[k].name))
                find(patient, LEAT_FINDING_WARNING, 0, fix,
                     "sink %s is in the file, but does not run", pipeline->sinks[k].name);
    }
    for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next) {
        bool known = false;
        patient->pipeline = admin_client_text(at, "name");
        for (size_t i = 0; i < patient->config->pipeline_count; i++)
            known = known || is(at, "name", patient->config->pipelines[i].name);
        if (!known)
            find(patient, LEAT_FINDING_WARNING, 0, fix, "it runs, but is not in the file");
    }
    patient->pipeline = "";
}

static void look_at_daemon(struct patient *patient, const struct tree_node *status)
{
    struct stat socket;
    const char *path = patient->client->address + strlen("unix:");
    const struct passwd *user = NULL;
    char fix[ADMIN_ADDRESS + 128];

    patient->instance = "daemon";
    if (!is(status, "version", LEAT_VERSION))
        find(patient, LEAT_FINDING_WARNING, 0, "systemctl restart leat",
             "it runs version %s, and %s is installed", admin_client_text(status, "version"),
             LEAT_VERSION);
    if (is(status, "stopping", "true"))
        find(patient, LEAT_FINDING_WARNING, 0, NULL, "it is about to end");
    if (is(status, "log_level", "debug")) {
        (void)snprintf(fix, sizeof fix, "leat loglevel info %s", patient->reach);
        find(patient, LEAT_FINDING_NOTE, 0, fix, "its log level is debug");
    }
    if (strncmp(patient->client->address, "unix:", 5) == 0 && stat(path, &socket) == 0 &&
        socket.st_uid != geteuid() && (user = getpwuid(socket.st_uid)) != NULL) {
        (void)snprintf(fix, sizeof fix, "sudo -u %s leat doctor %s", user->pw_name, patient->reach);
        find(patient, LEAT_FINDING_NOTE, 0, fix,
             "it runs as user %s: files and folders were checked with other rights", user->pw_name);
    }
    patient->instance = "";
}

void doctor_look(struct findings *findings, const struct admin_client *client,
                 const struct config *config)
{
    struct patient patient = {.findings = findings,
                              .client = client,
                              .config = config,
                              .pipeline = "",
                              .instance = "daemon"};
    struct region region = {0};
    struct text_buffer body = {0};
    const char *why = "";
    const struct tree_node *status = NULL;
    int code = admin_client_ask(client, "GET", "/status", &body, &why);
    int failure = errno;

    patient.reach = region_print(&region, "%s %s", client->config ? "-c" : "--socket",
                                 client->config                              ? client->config
                                 : strncmp(client->address, "unix:", 5) == 0 ? client->address + 5
                                                                             : client->address);
    if (code == 200)
        status = admin_client_parse(body.text, body.length, &region);
    if (code == 0) {
        nobody_answers(&patient, failure, why);
    } else if (!status) {
        find(&patient, LEAT_FINDING_ERROR, EX_UNAVAILABLE,
             "something else than leat answers there: correct http.listen",
             "%s answers with %d, and not as leat does", client->address, code);
    } else {
        const struct tree_node *pipelines = tree_find(status, "pipelines");
        look_at_daemon(&patient, status);
        for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next)
            look_at_pipeline(&patient, at);
        if (config)
            compare(&patient, status);
    }
    region_fini(&region);
    free(body.text);
}
