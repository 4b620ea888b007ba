/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.h -- the JetStream stream, through its JSON API: what it is, making it, what it answers to
 * a publish.  One client's, so one thread.  Never writes a configuration back: fields that we do
 * not know would be lost.
 */
#ifndef NATS_STREAM_H
#define NATS_STREAM_H

#include "client.h"

enum {
    STREAM_MESSAGE_NOT_FOUND = 10037,
    STREAM_NOT_FOUND = 10059,
    STREAM_WRONG_LAST_SEQUENCE = 10071,
    STREAM_MESSAGE_TOO_LARGE = 10054,
    STREAM_HEADERS_TOO_LARGE = 10097,
    STREAM_DUPLICATE_IN_BATCH = 10201,
    /* ours: */
    STREAM_ANSWER_UNCLEAR = -1,
    STREAM_IS_ANOTHER = -2 /* the subject is another stream's: publish_ack.text has its name */
};

enum { STREAM_SUBJECTS_MAX = 8192 };

struct stream_info {
    bool exists, memory, discard_new, limits_retention, allow_atomic, persist_async, sealed, mirror;
    bool allow_direct; /* messages can be read without the API */
    int64_t max_per_subject, replicas, max_message_size, max_bytes, max_messages, max_age_ns,
        duplicate_window_ns;
    uint64_t first_sequence, last_sequence, messages, subject_count, deleted;
    char created[48];
    char subjects[STREAM_SUBJECTS_MAX]; /* the JSON array; empty when it did not fit */
};

/* What the server answered to a publish. */
struct publish_ack {
    bool duplicate;
    int status;   /* of the header: 503 when nobody listens; 0: none */
    int64_t code; /* error.err_code, or one of ours; 0: stored */
    uint64_t sequence, count;
    char text[160]; /* of an error */
};

/* "$JS.API.<verb>.<stream>", with the domain where there is one. */
void stream_subject(const struct nats_options *options, const char *verb, char *dst, size_t size);

/* OK: *info is filled (exists may be false).  ERETRY: no answer, or a passing trouble. */
leat_status stream_read(struct client *client, struct stream_info *info, int64_t timeout_ms,
                        leat_error *error);
leat_status stream_create(struct client *client, int64_t timeout_ms, leat_error *error);

/* An answer to STREAM.INFO: false when it says that the stream is gone, is another one, or ends before
 * `sequence`.  One that says nothing of it is no reason. */
bool stream_still_holds(const struct wire_event *event, const char *created, uint64_t sequence);

/* Whether one of the stream's subjects takes this one (which may itself end in wildcards). */
bool stream_covers(const struct stream_info *info, const char *subject);

/* A plain subject that the stream takes; false when none can be made of its subjects. */
bool stream_any_subject(const struct stream_info *info, char *dst, size_t size);

/* ERETRY or ECONFIG with the reason when this stream must not be written to. */
leat_status stream_accept(const struct stream_info *info, const struct nats_options *options,
                          leat_error *error);

/* False when it is no acknowledgement of `stream`: ack->text says why. */
bool stream_parse_ack(const struct wire_event *event, const char *stream, struct publish_ack *ack);

#endif
