/* SPDX-License-Identifier: Apache-2.0
 *
 * config.c -- a configuration file from its path to the checked struct.  See config.h.
 */
#include "config.h"

#include "config_internal.h"
#include "config_log.h"
#include "config_places.h"
#include "file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* What a struct config is part of. */
struct config_owner {
    struct config config; /* first: config_destroy gets only this */
    struct region region;
    struct plugins *plugins;
};

bool config_is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return len >= 1 && len <= 63 && !name[len];
}

const char *config_path(const struct config_reader *reader, const char *path)
{
    if (!path || path[0] == '/')
        return path;
    return region_print(reader->options.region, "%s/%s", reader->options.folder, path);
}

static const struct tree_node *place(const struct tree_node *root, const char *option)
{
    const struct tree_node *node = tree_find(root, option);
    return node ? node : root;
}

/* A name or number, or [an address with colons]. */
static bool is_host(const char *text, size_t length)
{
    if (length > 2 && text[0] == '[' && text[length - 1] == ']')
        return memchr(text, '/', length) == NULL;
    for (size_t i = 0; i < length; i++)
        if (strchr(":/[] ", text[i]))
            return false;
    return length > 0;
}

/* "unix:/path", "HOST:PORT", or "none" alone. */
static const char *wrong_address(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0) {
        if (address[5] != '/')
            return "its path is not absolute; write unix:/PATH";
        return strlen(address + 5) < 108 ? NULL : "its path is longer than 107 bytes; shorten it";
    }
    const char *colon = strrchr(address, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!colon || !is_host(address, (size_t)(colon - address)) || digits == 0 || digits > 5 ||
        colon[1 + digits] || atoi(colon + 1) > 65535)
        return "it is no address; write unix:/PATH or HOST:PORT, or none";
    return NULL;
}

static bool is_listed_before(const leat_strings *listen, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(listen->items[i], listen->items[index]) == 0)
            return true;
    return false;
}

/* What depends on which daemon it is: see config_places.h. */
static void set_places(const struct config_reader *reader, const struct tree_node *root,
                       struct config *config)
{
    struct region *region = reader->options.region;
    struct config_places places;
    const char **listen = region_take(region, sizeof *listen);

    config_places(config->path, &places);
    config->http_written = tree_find(root, "http.listen") != NULL;
    if (!tree_find(root, "state_directory"))
        config->state_directory = region_text(region, places.state, strlen(places.state));
    if (config->http_written)
        return;
    listen[0] = region_text(region, places.listen, strlen(places.listen));
    config->http_listen = (leat_strings){listen, 1};
}

static void check_listen(const struct config_reader *reader, const struct tree_node *root,
                         struct config *config)
{
    const struct tree_node *at = place(root, "http.listen");
    leat_strings *listen = &config->http_listen;
    char quoted[PROBLEMS_QUOTE];
    if (listen->count == 1 && strcmp(listen->items[0], "none") == 0) {
        listen->count = 0;
        return;
    }
    for (size_t i = 0; i < listen->count; i++) {
        const char *wrong = wrong_address(listen->items[i]);
        if (!wrong && is_listed_before(listen, i))
            wrong = "it is listed twice; remove one";
        if (wrong)
            problems_add(reader->options.problems, at->line, at->column,
                         "\"http.listen\": \"%s\": %s", problems_quote(quoted, listen->items[i]),
                         wrong);
    }
}

/* Behind the pipelines, whose names it may hold. */
static void check_log_levels(const struct config_reader *reader, const struct tree_node *root,
                             const struct config *config)
{
    const struct tree_node *at = place(root, "log.levels");
    char quoted[PROBLEMS_QUOTE];

    if (config->log_levels.count > 32)
        problems_add(reader->options.problems, at->line, at->column,
                     "\"log.levels\": more than 32 components; leave some out");
    for (size_t i = 0; i < config->log_levels.count; i++) {
        const leat_pair *pair = &config->log_levels.items[i];
        if (config_log_level(pair->value) < 0)
            problems_add(reader->options.problems, at->line, at->column,
                         "\"log.levels\": \"%s\" is no level; write error, warn, info or debug",
                         problems_quote(quoted, pair->value));
        if (config->pipelines && !config_log_is_component(config, pair->name))
            problems_add(reader->options.problems, at->line, at->column,
                         "\"log.levels\": there is no component \"%s\"; write core, source, a "
                         "sink's name, PIPELINE/source or PIPELINE/SINK",
                         problems_quote(quoted, pair->name));
    }
}

