/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c -- a sink that POSTs records to an HTTP endpoint, a line of JSON each, and loses and doubles none.
 *
 * The endpoint keeps a log.  With each POST come three headers:
 *   Idempotency-Key  "<namespace>:<first identity>-<last identity>": what it has stored, it need not store again
 *   Leat-After       the last identity that it must have ("none": it is empty), or it answers 409
 *   Leat-Last        the last identity of the body, to be stored with it in one piece
 * and GET answers with the Leat-Last that is stored, or without one: empty.  An identity is "<position> <seq>".
 *
 * One request is under way at a time, with as many records as have come meanwhile: group commit over the
 * network.  Whenever it is not clear what a request did (timeout, connection lost, 409), poll says ERETRY;
 * the host stops and starts the sink, and start asks the endpoint.
 *
 * Everything here runs in the worker's thread; libcurl waits in poll, beside the host's wake_fd.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>

leat_status http_say(leat_error *error, leat_status status, const char *what, const char *why)
{
    (void)snprintf(error->text, sizeof error->text, "%s: %s", what, why);
    return status;
}

/* ---- what goes into one request -------------------------------------------------------------- */

static bool add(leat_sink *sink, const leat_record *record)
{
    size_t need = sink->body_size + record->value.len + 1;
    if (need > sink->body_room) {
        char *more = realloc(sink->body, 2 * need);
        if (!more)
            return false;
        sink->body = more;
        sink->body_room = 2 * need;
    }
    memcpy(sink->body + sink->body_size, record->value.ptr, record->value.len);
    sink->body_size += record->value.len;
    sink->body[sink->body_size++] = '\n';
    if (sink->sent == 0)
        sink->sending_first = record->identity;
    sink->sending = record->identity;
    sink->sent++;
    return true;
}

/* All that is lent, as far as max_bytes reaches; one record alone after a body was refused. */
static bool fill(leat_sink *sink)
{
    sink->body_size = sink->sent = 0;
    for (uint32_t i = 0; i < sink->count; i++) {
        const struct lent *lent = &sink->lent[i];
        for (uint32_t k = lent->done; k < lent->batch->record_count; k++) {
            const leat_record *record = leat_batch_at(lent->batch, k);
            bool careful = sink->careful && leat_identity_compare(record->identity, sink->careful_until) <= 0;
            if (sink->sent > 0 && (careful || sink->body_size + record->value.len >= (size_t)sink->options->max_bytes))
                return true;
            if (!add(sink, record))
                return false;
            if (careful)
                return true;
        }
    }
    return true;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static void give_back(leat_sink *sink, leat_status status, uint32_t durable, const char *text)
{
    leat_result result = {.size = sizeof result, .status = status, .durable_count = durable,
                          .retry_after_ms = status == LEAT_ERETRY ? sink->retry_after_ms : 0,
                          .text = {text, strlen(text)}};
    uint64_t token = sink->lent[0].batch->token;
    sink->count--;
    memmove(&sink->lent[0], &sink->lent[1], sink->count * sizeof *sink->lent);
    sink->host->batch_done(sink->host, token, &result);
}

/* The first lent batch, from where it stands, and every one behind it: there are no holes. */
static void fail(leat_sink *sink, leat_status status, const char *text)
{
    while (sink->count > 0) {
        give_back(sink, status, sink->lent[0].done, text);
        status = LEAT_ERETRY;
    }
}

static void stored(leat_sink *sink)
{
    sink->stored = sink->sending;
    sink->has_stored = true;
    while (sink->sent > 0) {
        struct lent *lent = &sink->lent[0];
        uint32_t left = lent->batch->record_count - lent->done;
        uint32_t now = sink->sent < left ? sink->sent : left;
        lent->done += now;
        sink->sent -= now;
        if (lent->done == lent->batch->record_count)
            give_back(sink, LEAT_OK, lent->done, "");
    }
}

/* OK; or ERETRY: only the endpoint knows what it has, so ask it again. */
static leat_status judge(leat_sink *sink, CURLcode result, long status, leat_error *error)
{
    char text[64];
    (void)snprintf(text, sizeof text, "the endpoint answers %ld", status);
    if (result != CURLE_OK)
        return http_say(error, LEAT_ERETRY, sink->options->url, sink->reason[0] ? sink->reason : curl_easy_strerror(result));
    if (status >= 200 && status < 300) {
        stored(sink);
    } else if (status == 400 || status == 413 || status == 422) { /* it is about what the body says */
        if (sink->sent == 1) {
            fail(sink, LEAT_EREJECT, text);
        } else { /* about one of its records: find out which */
            sink->careful = true;
            sink->careful_until = sink->sending;
        }
    } else if (status == 408 || status == 429 || status >= 500) {
        fail(sink, LEAT_ERETRY, text);
    } else { /* 409: it has something else than we think; 401, 403, 404: a person has to act there */
        return http_say(error, LEAT_ERETRY, sink->options->url, text);
    }
    return LEAT_OK;
}

/* ---- the operations -------------------------------------------------------------------------- */

static leat_status sink_create(const leat_host *host, const void *config, leat_sink **out, leat_error *error)
{
    const struct options *options = config;
    leat_sink *sink = *out = calloc(1, sizeof *sink);
    if (!sink)
        return http_say(error, LEAT_EFATAL, "create", "no memory");
    sink->host = host;
    sink->options = options;
    sink->global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    sink->multi = curl_multi_init();
    sink->easy = curl_easy_init();
    if (!sink->global || !sink->multi || !sink->easy)
        return http_say(error, LEAT_EFATAL, "create", "libcurl cannot begin");
    if (strncmp(options->url, "http://", 7) != 0 && strncmp(options->url, "https://", 8) != 0)
        return http_say(error, LEAT_ECONFIG, options->url, "write http:// or https://");
    return LEAT_OK;
}

static leat_status sink_start(leat_sink *sink, leat_sink_start *start, leat_error *error)
{
    if (strcmp(start->format, "json") != 0)
        return http_say(error, LEAT_ECONFIG, "format", "this sink sends lines of JSON: write format: json");
    sink->name_space = start->name_space;
    if (sink->request == NONE && !sink->answered)
        return http_begin(sink, GET) ? LEAT_AGAIN : http_say(error, LEAT_ERETRY, sink->options->url, "no memory");
    if (!sink->answered)
        return LEAT_AGAIN;
    sink->answered = false;
    if (sink->result != CURLE_OK)
        return http_say(error, LEAT_ERETRY, sink->options->url, sink->reason[0] ? sink->reason : curl_easy_strerror(sink->result));
    if (sink->status < 200 || sink->status >= 300) {
        char text[64];
        (void)snprintf(text, sizeof text, "GET is answered with %ld", sink->status);
        return http_say(error, LEAT_ERETRY, sink->options->url, text);
    }
    if (!sink->is_log)
        return http_say(error, LEAT_ECONFIG, sink->options->url, "it has no header Leat-Log: it is no log for leat");
    sink->has_stored = sink->has_last;
    sink->stored = sink->last;
    start->holds = sink->has_last ? LEAT_HOLDS_LAST : LEAT_HOLDS_NOTHING;
    start->last = sink->last;
    sink->up = true;
    return LEAT_OK;
}

static leat_status sink_submit(leat_sink *sink, const leat_batch *batch)
{
    if (!sink->up || sink->count == LENT_MAX)
        return LEAT_AGAIN;
    sink->lent[sink->count++] = (struct lent){.batch = batch};
    return LEAT_OK;
}

static leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error)
{
    CURLcode result;
    long status;
    if (sink->request == NONE && sink->up && sink->count > 0) {
        if (!fill(sink) || !http_begin(sink, POST)) {
            fail(sink, LEAT_ERETRY, "no memory for the request");
            return LEAT_OK;
        }
    }
    enum request request = sink->request;
    if (!http_drive(sink, max_wait_ms, &result, &status))
        return LEAT_OK;
    if (request == POST)
        return judge(sink, result, status, error);
    sink->answered = true; /* the GET of start */
    sink->result = result;
    sink->status = status;
    return LEAT_OK;
}

