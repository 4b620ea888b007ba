/* SPDX-License-Identifier: Apache-2.0
 *
 * url.c -- see the header.
 */
#include "url.h"

#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *p = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return p ? (int)(p - digits) : -1;
}

static bool take(const char *from, const char *end, char *dst, size_t size, bool decode)
{
    size_t len = 0;
    for (; from < end; from++) {
        char c = *from;
        if (decode && c == '%') {
            int high = end - from > 2 ? hex(from[1]) : -1, low = high < 0 ? -1 : hex(from[2]);
            if (low < 0 || !(high | low))
                return false;
            c = (char)(high << 4 | low);
            from += 2;
        }
        if (len + 1 >= size)
            return false;
        dst[len++] = c;
    }
    dst[len] = '\0';
    return true;
}

static const char *take_user(const char *from, const char *end, struct url *url)
{
    const char *colon = memchr(from, ':', (size_t)(end - from));
    url->has_user = true;
    url->has_password = colon != NULL;
    if (!take(from, colon ? colon : end, url->user, sizeof url->user, true) ||
        (colon && !take(colon + 1, end, url->password, sizeof url->password, true)))
        return "its user or password is too long or not percent-encoded";
    return NULL;
}

const char *url_parse(const char *text, struct url *url)
{
    memset(url, 0, sizeof *url);
    const char *scheme = strstr(text, "://");
    if (scheme) {
        size_t len = (size_t)(scheme - text);
        url->tls = len == 3 && memcmp(text, "tls", 3) == 0;
        if (!url->tls && !(len == 4 && memcmp(text, "nats", 4) == 0))
            return "its scheme must be nats or tls";
        text = scheme + 3;
    }
    const char *end = text + strcspn(text, "/?#");
    if (*end && strcmp(end, "/") != 0)
        return "nothing may follow the port";
    const char *at = memrchr(text, '@', (size_t)(end - text));
    const char *wrong = at ? take_user(text, at, url) : NULL;
    if (wrong)
        return wrong;
    const char *host = at ? at + 1 : text, *host_end = end, *port = NULL;
    if (*host == '[') {
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return "a bracket is not closed";
        host++;
        port = host_end + 1 < end ? host_end + 1 : NULL;
        if (port && *port != ':')
            return "a colon and the port must follow the bracket";
    } else {
        port = memchr(host, ':', (size_t)(end - host));
        host_end = port ? port : end;
    }
    if (host == host_end || !take(host, host_end, url->host, sizeof url->host, false))
        return "it has no host";
    if (!port) {
        memcpy(url->port, "4222", 5);
        return NULL;
    }
    if (!take(port + 1, end, url->port, sizeof url->port, false) || !url->port[0] ||
        url->port[strspn(url->port, "0123456789")] || atoi(url->port) < 1 ||
        atoi(url->port) > 65535)
        return "its port is not a number from 1 to 65535";
    return NULL;
}
