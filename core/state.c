/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c -- see state.h.
 */
#include "state.h"

#include "encode.h"
#include "problems.h"
#include "region.h"
#include "stage.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* 2 is written only where a sink is dropped: a leat that does not know of that must not read it. */
#define STATE_VERSION 1
#define STATE_VERSION_DROPPED 2
#define STATE_BYTES_MAX (64 * 1024)

/* ---- the directory and its lock ------------------------------------------------------------- */

static bool refuse(leat_error *error, int exit_code, const char *path, const char *why)
{
    error->status = LEAT_ECONFIG;
    error->exit_code = exit_code;
    error->os_errno = errno;
    (void)snprintf(error->text, sizeof error->text, "state_directory %.200s: %.250s", path, why);
    return false;
}

static int open_exit_code(void)
{
    return errno == EACCES || errno == EPERM ? 77 : 73;
}

static bool take_lock(struct state_directory *directory, leat_error *error)
{
    char text[200] = "", pid[24];
    ssize_t length;

    directory->lock = openat(directory->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (directory->lock < 0) {
        (void)snprintf(text, sizeof text, "cannot open the lock file: %s", strerror(errno));
        return refuse(error, open_exit_code(), directory->path, text);
    }
    if (flock(directory->lock, LOCK_EX | LOCK_NB) != 0) {
        length = pread(directory->lock, pid, sizeof pid - 1, 0);
        pid[length > 0 ? length : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        (void)snprintf(text, sizeof text,
                       "in use by another leat%s%s; stop that one, or give this one a directory of "
                       "its own",
                       pid[0] ? " with pid " : "", pid);
        return refuse(error, 73, directory->path, text);
    }
    length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(directory->lock, 0) != 0 || pwrite(directory->lock, pid, (size_t)length, 0) != length) {
        (void)snprintf(text, sizeof text, "cannot write the lock file: %s", strerror(errno));
        return refuse(error, 74, directory->path, text);
    }
    return true;
}

static bool is_trusted(const struct state_directory *directory, leat_error *error)
{
    struct stat info;

    if (fstat(directory->fd, &info) != 0)
        return refuse(error, 74, directory->path, strerror(errno));
    if ((info.st_uid != 0 && info.st_uid != geteuid()) || info.st_mode & S_IWOTH)
        return refuse(error, 78, directory->path,
                      "others may write there; it must belong to the user that leat runs as, and "
                      "not be writable by everybody (chmod o-w)");
    return true;
}

bool state_look(struct state_directory *directory, const char *path)
{
    directory->lock = -1;
    (void)snprintf(directory->path, sizeof directory->path, "%s", path);
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory->fd >= 0;
}

bool state_open(struct state_directory *directory, const char *path, leat_error *error)
{
    char text[200];

    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        directory->fd = directory->lock = -1;
        (void)snprintf(text, sizeof text, "cannot make it: %s", strerror(errno));
        return refuse(error, open_exit_code(), path, text);
    }
    if (!state_look(directory, path)) {
        (void)snprintf(text, sizeof text, "cannot open it: %s", strerror(errno));
        return refuse(error, open_exit_code(), path, text);
    }
    if (!is_trusted(directory, error) || !take_lock(directory, error)) {
        state_close(directory);
        return false;
    }
    return true;
}

