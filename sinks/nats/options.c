/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c -- the option table of the NATS sink and the checks that span options.  [main]
 * The manual page's list of options is printed from this table.
 */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const dedupe_choices[] = {"msg_id", "sequence", NULL};
static const char *const publish_choices[] = {"single", "atomic", NULL};
static const char *const discard_choices[] = {"old", "new", NULL};

#define T struct nats_options
enum { SECRET = LEAT_OPT_SECRET, REQUIRED = LEAT_OPT_REQUIRED };

const leat_option nats_option_table[] = {
    LEAT_OPTION_STRINGS("url", T, url, NULL, REQUIRED,
                        "Servers, tried in turn: nats://host:4222, tls://host:4222."),
    LEAT_OPTION_STRING("stream", T, stream, NULL, REQUIRED,
                       "The JetStream stream that takes the subjects of route."),
    LEAT_OPTION_STRING("domain", T, domain, NULL, 0,
                       "JetStream domain, where the stream lies behind a leaf node."),
    LEAT_OPTION_STRING("user", T, user, NULL, 0, "User name."),
    LEAT_OPTION_STRING("password", T, password, NULL, SECRET, "Password of user."),
    LEAT_OPTION_STRING("password_file", T, password_file, NULL, 0,
                       "File with the password, read anew at each connection."),
    LEAT_OPTION_STRING("token", T, token, NULL, SECRET, "Authentication token."),
    LEAT_OPTION_STRING("token_file", T, token_file, NULL, 0,
                       "File with the token, read anew at each connection."),
    LEAT_OPTION_STRING("nkey_file", T, nkey_file, NULL, 0,
                       "File with the seed of an nkey (SU...), read anew at each connection."),
    LEAT_OPTION_STRING("credentials", T, credentials, NULL, 0,
                       "File with a user's JWT and seed (.creds), read anew at each connection."),
    LEAT_OPTION_STRING("tls.ca", T, tls_ca, NULL, 0,
                       "File with the certificate authorities to trust; the system's otherwise."),
    LEAT_OPTION_STRING("tls.cert", T, tls_cert, NULL, 0, "File with the client's certificate."),
    LEAT_OPTION_STRING("tls.key", T, tls_key, NULL, 0, "File with the client's private key."),
    LEAT_OPTION_STRING("tls.name", T, tls_name, NULL, 0,
                       "Name to expect in the server's certificate instead of the host's."),
    LEAT_OPTION_BOOL("tls.first", T, tls_first, "false", 0,
                     "Begin TLS before the server has said anything (its handshake_first)."),
    LEAT_OPTION_ENUM("dedupe", T, dedupe, "msg_id", dedupe_choices, 0,
                     "How a message that arrives twice is told: by its id within the stream's "
                     "duplicate window, or by the sequence that the stream must be at (for a "
                     "stream that nobody else writes to; cheaper, and exact without a window)."),
    LEAT_OPTION_ENUM("publish", T, publish, "single", publish_choices, 0,
                     "Message by message, or whole transactions in atomic batches (server 2.12, "
                     "stream with allow_atomic)."),
    LEAT_OPTION_INT("window", T, window, "0", 0, WINDOW_MAX, 0,
                    "Messages sent and not acknowledged, at most; 0: 2048 with dedupe: sequence, "
                    "else 512, where more helps only if the server is far away."),
    LEAT_OPTION_SIZE("window_size", T, window_size, "8MiB", 65536, 1073741824, 0,
                     "The same in bytes."),
    LEAT_OPTION_STRING("confirm_hold", T, confirm_hold, "auto", 0,
                       "How long behind the acknowledgement a record counts as durable (an "
                       "acknowledgement is no fsync).  auto: 0s where the stream is replicated or "
                       "the server syncs always, else a quarter more than the server's "
                       "sync_interval where monitor_url tells it, else 150s."),
    LEAT_OPTION_STRING("monitor_url", T, monitor_url, NULL, 0,
                       "The server's monitoring address (http://host:8222), asked for its "
                       "sync_interval."),
    LEAT_OPTION_DURATION("connect_timeout", T, connect_timeout_ms, "5s", 100, 60000, 0,
                         "For one server to accept the connection and the login."),
    LEAT_OPTION_DURATION("ack_timeout", T, ack_timeout_ms, "10s", 100, 600000, 0,
                         "Without any acknowledgement for so long, the connection counts as lost."),
    LEAT_OPTION_DURATION("ping_interval", T, ping_interval_ms, "20s", 1000, 600000, 0,
                         "An idle connection is tried so often."),
    LEAT_OPTION_DURATION("fence_timeout", T, fence_timeout_ms, "10s", 0, 600000, 0,
                         "How long to wait until the server has noticed that an earlier connection "
                         "of ours is dead.  A daemon that itself stood still for most of that "
                         "connects anew before it sends anything."),
    LEAT_OPTION_STRING("inbox_prefix", T, inbox_prefix, "_INBOX", 0,
                       "First tokens of the subjects that answers come to."),
    LEAT_OPTION_BOOL("allow_memory_stream", T, allow_memory_stream, "false", 0,
                     "Accept a stream that keeps its messages in memory: a restart loses them."),
    LEAT_OPTION_BOOL("create_stream", T, create_stream, "false", 0,
                     "Create the stream at the first start where it does not exist."),
    LEAT_OPTION_STRINGS("create.subjects", T, create_subjects, NULL, 0,
                        "Its subjects, for example cdc.>."),
    LEAT_OPTION_INT("create.replicas", T, create_replicas, "1", 1, 5, 0, "Its replicas."),
    LEAT_OPTION_DURATION("create.duplicate_window", T, create_duplicate_window_ms, "10m", 100,
                         86400000, 0, "Its duplicate window."),
    LEAT_OPTION_DURATION("create.max_age", T, create_max_age_ms, "0s", 0, 0, 0,
                         "Its limit of age; 0s: none."),
    LEAT_OPTION_SIZE("create.max_bytes", T, create_max_bytes, "0", 0, 0, 0,
                     "Its limit of size; 0: none."),
    LEAT_OPTION_INT("create.max_messages", T, create_max_messages, "0", 0, 0, 0,
                    "Its limit of messages; 0: none."),
    LEAT_OPTION_ENUM("create.discard", T, create_discard, "new", discard_choices, 0,
                     "At a limit: refuse new messages, or drop old ones unseen."),
    LEAT_OPTION_INT("pack.records", T, pack_records, "1", 1, 10000, 0,
                    "Up to so many consecutive records of one subject in one message."),
    LEAT_OPTION_DURATION("pack.max_delay", T, pack_max_delay_ms, "5ms", 0, 60000, 0,
                         "How long a message waits for more records."),
    LEAT_OPTION_SIZE("pack.size", T, pack_size, "256KiB", 1024, 8388608, 0,
                     "Bytes of such a message, at most."),
};