static struct plugins *open_plugins(struct config_reader *reader, const struct tree_node *root,
                                    struct config *config)
{
    char why[1024];
    const struct tree_node *at = place(root, "plugins");
    struct plugins *plugins = plugins_open(config_path(reader, config->plugins), why, sizeof why);
    if (plugins)
        config->plugins = plugins_folder(plugins);
    else
        problems_add(reader->options.problems, at->line, at->column,
                     "the folder of plugin descriptions cannot be used: %s", why);
    return plugins;
}

void config_read(struct config_reader *reader, const char *text, size_t len, struct config *config,
                 struct plugins **plugins)
{
    struct config_top_file file = {0};
    struct options_target target = {config_top_table.rows, config_top_table.count, &file};
    const struct tree_node *root =
        tree_load(text, len, reader->options.region, reader->options.problems);
    if (!root)
        return;
    options_fill(&reader->options, root, &target, 1, "the configuration", 0, NULL);
    const char *path = config->path;
    *config = file.config;
    config->path = path;
    if (root->kind != TREE_MAPPING)
        return;
    set_places(reader, root, config);
    config->state_directory = config_path(reader, config->state_directory);
    check_listen(reader, root, config);
    *plugins = open_plugins(reader, root, config);
    reader->plugins = *plugins;
    config->installed = *plugins;
    if (file.pipelines)
        config_read_pipelines(reader, file.pipelines, config);
    check_log_levels(reader, root, config);
}

/* False: reported, with the exit code. */
static bool judge_file(struct problems *problems, int fd, int *exit_code)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        problems_add(problems, 0, 0, "%s", strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        problems_add(problems, 0, 0, "not a regular file; name one with -c");
        return false;
    }
    /* A group of the user's own is nobody else. */
    bool own_group = st.st_gid == getegid() && st.st_uid == geteuid();
    if (!(st.st_mode & S_IWOTH) && (own_group || !(st.st_mode & S_IWGRP)))
        return true;
    problems_add(problems, 0, 0, "mode %04o lets %s write it; run chmod go-w on it",
                 (unsigned)(st.st_mode & 07777), st.st_mode & S_IWOTH ? "everybody" : "its group");
    *exit_code = EX_NOPERM;
    return false;
}

char *config__read_file(const char *path, struct region *region, struct problems *problems,
                        size_t *len, int *exit_code)
{
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        *exit_code = errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CONFIG;
        problems_add(problems, 0, 0, "%s; name a configuration with -c", strerror(errno));
        return NULL;
    }
    if (judge_file(problems, fd, exit_code)) {
        text = file_text(fd, region, TREE_TEXT_MAX, len);
        if (!text)
            problems_add(problems, 0, 0, "%s", strerror(errno));
    }
    (void)close(fd);
    return text;
}

/* The folder of a path, absolute and without links where it exists. */
const char *config__folder_of(const char *path, struct region *region)
{
    char real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *folder = !slash          ? "."
                         : slash == path ? "/"
                                         : region_text(region, path, (size_t)(slash - path));
    return realpath(folder, real) ? region_text(region, real, strlen(real)) : folder;
}

struct config *config_load(const char *path, FILE *errors, int *exit_code)
{
    struct region region = {0};
    struct config_owner *owner = region_take(&region, sizeof *owner);
    struct problems *problems = problems_create(path);
    size_t len = 0;
    owner->region = region;
    *exit_code = EX_CONFIG;
    struct config_reader reader = {
        {&owner->region, problems, config__folder_of(path, &owner->region)}, NULL};
    owner->config.path = region_text(&owner->region, path, strlen(path));
    const char *text = config__read_file(path, &owner->region, problems, &len, exit_code);
    if (text)
        config_read(&reader, text, len, &owner->config, &owner->plugins);

    problems_print(problems, errors);
    bool good = problems_errors(problems) == 0;
    problems_destroy(problems);
    if (!good) {
        config_destroy(&owner->config);
        return NULL;
    }
    *exit_code = EX_OK;
    return &owner->config;
}

void config_destroy(struct config *config)
{
    if (!config)
        return;
    struct config_owner *owner = (struct config_owner *)(void *)config;
    plugins_close(owner->plugins);
    struct region region = owner->region;
    region_fini(&region);
}