void state_close(struct state_directory *directory)
{
    if (directory->lock >= 0)
        (void)close(directory->lock);
    if (directory->fd >= 0)
        (void)close(directory->fd);
    directory->fd = directory->lock = -1;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reader {
    const char *file;
    struct problems *problems;
};

static const struct tree_node *scalar(struct reader *reader, const struct tree_node *mapping,
                                      const char *key)
{
    const struct tree_node *node = mapping->kind == TREE_MAPPING ? tree_find(mapping, key) : NULL;

    if (!node || node->kind != TREE_SCALAR) {
        problems_add(reader->problems, mapping->line, mapping->column, "expected a value for %s", key);
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

static void read_facts(struct reader *reader, const struct tree_node *list, struct journal_entry *out)
{
    for (const struct tree_node *node = list->first; node; node = node->next) {
        struct journal_fact *fact;
        if (out->fact_count == JOURNAL_FACTS_MAX) {
            problems_add(reader->problems, node->line, node->column, "too many facts");
            return;
        }
        fact = &out->facts[out->fact_count++];
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

static void read_sinks(struct reader *reader, const struct tree_node *list, struct journal_entry *out)
{
    for (const struct tree_node *node = list->first; node; node = node->next) {
        struct journal_sink *sink;
        if (out->sink_count == JOURNAL_SINKS_MAX) {
            problems_add(reader->problems, node->line, node->column, "too many sinks");
            return;
        }
        sink = &out->sinks[out->sink_count++];
        read_text(reader, node, "name", sink->name, sizeof sink->name);
        sink->known = node->kind == TREE_MAPPING && tree_find(node, "lsn") != NULL;
        if (node->kind == TREE_MAPPING && tree_find(node, "dropped"))
            read_dropped(reader, node, sink);
        if (sink->known) {
            read_position(reader, node, "lsn", &sink->durable.position);
            read_number(reader, node, "seq", &sink->durable.seq);
        }
    }
}

static void check_keys(struct reader *reader, const struct tree_node *root)
{
    static const char *const keys[] = {"version", "pipeline", "name_space", "position",
                                       "facts",   "sinks"};

    for (const struct tree_node *node = root->first; node; node = node->next) {
        bool known = false;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            known = known || (node->key && strcmp(node->key->text, keys[i]) == 0);
        if (!known)
            problems_add(reader->problems, node->line, node->column, "unexpected %s",
                         node->key ? node->key->text : "entry");
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
    check_keys(reader, root);
    read_text(reader, root, "pipeline", name, sizeof name);
    if (strcmp(name, pipeline) != 0)
        problems_add(reader->problems, root->line, root->column, "it is of another pipeline, \"%s\"",
                     name);
    read_text(reader, root, "name_space", out->name_space, sizeof out->name_space);
    read_position(reader, root, "position", &out->position.value);
    facts = tree_find(root, "facts");
    sinks = tree_find(root, "sinks");
    if (facts && facts->kind == TREE_SEQUENCE)
        read_facts(reader, facts, out);
    if (sinks && sinks->kind == TREE_SEQUENCE)
        read_sinks(reader, sinks, out);
    if (!facts || !sinks)
        problems_add(reader->problems, root->line, root->column, "facts or sinks are missing");
}

static leat_status read_text_file(const struct state_directory *directory, const char *name,
                                  char *text, size_t *length, leat_error *error)
{
    int fd = openat(directory->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t done = 0;
    ssize_t got = 0;

    if (fd < 0 && errno == ENOENT)
        return LEAT_EOF;
    while (fd >= 0 && done < STATE_BYTES_MAX && (got = read(fd, text + done, STATE_BYTES_MAX - done)) > 0)
        done += (size_t)got;
    if (fd < 0 || got < 0) {
        error->exit_code = fd < 0 && (errno == EACCES || errno == EPERM) ? 77 : 74;
        error->status = LEAT_ECONFIG;
        (void)snprintf(error->text, sizeof error->text, "cannot read the state file %.300s/%s: %s",
                       directory->path, name, strerror(errno));
    }
    if (fd >= 0)
        (void)close(fd);
    *length = done;
    return got < 0 || fd < 0 ? LEAT_ECONFIG : LEAT_OK;
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
    status = text ? read_text_file(directory, name, text, &length, error) : LEAT_ECONFIG;
    if (status != LEAT_OK) {
        free(text);
        return status;
    }
    reader.problems = problems_create(path);
    root = tree_load(text, length, &region, reader.problems);
    if (root)
        read_entry(&reader, root, pipeline, out);
    else if (problems_errors(reader.problems) == 0)
        problems_add(reader.problems, 1, 1, "it is empty");
    if (problems_errors(reader.problems) > 0) {
        char first[300];
        problems_first(reader.problems, first, sizeof first);
        (void)snprintf(error->text, sizeof error->text,
                       "unusable state file: %s; restore it, or remove it to begin at the slot's "
                       "own position",
                       first);
        error->exit_code = 78;
        status = error->status = LEAT_ECONFIG;
    }
    problems_destroy(reader.problems);
    region_fini(&region);
    free(text);
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put_quoted(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            (void)fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            (void)fprintf(out, "\\x%02X", *c);
        else
            (void)fputc(*c, out);
    }
    (void)fputc('"', out);
}

static void put_entry(FILE *out, const char *pipeline, const struct journal_entry *entry)
{
    char lsn[32];
    int version = STATE_VERSION;

    for (uint32_t i = 0; i < entry->sink_count; i++)
        if (entry->sinks[i].dropped)
            version = STATE_VERSION_DROPPED;
    lsn[encode_lsn(entry->position.value, lsn)] = '\0';
    (void)fprintf(out, "# Written by leat.  What is durable in every sink of this pipeline that is not dropped.\n"
                       "version: %d\npipeline: ", version);
    put_quoted(out, pipeline);
    (void)fprintf(out, "\nname_space: ");
    put_quoted(out, entry->name_space);
    (void)fprintf(out, "\nposition: \"%s\"\nfacts:%s\n", lsn, entry->fact_count ? "" : " []");
    for (uint32_t i = 0; i < entry->fact_count; i++) {
        (void)fprintf(out, "  - name: ");
        put_quoted(out, entry->facts[i].name);
        (void)fprintf(out, "\n    value: ");
        put_quoted(out, entry->facts[i].value);
        (void)fprintf(out, "\n");
    }
    (void)fprintf(out, "sinks:%s\n", entry->sink_count ? "" : " []");
    for (uint32_t i = 0; i < entry->sink_count; i++) {
        const struct journal_sink *sink = &entry->sinks[i];
        (void)fprintf(out, "  - name: ");
        put_quoted(out, sink->name);
        lsn[encode_lsn(sink->durable.position, lsn)] = '\0';
        if (sink->known)
            (void)fprintf(out, "\n    lsn: \"%s\"\n    seq: %" PRId64, lsn, sink->durable.seq);
        if (sink->dropped)
            (void)fprintf(out, "\n    dropped: true");
        (void)fprintf(out, "\n");
    }
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, text, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        text += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

static bool replace_file(const struct state_directory *directory, const char *name, const char *text,
                         size_t size)
{
    char temporary[160];
    int fd;
    bool ok;

    (void)snprintf(temporary, sizeof temporary, "%s.new", name);
    fd = openat(directory->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return false;
    ok = write_all(fd, text, size) && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    stage_pass("state_written");
    if (!ok)
        return false;
    ok = renameat(directory->fd, temporary, directory->fd, name) == 0 && fsync(directory->fd) == 0;
    stage_pass("state_renamed");
    return ok;
}

bool state_save(const struct state_directory *directory, const char *pipeline,
                const struct journal_entry *entry, leat_error *error)
{
    char name[128];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok = out != NULL;

    if (out) {
        put_entry(out, pipeline, entry);
        ok = fclose(out) == 0;
    }
    (void)snprintf(name, sizeof name, "%s.state", pipeline);
    ok = ok && replace_file(directory, name, text, size);
    if (!ok) {
        error->status = LEAT_ERETRY;
        error->os_errno = errno;
        (void)snprintf(error->text, sizeof error->text, "cannot write the state file %.300s/%s: %s",
                       directory->path, name, strerror(errno));
    }
    free(text);
    return ok;
}
