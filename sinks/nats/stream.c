/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.c -- see the header.  The API is that of the NATS documentation, "JetStream wire API".
 */
#include "stream.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>

void stream_subject(const struct nats_options *options, const char *verb, char *dst, size_t size)
{
    (void)snprintf(dst, size, "$JS.%s%sAPI.%s.%s", options->domain ? options->domain : "",
                   options->domain ? "." : "", verb, options->stream);
}

/* One request to the API.  A passing trouble is ERETRY; an error that the API names is OK with
 * *code set. */
static leat_status ask(struct client *client, const char *verb, leat_bytes body, int64_t timeout_ms,
                       int64_t *code, leat_error *error)
{
    char subject[640], text[200];
    stream_subject(client->options, verb, subject, sizeof subject);
    leat_status status = client_request(client, subject, body, timeout_ms, error);
    if (status)
        return LEAT_ERETRY;
    if (wire_status(client->answer.headers) == 503)
        return nats_fail(error, LEAT_ERETRY,
                         "%s: JetStream is not enabled for this account, or has no leader now",
                         client->server);
    leat_bytes payload = client->answer.payload;
    *code = json_find_int(payload, "error.err_code", 0);
    if (*code == 0 && json_find_int(payload, "error.code", 0) == 0)
        return LEAT_OK;
    (void)json_find_string(payload, "error.description", text, sizeof text);
    (void)nats_fail(error, LEAT_ERETRY, "stream %s: the server said: %s (%lld)",
                    client->options->stream, text, (long long)*code);
    return *code == STREAM_NOT_FOUND ? LEAT_OK : LEAT_ERETRY;
}

static bool word_is(leat_bytes document, const char *path, const char *word)
{
    char value[32];
    return json_find_string(document, path, value, sizeof value) && strcmp(value, word) == 0;
}

static void fill(leat_bytes json, struct stream_info *info)
{
    leat_bytes value;
    info->exists = true;
    info->memory = word_is(json, "config.storage", "memory");
    info->discard_new = word_is(json, "config.discard", "new");
    info->limits_retention = word_is(json, "config.retention", "limits");
    info->persist_async = word_is(json, "config.persist_mode", "async");
    info->allow_atomic = json_find_bool(json, "config.allow_atomic");
    info->allow_direct = json_find_bool(json, "config.allow_direct");
    info->sealed = json_find_bool(json, "config.sealed");
    info->mirror = json_find(json, "config.mirror", &value);
    info->replicas = json_find_int(json, "config.num_replicas", 1);
    info->max_message_size = json_find_int(json, "config.max_msg_size", -1);
    info->max_bytes = json_find_int(json, "config.max_bytes", -1);
    info->max_messages = json_find_int(json, "config.max_msgs", -1);
    info->max_per_subject = json_find_int(json, "config.max_msgs_per_subject", -1);
    info->max_age_ns = json_find_int(json, "config.max_age", 0);
    info->duplicate_window_ns = json_find_int(json, "config.duplicate_window", 0);
    info->first_sequence = json_find_uint(json, "state.first_seq", 0);
    info->last_sequence = json_find_uint(json, "state.last_seq", 0);
    info->messages = json_find_uint(json, "state.messages", 0);
    info->subject_count = json_find_uint(json, "state.num_subjects", 0);
    info->deleted = json_find_uint(json, "state.num_deleted", 0);
    (void)json_find_string(json, "created", info->created, sizeof info->created);
    if (json_find(json, "config.subjects", &value) && value.len < sizeof info->subjects) {
        memcpy(info->subjects, value.ptr, value.len);
        info->subjects[value.len] = '\0';
    }
}

leat_status stream_read(struct client *client, struct stream_info *info, int64_t timeout_ms,
                        leat_error *error)
{
    int64_t code = 0;
    memset(info, 0, sizeof *info);
    leat_status status =
        ask(client, "STREAM.INFO", (leat_bytes){NULL, 0}, timeout_ms, &code, error);
    if (!status && code != STREAM_NOT_FOUND)
        fill(client->answer.payload, info);
    return status;
}

