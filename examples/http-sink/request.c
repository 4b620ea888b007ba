/* SPDX-License-Identifier: Apache-2.0
 *
 * request.c -- one request with libcurl: its headers, and driving it without ever waiting longer than asked.
 * The worker's thread; what an answer's headers say goes into the sink, what follows from it is http.c's.
 */
#include "http.h"

#include <stdio.h>

static void header(leat_sink *sink, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    struct curl_slist *longer = curl_slist_append(sink->headers, line);
    if (longer)
        sink->headers = longer;
    else
        sink->no_memory = true;
}

/* What the answer's headers say; the body is of no interest. */
static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    leat_sink *sink = context;
    unsigned long long position;
    long long seq;
    char text[128];
    (void)snprintf(text, sizeof text, "%.*s", (int)(size * count), line);
    if (strncasecmp(text, "leat-last:", 10) == 0 && sscanf(text + 10, "%llu %lld", &position, &seq) == 2) {
        sink->has_last = true;
        sink->last = (leat_identity){position, seq};
    }
    if (strncasecmp(text, "leat-log:", 9) == 0)
        sink->is_log = true;
    return size * count;
}

static size_t drop_body(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

/* The token as it is now: it may change while the daemon runs. */
static void login(leat_sink *sink)
{
    const leat_secrets *secrets = sink->host->extension(sink->host, LEAT_EXTENSION_SECRETS);
    char token[512];
    if (!sink->options->token)
        return;
    if (secrets && secrets->current(sink->host, "token", token, sizeof token) == LEAT_OK)
        header(sink, "Authorization: Bearer %s", token);
    else
        header(sink, "Authorization: Bearer %s", sink->options->token);
    memset(token, 0, sizeof token);
}

bool http_begin(leat_sink *sink, enum request request)
{
    const struct options *options = sink->options;
    CURL *easy = sink->easy;
    curl_easy_reset(easy); /* the connection is kept */
    curl_slist_free_all(sink->headers);
    sink->headers = NULL;
    sink->has_last = sink->is_log = sink->no_memory = false;
    sink->reason[0] = '\0';
    (void)curl_easy_setopt(easy, CURLOPT_URL, options->url);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* a plugin leaves signals alone */
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, sink->reason);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, sink);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
    if (options->ca_file)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
    if (options->certificate)
        (void)curl_easy_setopt(easy, CURLOPT_SSLCERT, options->certificate);
    if (options->key)
        (void)curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key);
    login(sink);
    if (request == POST) {
        header(sink, "Content-Type: application/x-ndjson");
        header(sink, "Expect:"); /* the body goes at once */
        if (sink->has_stored)
            header(sink, "Leat-After: %llu %lld", (unsigned long long)sink->stored.position, (long long)sink->stored.seq);
        else
            header(sink, "Leat-After: none");
        header(sink, "Leat-Last: %llu %lld", (unsigned long long)sink->sending.position, (long long)sink->sending.seq);
        header(sink, "Idempotency-Key: \"%s:%llu:%lld-%llu:%lld\"", sink->name_space,
               (unsigned long long)sink->sending_first.position, (long long)sink->sending_first.seq,
               (unsigned long long)sink->sending.position, (long long)sink->sending.seq);
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, sink->body);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sink->body_size);
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sink->headers);
    if (sink->no_memory || curl_multi_add_handle(sink->multi, easy) != CURLM_OK)
        return false;
    sink->request = request;
    return true;
}

bool http_drive(leat_sink *sink, int32_t max_wait_ms, CURLcode *result, long *status)
{
    struct curl_waitfd wake = {.fd = sink->host->wake_fd, .events = CURL_WAIT_POLLIN};
    int running = 0, left = 0;
    (void)curl_multi_perform(sink->multi, &running);
    CURLMsg *message = curl_multi_info_read(sink->multi, &left);
    if (!message && max_wait_ms != 0) {
        (void)curl_multi_poll(sink->multi, &wake, wake.fd >= 0, max_wait_ms < 0 ? 3600000 : max_wait_ms, NULL);
        (void)curl_multi_perform(sink->multi, &running);
        message = curl_multi_info_read(sink->multi, &left);
    }
    if (!message)
        return false;
    *result = message->data.result;
    *status = 0;
    (void)curl_easy_getinfo(sink->easy, CURLINFO_RESPONSE_CODE, status);
    curl_off_t after = 0;
    sink->retry_after_ms = 0;
    if (curl_easy_getinfo(sink->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
        sink->retry_after_ms = after > 3600 ? 3600000 : (uint32_t)after * 1000;
    (void)curl_multi_remove_handle(sink->multi, sink->easy);
    sink->request = NONE;
    return true;
}
