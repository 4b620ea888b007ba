/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c -- see state.h.
 */
#include "state.h"

#include "encode.h"
#include "stage.h"
#include "state_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

    directory->lock =
        openat(directory->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
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
    if (ftruncate(directory->lock, 0) != 0 ||
        pwrite(directory->lock, pid, (size_t)length, 0) != length) {
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
        (void)snprintf(text, sizeof text, "cannot make it: %s%s", strerror(errno),
                       errno == ENOENT ? "; make the folder that it is in" : "");
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
    (void)fprintf(
        out,
        "# Written by leat.  What is durable in every sink of this pipeline that is not dropped.\n"
        "version: %d\npipeline: ",
        version);
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
    (void)fputs(STATE_END, out);
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

static bool replace_file(const struct state_directory *directory, const char *name,
                         const char *text, size_t size)
{
    char temporary[160];
    int fd;
    bool ok;

    (void)snprintf(temporary, sizeof temporary, "%s.new", name);
    fd = openat(directory->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                0640);
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