bool stream_still_holds(const struct wire_event *event, const char *created, uint64_t sequence)
{
    char birth[sizeof((struct stream_info *)NULL)->created];
    if (json_find_int(event->payload, "error.err_code", 0) == STREAM_NOT_FOUND)
        return false;
    if (!json_find_string(event->payload, "created", birth, sizeof birth))
        return true;
    return strcmp(birth, created) == 0 &&
           json_find_uint(event->payload, "state.last_seq", sequence) >= sequence;
}

leat_status stream_create(struct client *client, int64_t timeout_ms, leat_error *error)
{
    const struct nats_options *options = client->options;
    char body[16 * 1024];
    int64_t code = 0;
    size_t len =
        (size_t)snprintf(body, sizeof body, "{\"name\":\"%s\",\"subjects\":[", options->stream);
    for (size_t i = 0; i < options->create_subjects.count; i++) {
        const char *subject = options->create_subjects.items[i];
        if (i)
            body[len++] = ',';
        size_t n = json_quote((leat_bytes){subject, strlen(subject)}, body + len,
                              sizeof body - 1024 - len);
        if (!n)
            return nats_fail(error, LEAT_ECONFIG, "create.subjects: too many");
        len += n;
    }
    len += (size_t)snprintf(
        body + len, sizeof body - len,
        "],\"storage\":\"file\",\"retention\":\"limits\",\"discard\":\"%s\",\"num_replicas\":%lld,"
        "\"max_age\":%lld,\"max_bytes\":%lld,\"max_msgs\":%lld,\"max_consumers\":-1,"
        "\"duplicate_window\":%lld,\"allow_direct\":true%s}",
        options->create_discard == DISCARD_NEW ? "new" : "old", (long long)options->create_replicas,
        (long long)options->create_max_age_ms * 1000000,
        (long long)(options->create_max_bytes ? options->create_max_bytes : -1),
        (long long)(options->create_max_messages ? options->create_max_messages : -1),
        (long long)options->create_duplicate_window_ms * 1000000,
        options->publish == PUBLISH_ATOMIC ? ",\"allow_atomic\":true" : "");
    return ask(client, "STREAM.CREATE", (leat_bytes){body, len}, timeout_ms, &code, error);
}

/* ---- subjects ------------------------------------------------------------------------------- */

/* NATS' rule: '*' takes one token, '>' at the end takes one or more. */
static bool matches(const char *pattern, const char *subject)
{
    for (;;) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");
        if (p == 1 && *pattern == '>')
            return true;
        if (!(p == 1 && *pattern == '*' && !(s == 1 && *subject == '>')) &&
            (p != s || memcmp(pattern, subject, p) != 0))
            return false;
        if (!pattern[p] || !subject[s])
            return !pattern[p] && !subject[s];
        pattern += p + 1;
        subject += s + 1;
    }
}

static leat_bytes subjects_of(const struct stream_info *info)
{
    return (leat_bytes){info->subjects, strlen(info->subjects)};
}

bool stream_covers(const struct stream_info *info, const char *subject)
{
    leat_bytes item;
    char pattern[1024];
    for (size_t at = 0; json_next_item(subjects_of(info), &at, &item);)
        if (json_string(item, pattern, sizeof pattern) && matches(pattern, subject))
            return true;
    return false;
}

bool stream_any_subject(const struct stream_info *info, char *dst, size_t size)
{
    static const char token[] = "leat-fence";
    leat_bytes item;
    char pattern[1024];
    size_t at = 0, len = 0;
    if (!json_next_item(subjects_of(info), &at, &item) ||
        !json_string(item, pattern, sizeof pattern))
        return false;
    for (const char *p = pattern; *p; p++) {
        bool wild = *p == '*' || *p == '>';
        size_t n = wild ? sizeof token - 1 : 1;
        if (len + n >= size)
            return false;
        memcpy(dst + len, wild ? token : p, n);
        len += n;
    }
    dst[len] = '\0';
    return len != 0;
}

/* ---- may it be written to? ------------------------------------------------------------------ */

