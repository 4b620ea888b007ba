/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h -- the NATS sink's configuration, filled by the host from the table in options.c.
 * Static and immutable for the life of an instance.  [any]
 */
#ifndef NATS_OPTIONS_H
#define NATS_OPTIONS_H

#include <leat/plugin.h>

enum { DEDUPE_MSG_ID = 0, DEDUPE_SEQUENCE };
enum { PUBLISH_SINGLE = 0, PUBLISH_ATOMIC };
enum { DISCARD_OLD = 0, DISCARD_NEW };

enum {
    WINDOW_MAX = 16384, /* messages in flight */
    WINDOW_MIN = 16,
    WINDOW_SEQUENCE = 2048,
    WINDOW_MSG_ID = 512,
    REPLY_SUBJECTS = 512,
    ATOMIC_MAX = 1000 /* messages of one atomic batch: the server's own limit */
};

struct nats_options {
    leat_strings url;
    const char *stream, *domain;
    const char *user, *password, *password_file, *token, *token_file, *nkey_file, *credentials;
    const char *tls_ca, *tls_cert, *tls_key, *tls_name;
    bool tls_first;
    int64_t dedupe, publish;
    int64_t window, window_size; /* window: through nats_window */
    const char *confirm_hold;    /* "auto" or a duration */
    const char *monitor_url;
    int64_t connect_timeout_ms, ack_timeout_ms, ping_interval_ms, fence_timeout_ms;
    const char *inbox_prefix;
    bool allow_memory_stream, create_stream;
    leat_strings create_subjects;
    int64_t create_replicas, create_duplicate_window_ms, create_max_age_ms, create_max_bytes;
    int64_t create_max_messages, create_discard;
    int64_t pack_records, pack_max_delay_ms, pack_size;
};

enum { NATS_OPTION_COUNT = 38 };
extern const leat_option nats_option_table[NATS_OPTION_COUNT]; /* the compiler counts along */

/* What the table cannot say: which options go together, and the duration in confirm_hold
 * (*hold_ms; -1: auto).  OK, or ECONFIG with the text.  No I/O. */
leat_status nats_options_check(const struct nats_options *options, int64_t *hold_ms,
                               leat_error *error);

/* Messages that may be on their way. */
uint64_t nats_window(const struct nats_options *options);

/* Fills *error and returns `status`.  The text becomes one line of printable bytes: parts of it
 * may come from a server. */
leat_status nats_fail(leat_error *error, leat_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
