/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_complete.c -- leat __complete WORD...: what may stand in place of the last word.  [main]
 *
 * For the shells' completion scripts, which hand over the words behind "leat".  Answers lines of
 * "candidate TAB description", not filtered by what is typed already; or one of ":yaml", ":files"
 * and
 * ":folders", which the shell knows how to do.  Options come out of the commands' own help, names
 * out of the configuration or the daemon, so nothing here can drift.  Never says what went wrong.
 */
#include "command_table.h"
#include "commands.h"

#include "admin_client.h"
#include "config_peek.h"
#include "plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct typed {
    const char *command;
    int count; /* words, the last one included */
    char **words;
    const char *config, *socket, *pipeline;
    bool component;
};

/* The value of an option that stands before the last word; NULL: it does not. */
static const char *value_of(const struct typed *typed, const char *name, const char *short_name)
{
    size_t length = strlen(name);
    const char *found = NULL;

    for (int i = 1; i < typed->count - 1; i++) {
        const char *word = typed->words[i];
        if ((strcmp(word, name) == 0 || (short_name && strcmp(word, short_name) == 0)) &&
            i + 1 < typed->count - 1)
            found = typed->words[i + 1];
        else if (strncmp(word, name, length) == 0 && word[length] == '=')
            found = word + length + 1;
    }
    return found;
}

static void put(const char *word, const char *about)
{
    (void)printf("%s\t%s\n", word, about);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* what: 'p' pipelines, 's' sinks, 'c' components. */
static void put_names(const struct typed *typed, char what, const char *pipeline, const char *sink,
                      bool first)
{
    char both[160];

    if (typed->pipeline && what == 's' && strcmp(typed->pipeline, pipeline) != 0)
        return;
    if (what == 'p' && first)
        put(pipeline, "");
    if (what == 'c' && first) {
        (void)snprintf(both, sizeof both, "%.63s/source", pipeline);
        put(both, "");
    }
    if (what == 's' && sink)
        put(sink, pipeline);
    if (what == 'c' && sink) {
        (void)snprintf(both, sizeof both, "%.63s/%.63s", pipeline, sink);
        put(both, "");
        put(sink, "");
    }
}

static void names_of_file(const struct typed *typed, char what)
{
    struct config_peek peek;

    if (config_peek(typed->config, &peek, NULL) == EX_OK)
        for (size_t i = 0; i < peek.pipeline_count; i++) {
            const leat_strings *sinks = &peek.pipelines[i].sinks;
            put_names(typed, what, peek.pipelines[i].name, NULL, true);
            for (size_t k = 0; k < sinks->count; k++)
                put_names(typed, what, peek.pipelines[i].name, sinks->items[k], false);
        }
    config_peek_fini(&peek);
}

static void names_of_daemon(const struct typed *typed, char what)
{
    struct admin_client client;
    struct region region = {0};
    const struct tree_node *status = NULL, *pipelines, *sinks;
    int exit_code;

    if (admin_client_find(&client, NULL, typed->socket, false) == EX_OK)
        status = admin_client_status(&client, &region, NULL, &exit_code);
    pipelines = status ? tree_find(status, "pipelines") : NULL;
    for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next) {
        const char *name = admin_client_text(at, "name");
        put_names(typed, what, name, NULL, true);
        sinks = tree_find(at, "sinks");
        for (const struct tree_node *sink = sinks ? sinks->first : NULL; sink; sink = sink->next)
            put_names(typed, what, name, admin_client_text(sink, "name"), false);
    }
    region_fini(&region);
}

static void names(const struct typed *typed, char what)
{
    if (typed->config)
        names_of_file(typed, what);
    else
        names_of_daemon(typed, what);
}

static void components(const struct typed *typed)
{
    put("core", "");
    put("source", "");
    names(typed, 'c');
}

static void plugin_names(const struct typed *typed)
{
    char why[256];
    struct plugins *plugins = plugins_open(value_of(typed, "--plugins", NULL), why, sizeof why);

    for (size_t i = 0; plugins && i < plugins_count(plugins); i++) {
        const struct plugin_description *plugin = plugins_at(plugins, i);
        if (plugin->name)
            put(plugin->name, plugin->summary ? plugin->summary : "");
    }
    plugins_close(plugins);
}

/* ---- options -------------------------------------------------------------------------------- */

/* A candidate of the help text: "--json", "-c".  Longer than those it is not. */
static void put_option(const char *at, size_t length, char seen[1024])
{
    char word[48];

    if (length + 3 > sizeof word)
        return;
    (void)snprintf(word, sizeof word, " %.*s ", (int)length, at);
    if (strstr(seen, word) || strlen(seen) + strlen(word) >= 1024)
        return;
    (void)strcat(seen, word);
    (void)printf("%.*s\t\n", (int)length, at);
}