leat_status stream_accept(const struct stream_info *info, const struct nats_options *options,
                          leat_error *error)
{
    const char *name = options->stream;
    if (info->memory && !options->allow_memory_stream)
        return nats_fail(error, LEAT_ECONFIG,
                         "stream %s keeps its messages in memory, so a restart of the server loses "
                         "them: make it with file storage, or set allow_memory_stream",
                         name);
    if (info->persist_async)
        return nats_fail(error, LEAT_ECONFIG,
                         "stream %s has persist_mode async: it acknowledges what it has not "
                         "written; make it with the default persist_mode",
                         name);
    if (info->sealed || info->mirror)
        return nats_fail(error, LEAT_ECONFIG, "stream %s %s: nothing can be published into it",
                         name, info->sealed ? "is sealed" : "is a mirror");
    if (options->publish == PUBLISH_ATOMIC && !info->allow_atomic)
        return nats_fail(
            error, LEAT_ECONFIG,
            "publish: atomic needs server 2.12 and a stream with allow_atomic; turn it "
            "on with: nats stream edit %s --allow-batch",
            name);
    return LEAT_OK;
}

/* ---- acknowledgements ----------------------------------------------------------------------- */

static bool skip_text(const char **p, const char *end, const char *text, size_t len)
{
    if ((size_t)(end - *p) < len || memcmp(*p, text, len) != 0)
        return false;
    *p += len;
    return true;
}

#define SKIP(p, end, literal) skip_text((p), (end), (literal), sizeof(literal) - 1)

/* What the server writes for the common case, read without a search for every member:
 * {"stream":"NAME","seq":N}, with a blank before "seq" in old ones, and in between "domain":"NAME"
 * where it has one. */
static bool quick_ack(leat_bytes payload, const char *stream, struct publish_ack *ack)
{
    const char *p = payload.ptr, *end = p + payload.len;
    if (!payload.len || *--end != '}' || !SKIP(&p, end, "{\"stream\":\"") ||
        !skip_text(&p, end, stream, strlen(stream)) || !SKIP(&p, end, "\","))
        return false;
    (void)SKIP(&p, end, " ");
    if (SKIP(&p, end, "\"domain\":\"")) {
        p = memchr(p, '"', (size_t)(end - p));
        if (!p || p[-1] == '\\' || !SKIP(&p, end, "\","))
            return false;
        (void)SKIP(&p, end, " ");
    }
    return SKIP(&p, end, "\"seq\":") &&
           json_uint((leat_bytes){p, (size_t)(end - p)}, &ack->sequence) && ack->sequence != 0;
}

/* Also in an error the server names the stream that it is of. */
static bool is_of_another(leat_bytes payload, const char *stream, struct publish_ack *ack)
{
    char name[300];
    if (!json_find_string(payload, "stream", name, sizeof name) || !name[0] ||
        strcmp(name, stream) == 0)
        return false;
    ack->code = STREAM_IS_ANOTHER;
    (void)snprintf(ack->text, sizeof ack->text, "%.150s", name);
    return true;
}

bool stream_parse_ack(const struct wire_event *event, const char *stream, struct publish_ack *ack)
{
    memset(ack, 0, sizeof *ack);
    ack->status = wire_status(event->headers);
    if (ack->status) {
        ack->code = ack->status == 503 ? 0 : STREAM_ANSWER_UNCLEAR;
        (void)snprintf(ack->text, sizeof ack->text, "no stream takes the subject");
        return ack->status == 503;
    }
    if (quick_ack(event->payload, stream, ack))
        return true;
    ack->code = json_find_int(event->payload, "error.err_code",
                              json_find_int(event->payload, "error.code", 0));
    if (ack->code) {
        (void)json_find_string(event->payload, "error.description", ack->text, sizeof ack->text);
        return !is_of_another(event->payload, stream, ack);
    }
    ack->duplicate = json_find_bool(event->payload, "duplicate");
    ack->sequence = json_find_uint(event->payload, "seq", 0);
    ack->count = json_find_uint(event->payload, "count", 0);
    if (is_of_another(event->payload, stream, ack))
        return false;
    leat_bytes name;
    if (!json_find(event->payload, "stream", &name) || !ack->sequence) {
        ack->code = STREAM_ANSWER_UNCLEAR;
        (void)snprintf(ack->text, sizeof ack->text, "an answer that is no acknowledgement");
        return false;
    }
    return true;
}