static int64_t now_ms(const leat_sink *sink)
{
    return sink->host->now_ns(sink->host) / 1000000;
}

static leat_status sink_stop(leat_sink *sink, uint32_t deadline_ms)
{
    leat_error error = {.size = sizeof error};
    int64_t until_ms = now_ms(sink) + deadline_ms;
    bool ok = sink->up;
    for (int64_t left_ms = deadline_ms; ok && sink->count > 0 && left_ms > 0; left_ms = until_ms - now_ms(sink))
        ok = sink_poll(sink, left_ms < INT32_MAX ? (int32_t)left_ms : INT32_MAX, &error) == LEAT_OK;
    if (sink->request != NONE) /* closes its connection: what it did, the next start finds out */
        (void)curl_multi_remove_handle(sink->multi, sink->easy);
    sink->request = NONE;
    sink->up = sink->answered = sink->careful = false;
    sink->count = 0;
    return LEAT_OK;
}

static void sink_destroy(leat_sink *sink)
{
    if (!sink)
        return;
    if (sink->request != NONE)
        (void)curl_multi_remove_handle(sink->multi, sink->easy);
    curl_slist_free_all(sink->headers);
    curl_easy_cleanup(sink->easy);
    (void)curl_multi_cleanup(sink->multi);
    if (sink->global)
        curl_global_cleanup();
    free(sink->body);
    free(sink);
}

static const char *libraries(void)
{
    return curl_version();
}

static const leat_sink_ops ops = {.size = sizeof ops, .create = sink_create, .start = sink_start,
    .submit = sink_submit, .poll = sink_poll, .stop = sink_stop, .destroy = sink_destroy};

static const leat_option table[] = {
    LEAT_OPTION_STRING("url", struct options, url, NULL, LEAT_OPT_REQUIRED, "The endpoint's URL, http or https."),
    LEAT_OPTION_STRING("token", struct options, token, NULL, LEAT_OPT_SECRET, "Sent as Authorization: Bearer."),
    LEAT_OPTION_STRING("ca_file", struct options, ca_file, NULL, 0, "The CA certificates to trust, instead of the system's."),
    LEAT_OPTION_STRING("certificate", struct options, certificate, NULL, 0, "A client certificate (PEM)."),
    LEAT_OPTION_STRING("key", struct options, key, NULL, 0, "The file of its private key (PEM)."),
    LEAT_OPTION_DURATION("connect_timeout", struct options, connect_timeout_ms, "5s", 100, 600000, 0,
                         "How long connecting may take."),
    LEAT_OPTION_DURATION("timeout", struct options, timeout_ms, "30s", 100, 3600000, 0, "How long a request may take."),
    LEAT_OPTION_SIZE("max_bytes", struct options, max_bytes, "1MiB", 1024, 67108864, 0,
                     "The size of a body; a larger record goes alone."),
};

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC, .abi_major = LEAT_ABI_MAJOR, .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1, .kind = LEAT_KIND_SINK, .name = "http", .version = "1.0",
    .license = "Apache-2.0", .summary = "an HTTP endpoint that keeps a log", .ops = &ops, .options = table,
    .option_count = sizeof table / sizeof *table, .option_stride = sizeof *table,
    .config_size = sizeof(struct options), .libraries = libraries};
LEAT_ELF_NOTE(0);
