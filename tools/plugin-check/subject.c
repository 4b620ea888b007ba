/* SPDX-License-Identifier: Apache-2.0
 *
 * subject.c -- see subject.h.  The core's own loader, tables and templates do the work.
 */
#include "subject.h"

#include "config_tables.h"
#include "elfnote.h"
#include "encode.h"
#include "options.h"
#include "plugin_load.h"
#include "problems.h"
#include "process.h"
#include "region.h"
#include "route.h"
#include "tree.h"
#include "trial.h"
#include "trust.h"

#include <ctype.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_MAX = 64 };

struct subject subject;

static struct region region;

static _Noreturn void refuse(const char *why)
{
    (void)snprintf(page->skipped, sizeof page->skipped, "%.250s", why);
    give_up();
}

/* ---- loading --------------------------------------------------------------------------------- */

static const struct plugin *load(struct elfnote *note, enum elfnote_result *has_note)
{
    static char why[1024];
    char real[PATH_MAX];
    int fd = trust_open(settings.library, real, why, sizeof why);
    if (fd < 0)
        refuse(why);
    *has_note = elfnote_read(fd, note);
    call_begin("loading", settings.timeout_ms);
    const struct plugin *plugin = plugin_load(fd, real, NULL, why, sizeof why);
    (void)call_end();
    (void)close(fd);
    if (!plugin) {
        finding(strstr(why, "option") ? C_OPTIONS : C_DESCRIPTOR, "the daemon refuses it: %s", why);
        give_up();
    }
    return plugin;
}

static int find_code(struct dl_phdr_info *info, size_t size, void *context)
{
    const unsigned char *known = context;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD)
            continue;
        uintptr_t at = info->dlpi_addr + part->p_vaddr;
        begin = at < begin ? at : begin;
        end = at + part->p_memsz > end ? at + part->p_memsz : end;
    }
    if ((uintptr_t)known < begin || (uintptr_t)known >= end)
        return 0;
    subject.code_begin = (const void *)begin;
    subject.code_end = (const void *)end;
    return 1;
}

/* ---- configuring ----------------------------------------------------------------------------- */

static const struct tree_node *read_file(struct problems *problems)
{
    static const struct tree_node nothing = {.kind = TREE_MAPPING, .line = 1, .column = 1};
    static char text[TREE_TEXT_MAX];
    if (!settings.config)
        return &nothing;
    FILE *file = fopen(settings.config, "re");
    if (!file)
        refuse("the configuration cannot be read");
    size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    const struct tree_node *root = tree_load(text, len, &region, problems);
    return root ? root : &nothing;
}

static void refuse_for(struct problems *problems)
{
    char first[512];
    if (problems_errors(problems) == 0)
        return;
    problems_first(problems, first, sizeof first);
    (void)snprintf(page->skipped, sizeof page->skipped, "%.250s", first);
    give_up();
}

static void configure(void)
{
    bool is_sink = subject.sink != NULL;
    const struct config_table *core = is_sink ? &config_sink_table : &config_source_table;
    static leat_option rows[ROWS_MAX];
    static struct config_sink_file sink_file;
    static struct config_source_file source_file;
    struct problems *problems =
        problems_create(settings.config ? settings.config : "without --config");
    struct options_reader reader = {&region, problems, "."};
    struct options_target targets[2] = {
        {rows, core->count, is_sink ? (void *)&sink_file : (void *)&source_file}, {0}};
    if (core->count > ROWS_MAX)
        refuse("the core has more options than expected");
    for (size_t i = 0; i < core->count; i++) { /* neither a name nor a plugin is needed here */
        rows[i] = core->rows[i];
        rows[i].flags &= ~(uint32_t)LEAT_OPT_REQUIRED;
    }
    void *options = region_take(&region, plugin_config_size(subject.plugin) + 1);
    targets[1].rows = plugin_options(subject.plugin, &targets[1].count);
    targets[1].into = options;
    subject.templates = region_take(&region, sizeof *subject.templates);
    const struct tree_node *root = read_file(problems);
    refuse_for(problems);
    (void)options_fill(&reader, root, targets, 2, "the plugin", 0, subject.templates);
    refuse_for(problems);
    problems_destroy(problems);
    subject.options = options;
    subject.config = sink_file.sink;
    subject.config.plugin = subject.plugin;
    subject.config.options = options;
    if (!subject.config.name)
        subject.config.name = "check";
}

static void prepare_sink(void)
{
    const struct config_sink *config = &subject.config;
    const leat_route_rules *rules = subject.sink->route;
    struct encode_options encoding = {config->format, config->numeric, config->int8, config->bytea,
                                      config->timestamp};
    char error[LEAT_ERROR_TEXT] = "";
    subject.encoder = encoder_create(&encoding);
    if (rules && rules->required && !config->route)
        refuse("this sink needs a route: write one into the file that --config names, for example "
               "route: \"check.{schema}.{table}\"");
    if (rules && (config->route || rules->fallback)) {
        subject.router = router_create(config, rules, error, sizeof error);
        if (!subject.router)
            refuse(error);
    }
}

void subject_load(void)
{
    struct elfnote note = {0};
    enum elfnote_result has_note;
    subject.plugin = load(&note, &has_note);
    subject.sink = plugin_sink_ops(subject.plugin);
    subject.source = plugin_source_ops(subject.plugin);
    const void *known = subject.sink ? (const void *)(uintptr_t)subject.sink->create
                                     : (const void *)(uintptr_t)subject.source->create;
    (void)dl_iterate_phdr(find_code, (void *)(uintptr_t)known);
    configure();
    if (subject.sink)
        prepare_sink();
    process_remember();
}

/* ---- services -------------------------------------------------------------------------------- */

static leat_status secret(const leat_host *host, const char *option, char *out, size_t size)
{
    (void)host;
    return options_expand(subject.templates, option, out, size);
}

static void state(const leat_host *host, int32_t number, const char *detail)
{
    (void)host;
    (void)detail;
    if (number < LEAT_STATE_STARTING || number > LEAT_STATE_FAILED)
        finding(C_STATUS, "the source reported %d, which is no LEAT_STATE", (int)number);
}

static void received(const leat_host *host, uint64_t bytes, uint64_t position)
{
    (void)host;
    (void)bytes;
    (void)position;
}

const void *subject_extension(const leat_host *host, const char *id)
{
    static const leat_secrets secrets = {.size = sizeof secrets, .current = secret};
    static const leat_reporting reporting = {
        .size = sizeof reporting, .state = state, .received = received};
    (void)host;
    if (strcmp(id, LEAT_EXTENSION_SECRETS) == 0)
        return &secrets;
    return subject.source && strcmp(id, LEAT_EXTENSION_STATUS) == 0 ? &reporting : NULL;
}

/* ---- what the file says ---------------------------------------------------------------------- */

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
    const uint32_t known =
        LEAT_OPT_REQUIRED | LEAT_OPT_SECRET | LEAT_OPT_RELOADABLE | LEAT_OPT_DEPRECATED;
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
    subject.plugin = load(&note, &has_note);
    after = process_resources(before.threads);
    if (after.threads > before.threads)
        finding(C_LOADING, "loading started %u threads", after.threads - before.threads);
    if (after.fds > before.fds)
        finding(C_LOADING, "loading opened %u file descriptors", after.fds - before.fds);
    const leat_plugin *descriptor = &subject.plugin->descriptor;
    subject.sink = plugin_sink_ops(subject.plugin);
    subject.source = plugin_source_ops(subject.plugin);
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
    configure();
    if (subject.sink)
        prepare_sink();
}
