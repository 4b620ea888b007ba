/* SPDX-License-Identifier: Apache-2.0
 *
 * hold.c -- how far confirmation stays behind acknowledgements.  [worker] and [main]
 *
 * JetStream acknowledges what it has written, not what it has synced; by default it syncs every two
 * minutes.  The only place where a server says how often is its monitoring port (/jsz?config=1),
 * so that is asked where it is known, by HTTP/1.0 in its plainest form.
 */
#include "json.h"
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOLD_UNKNOWN_MS = 150000, PAGE_MAX = 64 * 1024 };

/* The whole answer, or nothing. */
static bool fetch(const struct nats_options *options, char *page, size_t *len)
{
    struct socket s;
    leat_error error = {.size = sizeof error};
    char host[256], port[8] = "8222", request[512];
    const char *text = options->monitor_url + 7, *end = text + strcspn(text, "/");
    const char *colon = memrchr(text, ':', (size_t)(end - text));
    const char *host_end = colon && !memchr(colon, ']', (size_t)(end - colon)) ? colon : end;
    int64_t deadline = socket_clock_ms() + options->connect_timeout_ms;
    if (host_end > text && *text == '[' && host_end[-1] == ']')
        text++;
    size_t host_len = (size_t)(host_end - text) - (host_end > text && host_end[-1] == ']');
    size_t port_len = host_end < end ? (size_t)(end - host_end) - 1 : 0;
    if (host_end <= text || host_len >= sizeof host || port_len >= sizeof port)
        return false;
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    if (port_len) {
        memcpy(port, host_end + 1, port_len);
        port[port_len] = '\0';
    }
    *len = 0;
    if (socket_open(&s, host, port, deadline, &error))
        return false;
    int n =
        snprintf(request, sizeof request, "GET /jsz?config=1 HTTP/1.0\r\nHost: %s\r\n\r\n", host);
    bool good = socket_write(&s, request, (size_t)n) == n;
    while (good && *len < PAGE_MAX) {
        int64_t got = socket_read(&s, page + *len, PAGE_MAX - *len);
        if (got < 0)
            break;
        *len += (size_t)got;
        good = socket_clock_ms() < deadline;
        if (got == 0)
            (void)socket_wait(&s, false, -1, deadline - socket_clock_ms());
    }
    socket_close(&s);
    return good && *len > 12 && memcmp(page, "HTTP/1.", 7) == 0 && memcmp(page + 8, " 200", 4) == 0;
}

/* -1: not known. */
static int64_t sync_interval_ms(const struct nats_options *options)
{
    char *page = malloc(PAGE_MAX);
    size_t len;
    int64_t ms = -1;
    if (page && fetch(options, page, &len)) {
        const char *body = memmem(page, len, "\r\n\r\n", 4);
        leat_bytes json = {body ? body + 4 : page, body ? len - (size_t)(body + 4 - page) : 0};
        if (json_find_bool(json, "config.sync_always"))
            ms = 0;
        else {
            int64_t ns = json_find_int(json, "config.sync_interval", -1);
            ms = ns > 0 ? ns / 1000000 : -1;
        }
    }
    free(page);
    return ms;
}

uint32_t hold_choose(const struct nats_options *options, const struct stream_info *info,
                     int64_t option_ms, const char **why)
{
    *why = "confirm_hold";
    if (option_ms >= 0)
        return (uint32_t)option_ms;
    *why = "the stream is replicated";
    if (info->replicas > 1)
        return 0;
    int64_t ms = options->monitor_url ? sync_interval_ms(options) : -1;
    *why = "the server syncs always";
    if (ms == 0)
        return 0;
    *why = ms > 0 ? "the server's sync_interval" : "the server does not say when it syncs";
    return ms > 0 && ms < 86400000 ? (uint32_t)(ms + ms / 4) : HOLD_UNKNOWN_MS;
}
