/* SPDX-License-Identifier: Apache-2.0
 *
 * expand.c -- ${ENV}, ${file:path} and ${credential:name}.  See expand.h.
 */
#include "expand.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct expansion {
    const char *folder;
    bool secret;
    char *out;
    size_t size, len; /* len < size always: the NUL has its place */
    char *why;
    size_t why_size;
};

bool expand_needed(const char *text)
{
    return strstr(text, "${") != NULL;
}

static bool holds(const char *text, const char *reference)
{
    for (const char *p = strstr(text, reference); p; p = strstr(p + 1, reference))
        if (p == text || p[-1] != '$')
            return true;
    return false;
}

bool expand_changes(const char *text)
{
    return holds(text, "${file:") || holds(text, "${credential:");
}

static leat_status too_long(struct expansion *ex)
{
    (void)snprintf(ex->why, ex->why_size, "the value is longer than %zu bytes; shorten it",
                   ex->size - 1);
    return LEAT_ECONFIG;
}

static leat_status append(struct expansion *ex, const char *text, size_t len)
{
    if (len >= ex->size - ex->len)
        return too_long(ex);
    memcpy(ex->out + ex->len, text, len);
    ex->len += len;
    return LEAT_OK;
}

static leat_status file_failed(struct expansion *ex, const char *path, const char *reason)
{
    (void)snprintf(ex->why, ex->why_size, "file \"%s\": %s", path, reason);
    return LEAT_ERETRY;
}

/* Reads what is left of the file into the room that is left. */
static leat_status append_open_file(struct expansion *ex, const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return file_failed(ex, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return file_failed(ex, path, "not a regular file; name one");
    if (st.st_mode & S_IWOTH)
        return file_failed(ex, path, "everybody may write it; take that away with chmod o-w");

    char *begin = ex->out + ex->len;
    size_t room = ex->size - ex->len;
    size_t len = 0;
    while (len < room) {
        ssize_t got = read(fd, begin + len, room - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_failed(ex, path, strerror(errno));
        if (got == 0)
            break;
        len += (size_t)got;
    }
    char more;
    if (len == room && read(fd, &more, 1) != 0)
        return too_long(ex);
    if (memchr(begin, '\0', len))
        return file_failed(ex, path, "it holds a NUL byte; only text can be a value");
    if (len && begin[len - 1] == '\n')
        len--;
    if (len && begin[len - 1] == '\r')
        len--;
    if (len >= room)
        return too_long(ex);
    ex->len += len;
    return LEAT_OK;
}

static leat_status append_named_file(struct expansion *ex, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return file_failed(ex, path, strerror(errno));
    leat_status status = append_open_file(ex, path, fd);
    (void)close(fd);
    return status;
}

static leat_status append_file(struct expansion *ex, const char *name, size_t len)
{
    char path[PATH_MAX];
    int written = name[0] == '/' || !ex->folder
                      ? snprintf(path, sizeof path, "%.*s", (int)len, name)
                      : snprintf(path, sizeof path, "%s/%.*s", ex->folder, (int)len, name);
    if (len == 0 || len >= sizeof path || written < 0 || (size_t)written >= sizeof path) {
        (void)snprintf(ex->why, ex->why_size, "${file:} needs a path; write ${file:/path}");
        return LEAT_ECONFIG;
    }
    return append_named_file(ex, path);
}

static leat_status append_credential(struct expansion *ex, const char *name, size_t len)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];
    if (len == 0 || len > NAME_MAX || name[0] == '.' || memchr(name, '/', len)) {
        (void)snprintf(ex->why, ex->why_size,
                       "${credential:} needs the name of a credential, without a slash; write "
                       "${credential:NAME}");
        return LEAT_ECONFIG;
    }
    if (!folder || folder[0] != '/') {
        (void)snprintf(
            ex->why, ex->why_size,
            "credential \"%.*s\": CREDENTIALS_DIRECTORY is not set; run leat as a service "
            "of systemd with LoadCredential=%.*s:/PATH, or write ${file:/PATH}",
            (int)len, name, (int)len, name);
        return LEAT_ERETRY;
    }
    int written = snprintf(path, sizeof path, "%s/%.*s", folder, (int)len, name);
    if (written < 0 || (size_t)written >= sizeof path)
        return too_long(ex);
    return append_named_file(ex, path);
}

static bool is_variable(const char *name, size_t len)
{
    if (len == 0 || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
              (c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

static leat_status append_variable(struct expansion *ex, const char *name, size_t len)
{
    char variable[256];
    if (!is_variable(name, len) || len >= sizeof variable) {
        (void)snprintf(ex->why, ex->why_size,
                       "what stands in ${} is neither a variable's name, nor file:PATH, nor "
                       "credential:NAME; write $${ for a literal ${");
        return LEAT_ECONFIG;
    }
    (void)snprintf(variable, sizeof variable, "%.*s", (int)len, name);
    const char *value = getenv(variable);
    if (value)
        return append(ex, value, strlen(value));
    if (ex->secret)
        (void)snprintf(ex->why, ex->why_size,
                       "an environment variable that it names is not set; set it, or write $${ for "
                       "a literal ${");
    else
        (void)snprintf(ex->why, ex->why_size,
                       "environment variable %s is not set; set it, or write $${ for a literal ${",
                       variable);
    return LEAT_ERETRY;
}

/* p stands behind "${"; *next is set behind the brace. */
static leat_status append_reference(struct expansion *ex, const char *p, const char **next)
{
    const char *brace = strchr(p, '}');
    if (!brace) {
        (void)snprintf(ex->why, ex->why_size,
                       "a ${ is never closed; add the }, or write $${ for a literal ${");
        return LEAT_ECONFIG;
    }
    size_t len = (size_t)(brace - p);
    *next = brace + 1;
    if (len >= 5 && strncmp(p, "file:", 5) == 0)
        return append_file(ex, p + 5, len - 5);
    if (len >= 11 && strncmp(p, "credential:", 11) == 0)
        return append_credential(ex, p + 11, len - 11);
    return append_variable(ex, p, len);
}

leat_status expand(const char *text, const char *folder, bool secret, char *out, size_t size,
                   char *why, size_t why_size)
{
    struct expansion ex = {folder, secret, out, size, 0, why, why_size};
    leat_status status = LEAT_OK;
    if (size == 0)
        return LEAT_ECONFIG;
    for (const char *p = text; *p && status == LEAT_OK;) {
        const char *next = p + 1;
        if (strncmp(p, "$${", 3) == 0) {
            status = append(&ex, "${", 2);
            next = p + 3;
        } else if (strncmp(p, "${", 2) == 0) {
            status = append_reference(&ex, p + 2, &next);
        } else {
            next = p + strcspn(p + 1, "$") + 1;
            status = append(&ex, p, (size_t)(next - p));
        }
        p = next;
    }
    if (status != LEAT_OK)
        ex.len = 0;
    out[ex.len] = '\0';
    return status;
}
