/* SPDX-License-Identifier: Apache-2.0
 *
 * nats_least.c -- what JetStream takes here: the least a program needs to carry a replication stream
 * into it as the sink does, and nothing else.
 *
 *     nats_least CONNINFO SLOT PUBLICATION END PORT STREAM msg_id|sequence
 *
 * As least_stream.h says.  Each record is a message with its identity, written by hand into one
 * buffer; each is acknowledged, to one of as many subjects as the sink uses; with `sequence` each says
 * which one it follows.  An acknowledgement is counted, and dies of anything but one.
 * Prints one line: records, seconds, CPU seconds of this process.
 */
#include "least_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MOST = 1 << 20, OUT_GOES = 64 * 1024, IN_MOST = 256 * 1024, REPLIES = 512 };

static int bus;
static char out[OUT_MOST], in[IN_MOST + 1];
static size_t out_len, in_len;
static unsigned long long sent, acknowledged, window;
static const char *stream;
static bool by_sequence;

static void open_bus(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    bus = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(bus, (struct sockaddr *)&address, sizeof address) != 0)
        die("no connection", strerror(errno));
    setsockopt(bus, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    out_len = (size_t)sprintf(out, "CONNECT {\"verbose\":false,\"headers\":true,"
                                   "\"no_responders\":true}\r\nSUB _INBOX.least.* 1\r\n");
}

/* {"stream":"B", "seq":7}, behind a line MSG; the server may also say INFO and PING. */
static void count(const char *line, size_t len)
{
    if (len > 10 && memcmp(line, "{\"stream\":", 10) == 0)
        acknowledged++;
    else if (len && memcmp(line, "MSG ", 4) != 0 && memcmp(line, "INFO", 4) != 0 &&
             memcmp(line, "PING", 4) != 0)
        die("the server says", line);
}

static void receive(int flags)
{
    ssize_t n = recv(bus, in + in_len, IN_MOST - in_len, flags);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("no server", n ? strerror(errno) : "it has closed the connection");
    if (n < 0)
        return;
    in_len += (size_t)n;
    char *line = in, *end;
    while ((end = memchr(line, '\n', in_len - (size_t)(line - in))) != NULL) {
        *end = 0;
        count(line, (size_t)(end - line) - (end > line && end[-1] == '\r'));
        line = end + 1;
    }
    in_len -= (size_t)(line - in);
    memmove(in, line, in_len);
}

static void flush(void)
{
    for (size_t done = 0; done < out_len;) {
        ssize_t n = send(bus, out + done, out_len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            die("no server", strerror(errno));
        if (n > 0)
            done += (size_t)n;
        else
            poll(&(struct pollfd){.fd = bus, .events = POLLIN | POLLOUT}, 1, -1);
        receive(MSG_DONTWAIT);
    }
    out_len = 0;
}

static void publish(const char *key, size_t key_len, const char *value, size_t len, const char *id,
                    size_t id_len)
{
    char headers[256], *at = headers;
    (void)key, (void)key_len;
    if (sent - acknowledged >= window) {
        flush();
        while (sent - acknowledged > window / 2)
            receive(0);
    }
    at = put(at, "NATS/1.0\r\n", 10);
    at = by_sequence ? put(at, "Leat-Id: ", 9) : put(at, "Nats-Msg-Id: ", 13);
    at = put(at, id, id_len);
    if (by_sequence)
        at = put_number(put(at, "\r\nNats-Expected-Last-Sequence: ", 31), (unsigned)sent);
    at = put(at, "\r\n\r\n", 4);
    size_t head = (size_t)(at - headers);
    char *to = out + out_len;
    to = put(to, "HPUB ", 5);
    to = put(to, stream, strlen(stream));
    to = put(to, ".public.t.insert _INBOX.least.", 30);
    to = put_number(to, (unsigned)(sent % REPLIES));
    *to++ = ' ';
    to = put_number(to, (unsigned)head);
    *to++ = ' ';
    to = put_number(to, (unsigned)(head + len));
    to = put(put(put(put(to, "\r\n", 2), headers, head), value, len), "\r\n", 2);
    out_len = (size_t)(to - out);
    sent++;
    if (out_len >= OUT_GOES)
        flush();
}

static void turn(void)
{
    flush();
    receive(MSG_DONTWAIT);
}

int main(int argc, char **argv)
{
    double began = now_s();
    if (argc != 8) {
        fprintf(stderr, "usage: see the head of bench/nats_least.c\n");
        return 64;
    }
    stream = argv[6];
    by_sequence = strcmp(argv[7], "sequence") == 0;
    window = by_sequence ? 2048 : 512;
    open_bus(argv[5]);
    read_stream(argv + 1);
    flush();
    while (acknowledged < sent)
        receive(0);
    printf("%llu %.3f %.3f\n", acknowledged, now_s() - began, own_cpu_s());
    return 0;
}
