/* SPDX-License-Identifier: Apache-2.0
 *
 * state_read.c -- a state file, read and believed only where it is exactly what state.c writes.
 * [main], [control].  See state.h.
 */
#include "state.h"

#include "problems.h"
#include "region.h"
#include "state_internal.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reader {
    const char *file;
    struct problems *problems;
};

static const struct tree_node *scalar(struct reader *reader, const struct tree_node *mapping,
                                      const char *key)
{
    const struct tree_node *node = mapping->kind == TREE_MAPPING ? tree_find(mapping, key) : NULL;

    if (!node || node->kind != TREE_SCALAR) {
        problems_add(reader->problems, mapping->line, mapping->column, "expected a value for %s",
                     key);
        return NULL;
    }
    return node;
}

static void read_text(struct reader *reader, const struct tree_node *mapping, const char *key,
                      char *out, size_t size)
{
    const struct tree_node *node = scalar(reader, mapping, key);

    if (!node)
        return;
    if (strlen(node->text) >= size)
        problems_add(reader->problems, node->line, node->column, "%s is too long", key);
    else
        memcpy(out, node->text, strlen(node->text) + 1);
}

static void read_position(struct reader *reader, const struct tree_node *mapping, const char *key,
                          uint64_t *out)
{
    const struct tree_node *node = scalar(reader, mapping, key);
    unsigned int high, low;
    char rest;

    if (!node)
        return;
    if (strlen(node->text) > 17 || sscanf(node->text, "%8X/%8X%c", &high, &low, &rest) != 2)
        problems_add(reader->problems, node->line, node->column, "%s is not an LSN", key);
    else
        *out = (uint64_t)high << 32 | low;
}

static void read_number(struct reader *reader, const struct tree_node *mapping, const char *key,
                        int64_t *out)
{
    const struct tree_node *node = scalar(reader, mapping, key);
    char *end;

    if (!node)
        return;
    errno = 0;
    *out = strtoll(node->text, &end, 10);
    if (errno != 0 || *end != '\0' || end == node->text)
        problems_add(reader->problems, node->line, node->column, "%s is not a number", key);
}

/* Nothing but these keys, so that no slip of a hand goes unseen. */
static bool check_keys(struct reader *reader, const struct tree_node *mapping,
                       const char *const *keys)
{
    if (mapping->kind != TREE_MAPPING) {
        problems_add(reader->problems, mapping->line, mapping->column, "expected a mapping");
        return false;
    }
    for (const struct tree_node *node = mapping->first; node; node = node->next) {
        bool known = false;
        for (size_t i = 0; keys[i]; i++)
            known = known || (node->key && strcmp(node->key->text, keys[i]) == 0);
        if (!known)
            problems_add(reader->problems, node->line, node->column, "unexpected %s",
                         node->key ? node->key->text : "entry");
    }
    return true;
}

static void read_facts(struct reader *reader, const struct tree_node *list,
                       struct journal_entry *out)
{
    for (const struct tree_node *node = list->first; node; node = node->next) {
        struct journal_fact *fact;
        if (out->fact_count == JOURNAL_FACTS_MAX) {
            problems_add(reader->problems, node->line, node->column, "too many facts");
            return;
        }
        fact = &out->facts[out->fact_count++];
        if (!check_keys(reader, node, (const char *const[]){"name", "value", NULL}))
            return;
        read_text(reader, node, "name", fact->name, sizeof fact->name);
        read_text(reader, node, "value", fact->value, sizeof fact->value);
    }
}

static void read_dropped(struct reader *reader, const struct tree_node *node,
                         struct journal_sink *sink)
{
    char text[8] = "";

    read_text(reader, node, "dropped", text, sizeof text);
    sink->dropped = strcmp(text, "true") == 0;
    if (!sink->dropped)
        problems_add(reader->problems, node->line, node->column, "dropped is not true");
}

static void read_sinks(struct reader *reader, const struct tree_node *list,
                       struct journal_entry *out)
{
    for (const struct tree_node *node = list->first; node; node = node->next) {
        struct journal_sink *sink;
        if (out->sink_count == JOURNAL_SINKS_MAX) {
            problems_add(reader->problems, node->line, node->column, "too many sinks");
            return;
        }
        sink = &out->sinks[out->sink_count++];
        if (!check_keys(reader, node, (const char *const[]){"name", "lsn", "seq", "dropped", NULL}))
            return;
        read_text(reader, node, "name", sink->name, sizeof sink->name);
        sink->known = tree_find(node, "lsn") || tree_find(node, "seq");
        if (tree_find(node, "dropped"))
            read_dropped(reader, node, sink);
        if (sink->known) {
            read_position(reader, node, "lsn", &sink->durable.position);
            read_number(reader, node, "seq", &sink->durable.seq);
        }
    }
}

static void read_entry(struct reader *reader, const struct tree_node *root, const char *pipeline,
                       struct journal_entry *out)
{
    int64_t version = 0;
    char name[64] = "";
    const struct tree_node *facts, *sinks;

