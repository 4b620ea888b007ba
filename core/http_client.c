/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.c -- see http_client.h.
 */
#include "http_client.h"

#include "clock.h"
#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool send_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* Everything until the other side closes, or the deadline. */
static bool read_all(int fd, int64_t deadline_ns, struct text_buffer *out)
{
    char piece[16384];
    ssize_t got;

    while ((got = recv(fd, piece, sizeof piece, 0)) > 0) {
        text_put(out, piece, (size_t)got);
        if (out->failed) {
            errno = EFBIG;
            return false;
        }
        if (clock_now_ns(&clock_real) > deadline_ns) {
            errno = ETIMEDOUT;
            return false;
        }
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        errno = ETIMEDOUT;
    return got == 0;
}

/* "HTTP/1.1 200 ..." and headers up to an empty line (RFC 9112). */
static int split(const struct text_buffer *answer, struct text_buffer *body)
{
    const char *end = answer->text ? strstr(answer->text, "\r\n\r\n") : NULL;
    int code = 0;

    if (!end || sscanf(answer->text, "HTTP/1.%*1[01] %3d", &code) != 1 || code < 100)
        return 0;
    end += 4;
    text_put(body, end, answer->length - (size_t)(end - answer->text));
    return body->failed ? 0 : code;
}

int http_request(const char *address, const char *method, const char *path, int timeout_ms,
                 struct text_buffer *body, const char **why)
{
    struct text_buffer answer = {0};
    int64_t deadline_ns = clock_now_ns(&clock_real) + (int64_t)timeout_ms * 1000000;
    char request[512];
    int code = 0, failure = 0, fd = listen_connect(address, timeout_ms);
    int length = snprintf(request, sizeof request,
                          "%s %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
                          method, path, strcmp(method, "POST") == 0 ? "Content-Length: 0\r\n" : "");

    *why = "the answer is not leat's";
    if (fd < 0) {
        *why = strerror(errno);
        return 0;
    }
    if (length < 0 || (size_t)length >= sizeof request || !send_all(fd, request, (size_t)length) ||
        !read_all(fd, deadline_ns, &answer))
        failure = errno;
    else
        code = split(&answer, body);
    if (failure != 0)
        *why = strerror(failure);
    (void)close(fd);
    free(answer.text);
    errno = failure;
    return code;
}