_Static_assert(sizeof nats_option_table / sizeof nats_option_table[0] == NATS_OPTION_COUNT,
               "NATS_OPTION_COUNT is the length of the table");

uint64_t nats_window(const struct nats_options *options)
{
    if (options->window)
        return (uint64_t)options->window;
    return options->dedupe == DEDUPE_SEQUENCE ? WINDOW_SEQUENCE : WINDOW_MSG_ID;
}

leat_status nats_fail(leat_error *error, leat_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    for (char *p = error->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    error->status = status;
    return status;
}

/* "150s"; the units of the host's own durations. */
static bool parse_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return false;
    if (p == text)
        return false;
    if (n == 0 && !*p) {
        *ms = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(p, units[i].unit) == 0)
            return !__builtin_mul_overflow(n, units[i].ms, ms) && *ms <= 86400000;
    return false;
}

/* A token list without wildcards, spaces or empty tokens. */
static bool plain_subject(const char *text)
{
    bool empty = true;
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == '*' || *text == '>' || *text == 0x7f ||
            (*text == '.' && empty))
            return false;
        empty = *text == '.';
    }
    return !empty;
}

static leat_status check_secrets(const struct nats_options *options, leat_error *error)
{
    int ways = (options->user != NULL) + (options->token || options->token_file) +
               (options->nkey_file != NULL) + (options->credentials != NULL);
    if (ways > 1)
        return nats_fail(error, LEAT_ECONFIG,
                         "more than one of user, token, nkey_file and credentials is given: "
                         "keep one");
    if ((options->password || options->password_file) && !options->user)
        return nats_fail(error, LEAT_ECONFIG, "a password without user: give user");
    if ((options->password && options->password_file) || (options->token && options->token_file))
        return nats_fail(error, LEAT_ECONFIG,
                         "a secret and a file for the same secret are given: keep one");
    if (!options->tls_cert != !options->tls_key)
        return nats_fail(error, LEAT_ECONFIG, "tls.cert and tls.key go together: give both");
    return LEAT_OK;
}

leat_status nats_options_check(const struct nats_options *options, int64_t *hold_ms,
                               leat_error *error)
{
    *hold_ms = -1;
    if (strcmp(options->confirm_hold, "auto") != 0 &&
        !parse_duration(options->confirm_hold, hold_ms))
        return nats_fail(error, LEAT_ECONFIG,
                         "confirm_hold: \"%s\" is neither auto nor a duration of at most a day "
                         "(0s, 150s, 5m)",
                         options->confirm_hold);
    if (!options->url.count)
        return nats_fail(error, LEAT_ECONFIG, "url: no server is given");
    if (!plain_subject(options->stream) || strchr(options->stream, '.') ||
        strchr(options->stream, '/') || strchr(options->stream, '\\') ||
        strlen(options->stream) > 255)
        return nats_fail(error, LEAT_ECONFIG, "stream: \"%s\" cannot be the name of a stream",
                         options->stream);
    if (!plain_subject(options->inbox_prefix) || strlen(options->inbox_prefix) > 100)
        return nats_fail(error, LEAT_ECONFIG, "inbox_prefix: \"%s\" is not a subject",
                         options->inbox_prefix);
    if (options->domain && (!plain_subject(options->domain) || strchr(options->domain, '.') ||
                            strlen(options->domain) > 100))
        return nats_fail(error, LEAT_ECONFIG, "domain: \"%s\" cannot be the name of a domain",
                         options->domain);
    if (options->create_stream && !options->create_subjects.count)
        return nats_fail(error, LEAT_ECONFIG,
                         "create_stream: give create.subjects, for example [\"cdc.>\"]");
    if (options->window && options->window < WINDOW_MIN)
        return nats_fail(error, LEAT_ECONFIG, "window: %lld is neither 0 nor at least %d",
                         (long long)options->window, WINDOW_MIN);
    if (options->publish == PUBLISH_ATOMIC && options->pack_records > 1)
        return nats_fail(error, LEAT_ECONFIG,
                         "publish: atomic and pack exclude one another: leave one out");
    if (options->monitor_url && strncmp(options->monitor_url, "http://", 7) != 0)
        return nats_fail(error, LEAT_ECONFIG, "monitor_url: must begin with http://");
    return check_secrets(options, error);
}