    if (root->kind != TREE_MAPPING) {
        problems_add(reader->problems, root->line, root->column, "expected a mapping");
        return;
    }
    read_number(reader, root, "version", &version);
    if (version != STATE_VERSION && version != STATE_VERSION_DROPPED) {
        problems_add(reader->problems, root->line, root->column,
                     "format version %" PRId64 ", this leat knows %d and %d", version,
                     STATE_VERSION, STATE_VERSION_DROPPED);
        return;
    }
    (void)check_keys(reader, root,
                     (const char *const[]){"version", "pipeline", "name_space", "position", "facts",
                                           "sinks", NULL});
    read_text(reader, root, "pipeline", name, sizeof name);
    if (strcmp(name, pipeline) != 0)
        problems_add(reader->problems, root->line, root->column,
                     "it is of another pipeline, \"%s\"", name);
    read_text(reader, root, "name_space", out->name_space, sizeof out->name_space);
    read_position(reader, root, "position", &out->position.value);
    facts = tree_find(root, "facts");
    sinks = tree_find(root, "sinks");
    if (facts && facts->kind == TREE_SEQUENCE && sinks && sinks->kind == TREE_SEQUENCE) {
        read_facts(reader, facts, out);
        read_sinks(reader, sinks, out);
        return;
    }
    problems_add(reader->problems, root->line, root->column, "facts or sinks are missing");
}

/* Whoever may write the directory may write the file, and nobody else. */
static const char *distrust(const struct state_directory *directory, int fd)
{
    struct stat file, folder;

    if (fstat(fd, &file) != 0 || fstat(directory->fd, &folder) != 0)
        return strerror(errno);
    if (!S_ISREG(file.st_mode))
        return "it is no regular file";
    if (file.st_uid != 0 && file.st_uid != folder.st_uid)
        return "it does not belong to the directory's owner; chown it, if it is right";
    if (file.st_mode & (S_IWGRP | S_IWOTH))
        return "others may write it; run chmod go-w on it, if it is right";
    return NULL;
}

static leat_status unusable(leat_error *error, int exit_code, const char *path, const char *why)
{
    error->exit_code = exit_code;
    error->status = LEAT_ECONFIG;
    (void)snprintf(error->text, sizeof error->text,
                   "unusable state file: %.120s%s%.300s; restore it, or remove it to begin at the "
                   "slot's own position",
                   path, *path ? ": " : "", why);
    return LEAT_ECONFIG;
}

static leat_status read_text_file(const struct state_directory *directory, const char *name,
                                  const char *path, char *text, size_t *length, leat_error *error)
{
    int fd = openat(directory->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const char *why = fd >= 0 ? distrust(directory, fd) : NULL;
    leat_status status = LEAT_OK;
    ssize_t got = 0;

    if (fd < 0 && errno == ENOENT)
        return LEAT_EOF;
    *length = 0;
    while (fd >= 0 && !why && *length < STATE_BYTES_MAX &&
           (got = read(fd, text + *length, STATE_BYTES_MAX - *length)) > 0)
        *length += (size_t)got;
    if (why) {
        status = unusable(error, 78, path, why);
    } else if (fd < 0 && errno == ELOOP) {
        status = unusable(error, 78, path, "it is a symbolic link");
    } else if (fd < 0 || got < 0) {
        status = error->status = LEAT_ECONFIG;
        error->exit_code = fd < 0 && (errno == EACCES || errno == EPERM) ? 77 : 74;
        (void)snprintf(error->text, sizeof error->text, "cannot read the state file %.300s: %s",
                       path, strerror(errno));
    }
    if (fd >= 0)
        (void)close(fd);
    return status;
}

/* The last line says that this is all of it. */
static bool is_whole(const char *text, size_t length)
{
    static const char end[] = "\n" STATE_END;

    return length >= sizeof end - 1 &&
           memcmp(text + length - (sizeof end - 1), end, sizeof end - 1) == 0;
}

leat_status state_load(const struct state_directory *directory, const char *pipeline,
                       struct journal_entry *out, leat_error *error)
{
    char name[128], path[4200];
    char *text = malloc(STATE_BYTES_MAX);
    size_t length;
    struct region region = {0};
    struct reader reader = {.file = path};
    struct tree_node *root;
    leat_status status;

    memset(out, 0, sizeof *out);
    (void)snprintf(name, sizeof name, "%s.state", pipeline);
    (void)snprintf(path, sizeof path, "%s/%s", directory->path, name);
    status = text ? read_text_file(directory, name, path, text, &length, error) : LEAT_ECONFIG;
    if (status != LEAT_OK) {
        free(text);
        return status;
    }
    reader.problems = problems_create(path);
    root = is_whole(text, length) ? tree_load(text, length, &region, reader.problems) : NULL;
    if (root)
        read_entry(&reader, root, pipeline, out);
    else if (length == 0)
        problems_add(reader.problems, 1, 1, "it is empty");
    else if (problems_errors(reader.problems) == 0)
        problems_add(reader.problems, 1, 1, "its end is missing: it was cut off, or damaged");
    if (problems_errors(reader.problems) > 0) {
        char first[300];
        problems_first(reader.problems, first, sizeof first);
        status = unusable(error, 78, "", first);
    }
    problems_destroy(reader.problems);
    region_fini(&region);
    free(text);
    return status;
}