static void options_of_text(const char *text)
{
    char seen[1024] = " ";

    for (const char *at = text; *at; at++) {
        size_t length = strspn(at, "-abcdefghijklmnopqrstuvwxyz");
        bool begins = at == text || strchr(" [|(\n", at[-1]);
        if (begins && at[0] == '-' &&
            (length == 2 ? at[1] != '-' : length > 3 && at[1] == '-' && at[2] != '-'))
            put_option(at, length, seen);
        at += length > 0 ? length - 1 : 0;
    }
    put_option("--help", 6, seen);
}

/* What the command's --help prints. */
static void options(const struct typed *typed)
{
    static char help[] = "--help";
    const struct command_entry *command = command_find(typed->command);
    char *arguments[] = {typed->words[0], help, NULL};
    char *text = NULL;
    size_t size = 0;
    FILE *before = stdout, *into = command ? open_memstream(&text, &size) : NULL;

    if (!into)
        return;
    stdout = into;
    (void)command->run(2, arguments);
    stdout = before;
    (void)fclose(into);
    if (text)
        options_of_text(text);
    free(text);
}

/* ---- what stands in a place ----------------------------------------------------------------- */

static const char *const fixed[][6] = {
    {"--format", "json", "msgpack", NULL},
    {"--from", "now", "slot", NULL},
    {"slot", "create", "drop", "show", NULL},
    {"loglevel", "error", "warn", "info", "debug", NULL},
};

static bool put_fixed(const char *of)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(fixed[i][0], of) != 0)
            continue;
        for (size_t k = 1; fixed[i][k]; k++)
            put(fixed[i][k], "");
        return true;
    }
    return false;
}

/* False: the option takes no value, so the last word is something else. */
static bool value(const struct typed *typed, const char *option)
{
    static const char *const ops[] = {"insert", "update", "delete", "truncate", "message"};

    if (strcmp(option, "-c") == 0 || strcmp(option, "--config") == 0)
        (void)puts(":yaml");
    else if (strcmp(option, "--socket") == 0)
        (void)puts(":files");
    else if (strcmp(option, "--plugins") == 0)
        (void)puts(":folders");
    else if (strcmp(option, "--pipeline") == 0)
        names(typed, 'p');
    else if (strcmp(option, "--sink") == 0 || strcmp(option, "--route") == 0)
        names(typed, 's');
    else if (strcmp(option, "--component") == 0)
        components(typed);
    else if (strcmp(option, "--mdoc") == 0)
        plugin_names(typed);
    else if (strcmp(option, "--op") == 0)
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
            put(ops[i], "");
    else if (strcmp(option, "--table") != 0 && strcmp(option, "--count") != 0)
        return put_fixed(option);
    return true;
}

/* The first word that is neither an option nor its value has been typed already. */
static bool has_operand(const struct typed *typed)
{
    static const char with_value[] =
        " -c --config --socket --pipeline --sink --route --component --plugins --mdoc ";
    char word[48];

    for (int i = 1; i < typed->count - 1; i++) {
        (void)snprintf(word, sizeof word, " %.40s ", typed->words[i]);
        if (strstr(with_value, word))
            i++;
        else if (typed->words[i][0] != '-')
            return true;
    }
    return false;
}

static void complete(const struct typed *typed)
{
    const char *last = typed->words[typed->count - 1];
    const char *sign = strncmp(last, "--", 2) == 0 ? strchr(last, '=') : NULL;
    char option[48];

    if (typed->count == 1) {
        for (size_t i = 0; i < command_table_size; i++)
            put(command_table[i].name, command_table[i].summary);
        return;
    }
    (void)snprintf(option, sizeof option, "%.*s", sign ? (int)(sign - last) : 47,
                   sign ? last : typed->words[typed->count - 2]);
    if (option[0] == '-' && value(typed, option))
        return;
    if (last[0] == '-')
        options(typed);
    else if (strcmp(typed->command, "plugins") == 0 && !has_operand(typed))
        plugin_names(typed);
    else if (!has_operand(typed) && put_fixed(typed->command) && typed->component)
        put("default", "");
}

int cmd_complete(int argc, char **argv)
{
    struct typed typed = {.count = argc - 1, .words = argv + 1};

    if (typed.count < 1)
        return EX_USAGE;
    typed.command = typed.words[0];
    typed.config = value_of(&typed, "--config", "-c");
    typed.socket = value_of(&typed, "--socket", NULL);
    typed.pipeline = value_of(&typed, "--pipeline", NULL);
    typed.component = value_of(&typed, "--component", NULL) != NULL;
    complete(&typed);
    return EX_OK;
}
