/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letter.c -- see dead_letter.h.  Rare by nature: it may allocate.
 */
#include "dead_letter.h"

#include "encode.h"
#include "json_escape.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far back an earlier run's letters are looked through, and after how many records that are not
 * among them no more: they come again in their order, so the rest is newer. */
enum { LOOK_BACK = 64 << 20, LOOK_STEP = 1 << 20, LOOK_MISSES = 100 };

struct dead_letter {
    int fd;
    char path[4096];
    char sink[64];
    bool looked;     /* what follows is known; not before the first letter, because until then a
                      * worker that this one replaces may still write */
    off_t before;    /* letters of earlier runs end here */
    uint32_t misses; /* records that are not among those */
};

static leat_status fail(leat_error *error, leat_status status, const char *what, const char *path)
{
    error->status = status;
    error->os_errno = errno;
    (void)snprintf(error->text, sizeof error->text, "dead letters: cannot %s %.300s: %s", what,
                   path, strerror(errno));
    return status;
}

/* A letter that a crash has torn was never acknowledged, so its record comes again. */
static bool drop_torn(struct dead_letter *letter)
{
    char chunk[4096];
    off_t end = lseek(letter->fd, 0, SEEK_END), whole = 0;

    for (off_t at = end; at > 0 && whole == 0;) {
        size_t size = at < (off_t)sizeof chunk ? (size_t)at : sizeof chunk;
        const char *newline;
        at -= (off_t)size;
        if (pread(letter->fd, chunk, size, at) != (ssize_t)size)
            return false;
        newline = memrchr(chunk, '\n', size);
        if (newline)
            whole = at + (newline - chunk) + 1;
    }
    letter->before = whole;
    return end >= 0 && (whole == end || ftruncate(letter->fd, whole) == 0);
}

struct dead_letter *dead_letter_open(const char *directory, const char *pipeline, const char *sink,
                                     leat_error *error)
{
    struct dead_letter *letter = calloc(1, sizeof *letter);
    char name[DEAD_LETTER_NAME];
    int folder;

    if (!letter) {
        (void)fail(error, LEAT_EFATAL, "open", directory);
        return NULL;
    }
    letter->fd = -1;
    (void)snprintf(letter->sink, sizeof letter->sink, "%s", sink);
    dead_letter_name(name, pipeline, sink);
    (void)snprintf(letter->path, sizeof letter->path, "%s/%s", directory, name);
    if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
        (void)fail(error, LEAT_ECONFIG, "make", directory);
        goto out;
    }
    letter->fd = open(letter->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (letter->fd < 0 || folder < 0 || fsync(folder) != 0) {
        (void)fail(error, LEAT_ECONFIG, "open", letter->path);
        if (folder >= 0)
            (void)close(folder);
        goto out;
    }
    (void)close(folder);
    return letter;
out:
    error->exit_code = 73;
    dead_letter_close(letter);
    return NULL;
}

void dead_letter_close(struct dead_letter *letter)
{
    if (!letter)
        return;
    if (letter->fd >= 0)
        (void)close(letter->fd);
    free(letter);
}

static void put_text(FILE *out, leat_bytes text)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;

    (void)fputc('"', out);
    while (at < end) {
        size_t length = *at < 0x80 ? 1 : utf8_sequence(at, end);
        if (length == 0)
            (void)fputs(UTF8_REPLACEMENT, out);
        else if (*at == '"' || *at == '\\')
            (void)fprintf(out, "\\%c", *at);
        else if (*at < 0x20)
            (void)fprintf(out, "\\u%04x", *at);
        else
            (void)fwrite(at, 1, length, out);
        at += length == 0 ? 1 : length;
    }
    (void)fputc('"', out);
}

static void put_base64(FILE *out, leat_bytes bytes)
{
    enum { PIECE = 768 }; /* a multiple of 3, so that only the last one is padded */
    unsigned char text[PIECE / 3 * 4];

    (void)fputc('"', out);
    for (size_t i = 0; i < bytes.len; i += PIECE) {
        size_t length = bytes.len - i < PIECE ? bytes.len - i : PIECE;
        (void)json_base64(text, bytes.ptr + i, length);
        (void)fwrite(text, 1, json_base64_size(length), out);
    }
    (void)fputc('"', out);
}

