/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptor.c -- the trial of what the file itself says: its note, its constant, its table of
 * options.  [child, main]
 */
#include "plugin_load.h"
#include "process.h"
#include "route.h"
#include "subject.h"
#include "trials.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool sounds_secret(const char *name)
{
    static const char *const words[] = {"password", "passwd",     "secret",
                                        "token",    "passphrase", "credential"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(name, words[i]);
        size_t len = strlen(words[i]);
        /* "token_file" and "credentials" name a place; what ends with the word is the secret
         * itself. */
        if (at && !at[len])
            return true;
    }
    return false;
}

static bool is_lower_name(const char *text)
{
    bool ok = islower((unsigned char)*text) != 0;
    for (; *text; text++)
        ok = ok && (islower((unsigned char)*text) || isdigit((unsigned char)*text) ||
                    *text == '_' || *text == '.');
    return ok;
}

static void check_rows(void)
{
    size_t count;
    const leat_option *rows = plugin_options(subject.plugin, &count);
    const uint32_t known = LEAT_OPT_REQUIRED | LEAT_OPT_SECRET | LEAT_OPT_RELOADABLE |
                           LEAT_OPT_DEPRECATED | LEAT_OPT_ALONE | LEAT_OPT_PATH;
    for (size_t i = 0; i < count; i++) {
        const leat_option *row = &rows[i];
        if (!is_lower_name(row->name))
            finding(C_OPTIONS, "option \"%s\": a name is a-z, 0-9, _ and the dots of sections",
                    row->name);
        if (!row->help || !*row->help || strchr(row->help, '\n'))
            finding(C_OPTIONS, "option \"%s\" has no help of one line", row->name);
        if (row->flags & ~known)
            finding(C_OPTIONS, "option \"%s\" has unknown flags 0x%x", row->name,
                    row->flags & ~known);
        if ((row->flags & LEAT_OPT_REQUIRED) && row->dflt)
            finding(C_OPTIONS, "option \"%s\" is required and has a default", row->name);
        if ((row->flags & LEAT_OPT_SECRET) && row->dflt)
            finding(C_OPTIONS, "option \"%s\" is a secret with a default that everybody knows",
                    row->name);
        if (row->type == LEAT_OPT_STRING && sounds_secret(row->name) &&
            !(row->flags & LEAT_OPT_SECRET))
            finding(C_OPTIONS,
                    "option \"%s\" sounds like a secret and is not marked LEAT_OPT_SECRET",
                    row->name);
    }
}

static void check_rules(const leat_route_rules *rules)
{
    if (!rules)
        return;
    if (!rules->allowed || !rules->literal || rules->max_length == 0)
        finding(C_DESCRIPTOR, "the route rules lack allowed, literal or max_length");
    else if (strchr(rules->allowed, rules->escape))
        finding(C_DESCRIPTOR, "the route rules allow their own escape '%c' in names",
                rules->escape);
    else if (rules->fallback) {
        char error[LEAT_ERROR_TEXT] = "";
        size_t at = 0;
        const char *wrong = route_check(rules->fallback, rules, error, sizeof error, &at);
        if (wrong)
            finding(C_DESCRIPTOR, "the fallback route \"%s\" breaks the rules: %s", rules->fallback,
                    wrong);
    }
}

static void check_texts(const leat_plugin *descriptor)
{
    if (!is_lower_name(descriptor->name) || strchr(descriptor->name, '.'))
        finding(C_DESCRIPTOR, "the name \"%s\" is not made of a-z, 0-9 and _", descriptor->name);
    if (!descriptor->license || !*descriptor->license)
        finding(C_DESCRIPTOR, "the descriptor names no license");
    if (!descriptor->summary || !*descriptor->summary || strchr(descriptor->summary, '\n'))
        finding(C_DESCRIPTOR, "the descriptor has no summary of one line");
}

static void check_note(const struct elfnote *note, enum elfnote_result has_note,
                       const leat_plugin *descriptor)
{
    if (has_note != ELFNOTE_FOUND) {
        finding(C_DESCRIPTOR,
                "the file has no note of its ABI: package tools cannot read it (LEAT_ELF_NOTE)");
        return;
    }
    if (note->major != descriptor->abi_major || note->minor != descriptor->abi_minor ||
        note->minor_needed != descriptor->abi_minor_needed)
        finding(C_DESCRIPTOR,
                "the note says ABI %u.%u needing %u.%u, the descriptor %u.%u needing %u.%u",
                note->major, note->minor, note->major, note->minor_needed, descriptor->abi_major,
                descriptor->abi_minor, descriptor->abi_major, descriptor->abi_minor_needed);
    if (descriptor->abi_minor_needed > descriptor->abi_minor)
        finding(C_DESCRIPTOR, "it needs minor %u and was built with %u",
                descriptor->abi_minor_needed, descriptor->abi_minor);
}

void trial_descriptor(void)
{
    struct elfnote note = {0};
    enum elfnote_result has_note;
    struct resources before = process_resources(UINT32_MAX), after;
    subject_open(&note, &has_note);
    after = process_resources(before.threads);
    if (after.threads > before.threads)
        finding(C_LOADING, "loading started %u threads", after.threads - before.threads);
    if (after.fds > before.fds)
        finding(C_LOADING, "loading opened %u file descriptors", after.fds - before.fds);
    const leat_plugin *descriptor = &subject.plugin->descriptor;
    unsigned major, minor;
    plugin_abi(subject.plugin, &major, &minor);
    page->kind = plugin_kind(subject.plugin);
    page->abi_major = major;
    page->abi_minor = minor;
    page->caps = subject.sink ? subject.sink->caps : 0;
    (void)snprintf(page->name, sizeof page->name, "%s", plugin_name(subject.plugin));
    (void)snprintf(page->version, sizeof page->version, "%s", plugin_version(subject.plugin));
    check_note(&note, has_note, descriptor);
    check_texts(descriptor);
    check_rows();
    if (subject.sink) {
        check_rules(subject.sink->route);
        if (subject.sink->caps &
            ~(uint32_t)(LEAT_SINK_WANTS_KEY | LEAT_SINK_WANTS_ID | LEAT_SINK_LINES |
                        LEAT_SINK_OUT_OF_ORDER | LEAT_SINK_RAW_ROWS))
            finding(C_DESCRIPTOR, "caps 0x%x has bits that this ABI does not know",
                    subject.sink->caps);
    }
    subject_configure();
}
