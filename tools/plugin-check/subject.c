/* SPDX-License-Identifier: Apache-2.0
 *
 * subject.c -- see subject.h.  The core's own loader, tables and templates do the work.
 */
#include "subject.h"

#include "config_tables.h"
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

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
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

void subject_open(struct elfnote *note, enum elfnote_result *has_note)
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
    subject.plugin = plugin;
    subject.sink = plugin_sink_ops(plugin);
    subject.source = plugin_source_ops(plugin);
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

static void fill_options(void)
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

void subject_configure(void)
{
    fill_options();
    if (subject.sink)
        prepare_sink();
}

void subject_load(void)
{
    struct elfnote note = {0};
    enum elfnote_result has_note;
    subject_open(&note, &has_note);
    const void *known = subject.sink ? (const void *)(uintptr_t)subject.sink->create
                                     : (const void *)(uintptr_t)subject.source->create;
    (void)dl_iterate_phdr(find_code, (void *)(uintptr_t)known);
    subject_configure();
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