static void put_line(FILE *out, const struct dead_letter *letter, const struct dead_record *record)
{
    const leat_change *change = record->change;
    char lsn[32];

    lsn[encode_lsn(change->identity.position, lsn)] = '\0';
    (void)fprintf(out, "{\"reason\":");
    put_text(out, record->reason);
    (void)fprintf(out, ",\"sink\":");
    put_text(out, (leat_bytes){letter->sink, strlen(letter->sink)});
    (void)fprintf(out, ",\"lsn\":\"%s\",\"seq\":%lld,\"op\":\"%s\"", lsn,
                  (long long)change->identity.seq, encode_op_name(change->op));
    if (change->relation) {
        (void)fprintf(out, ",\"schema\":");
        put_text(out, change->relation->schema);
        (void)fprintf(out, ",\"table\":");
        put_text(out, change->relation->table);
    }
    if (record->route.len > 0) {
        (void)fprintf(out, ",\"route\":");
        put_text(out, record->route);
    }
    if (record->value.len > 0 && record->is_json) {
        (void)fprintf(out, ",\"record\":");
        (void)fwrite(record->value.ptr, 1, record->value.len, out);
    } else if (record->value.len > 0) {
        (void)fprintf(out, ",\"record_base64\":");
        put_base64(out, record->value);
    }
    (void)fprintf(out, "}\n");
}

static leat_status append(struct dead_letter *letter, const char *line, size_t size,
                          leat_error *error)
{
    off_t start = lseek(letter->fd, 0, SEEK_END);
    size_t done = 0;

    while (done < size) {
        ssize_t wrote = write(letter->fd, line + done, size - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            (void)fail(error, LEAT_ERETRY, "write", letter->path);
            (void)!ftruncate(letter->fd, start);
            return LEAT_ERETRY;
        }
        done += (size_t)wrote;
    }
    if (fdatasync(letter->fd) != 0)
        return fail(error, LEAT_EFATAL, "sync", letter->path);
    return LEAT_OK;
}

/* Is this, from its sink on to its end, a letter of an earlier run?  Then its record came again
 * because nothing was confirmed since.  The reason in front may be worded otherwise this time. */
static bool is_known(struct dead_letter *letter, const char *line, size_t size)
{
    const char *from = memmem(line, size, ",\"sink\":", 8);
    size_t wanted = from ? size - (size_t)(from - line) : 0;
    off_t at = letter->before > LOOK_BACK ? letter->before - LOOK_BACK : 0;
    bool known = false;
    char *room;

    if (wanted == 0 || !letter->looked || letter->misses >= LOOK_MISSES ||
        letter->before - at < (off_t)wanted)
        return false;
    room = malloc(wanted + LOOK_STEP);
    for (; room && !known && letter->before - at >= (off_t)wanted; at += LOOK_STEP) {
        off_t left = letter->before - at;
        size_t get = left < (off_t)(wanted + LOOK_STEP) ? (size_t)left : wanted + LOOK_STEP;
        if (pread(letter->fd, room, get, at) != (ssize_t)get)
            break;
        known = memmem(room, get, from, wanted) != NULL;
    }
    free(room);
    letter->misses += !known;
    return known;
}

leat_status dead_letter_write(struct dead_letter *letter, const struct dead_record *record,
                              leat_error *error)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    leat_status status;

    if (!out)
        return fail(error, LEAT_ERETRY, "build a line for", letter->path);
    letter->looked = letter->looked || drop_torn(letter);
    put_line(out, letter, record);
    if (fclose(out) != 0)
        status = fail(error, LEAT_ERETRY, "build a line for", letter->path);
    else
        status = append(letter, line, is_known(letter, line, size) ? 0 : size, error);
    free(line);
    return status;
}
