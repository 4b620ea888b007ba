/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor.c -- see doctor.h.
 */
#include "doctor_internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sysexits.h>
#include <unistd.h>

void doctor__find(struct patient *patient, int32_t severity, int exit_code, const char *fix,
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

bool doctor__is(const struct tree_node *mapping, const char *dotted, const char *text)
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
        doctor__find(
            patient, LEAT_FINDING_ERROR, exit_code,
            "look at its log (journalctl -u leat); it may run with another http.listen, or hang",
            "%s, but process %ld runs with this state directory", text, pid);
    else
        doctor__find(patient, LEAT_FINDING_ERROR, exit_code, fix, "%s", text);
}

/* ---- does it run what the file says? -------------------------------------------------------- */

static const struct tree_node *named(const struct tree_node *list, const char *name)
{
    for (const struct tree_node *at = list ? list->first : NULL; at; at = at->next)
        if (doctor__is(at, "name", name))
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
            doctor__find(patient, LEAT_FINDING_WARNING, 0, fix,
                         "it is in the file, but does not run");
        for (size_t k = 0; runs && k < pipeline->sink_count; k++)
            if (!named(tree_find(runs, "sinks"), pipeline->sinks[k].name))
                doctor__find(patient, LEAT_FINDING_WARNING, 0, fix,
                             "sink %s is in the file, but does not run", pipeline->sinks[k].name);
    }
    for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next) {
        bool known = false;
        patient->pipeline = admin_client_text(at, "name");
        for (size_t i = 0; i < patient->config->pipeline_count; i++)
            known = known || doctor__is(at, "name", patient->config->pipelines[i].name);
        if (!known)
            doctor__find(patient, LEAT_FINDING_WARNING, 0, fix, "it runs, but is not in the file");
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
    if (!doctor__is(status, "version", LEAT_VERSION))
        doctor__find(patient, LEAT_FINDING_WARNING, 0, "systemctl restart leat",
                     "it runs version %s, and %s is installed",
                     admin_client_text(status, "version"), LEAT_VERSION);
    if (doctor__is(status, "stopping", "true"))
        doctor__find(patient, LEAT_FINDING_WARNING, 0, NULL, "it is about to end");
    if (doctor__is(status, "log_level", "debug")) {
        (void)snprintf(fix, sizeof fix, "leat loglevel info %s", patient->reach);
        doctor__find(patient, LEAT_FINDING_NOTE, 0, fix, "its log level is debug");
    }
    if (strncmp(patient->client->address, "unix:", 5) == 0 && stat(path, &socket) == 0 &&
        socket.st_uid != geteuid() && (user = getpwuid(socket.st_uid)) != NULL) {
        (void)snprintf(fix, sizeof fix, "sudo -u %s leat doctor %s", user->pw_name, patient->reach);
        doctor__find(patient, LEAT_FINDING_NOTE, 0, fix,
                     "it runs as user %s: files and folders were checked with other rights",
                     user->pw_name);
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
        doctor__find(&patient, LEAT_FINDING_ERROR, EX_UNAVAILABLE,
                     "something else than leat answers there: correct http.listen",
                     "%s answers with %d, and not as leat does", client->address, code);
    } else {
        const struct tree_node *pipelines = tree_find(status, "pipelines");
        look_at_daemon(&patient, status);
        for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next)
            doctor__look_at_pipeline(&patient, at);
        if (config)
            compare(&patient, status);
    }
    region_fini(&region);
    free(body.text);
}
