/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_wire.c -- see isolate_wire.h.  [any]; nothing here allocates.
 */
#include "isolate_wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define HEAD offsetof(struct isolate_message, text)

union ancillary {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * ISOLATE_FDS)];
};

bool isolate_send(int fd, struct isolate_message *message, const int *fds, int count, int flags)
{
    union ancillary ancillary = {.room = {0}};
    struct iovec piece = {message, HEAD + message->length};
    struct msghdr envelope = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t sent;

    if (count > 0) {
        struct cmsghdr *header = &ancillary.header;
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
        envelope.msg_control = &ancillary;
        envelope.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    }
    do
        sent = sendmsg(fd, &envelope, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)piece.iov_len;
}

static bool take_fds(struct msghdr *envelope, int *fds)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(envelope);

    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int) * ISOLATE_FDS))
        return false;
    memcpy(fds, CMSG_DATA(header), sizeof(int) * ISOLATE_FDS);
    return true;
}

int isolate_receive(int fd, struct isolate_message *message, int *fds, int flags)
{
    union ancillary ancillary;
    struct iovec piece = {message, sizeof *message};
    struct msghdr envelope = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t length;

    if (fds) { /* else none are taken in: what is sent all the same is closed by the kernel */
        envelope.msg_control = &ancillary;
        envelope.msg_controllen = sizeof ancillary;
    }
    do
        length = recvmsg(fd, &envelope, flags | MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    if (length == 0)
        return -1;
    if ((size_t)length < HEAD || (size_t)length == sizeof *message ||
        message->length != (size_t)length - HEAD || (fds && !take_fds(&envelope, fds)))
        return -2;
    message->text[message->length] = '\0';
    return 1;
}

const char *isolate_next_text(const struct isolate_message *message, uint32_t *at)
{
    const char *text = message->text + *at;
    const char *end;

    if (*at >= message->length)
        return NULL;
    end = memchr(text, '\0', message->length - *at);
    if (!end)
        return NULL;
    *at += (uint32_t)(end - text) + 1;
    return text;
}

void isolate_add_text(struct isolate_message *message, const char *text, size_t length)
{
    size_t left = sizeof message->text - 1 - message->length;

    if (left < 2)
        return;
    if (length > left - 1)
        length = left - 1;
    for (size_t i = 0; i < length; i++)
        message->text[message->length++] = text[i] ? text[i] : '?';
    message->text[message->length++] = '\0';
}

void isolate_ring_anyway(int bell)
{
    (void)!send(bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* full: it is readable already */
}

void isolate_ring(_Atomic uint32_t *asleep, int bell)
{
    if (atomic_exchange_explicit(asleep, 0, memory_order_acq_rel))
        isolate_ring_anyway(bell);
}

bool isolate_hear(int bell)
{
    char rung[256];

    return recv(bell, rung, sizeof rung, MSG_DONTWAIT) != 0;
}
