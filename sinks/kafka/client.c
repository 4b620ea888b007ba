/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c -- see the header.  The log callback runs on the library's threads; nothing else does.
 */
#include "client.h"

#include "pace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

leat_status client_fail(leat_error *error, leat_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    error->status = status;
    return status;
}

/* ---- properties ------------------------------------------------------------------------------ */

static const char ORDER[] =
    "the sink's promise (in order, nothing lost, nothing twice) rests on it";
static const char CODE[] = "it loads or runs other code";
static const char OWN[] = "there is an option for it";
static const char READER[] = "the sink reads topics only to find what it has written";

/* A name that ends in '.' stands for all that begin so. */
static const struct {
    const char *name, *reason;
} refused[] = {
    {"acks", ORDER},
    {"request.required.acks", ORDER},
    {"enable.idempotence", ORDER},
    {"enable.gapless.guarantee", ORDER},
    {"message.timeout.ms", ORDER},
    {"delivery.timeout.ms", ORDER},
    {"retries", ORDER},
    {"message.send.max.retries", ORDER},
    {"max.in.flight", ORDER},
    {"max.in.flight.requests.per.connection", ORDER},
    {"queuing.strategy", ORDER},
    {"partitioner", "the sink chooses the partition by itself: see the option partitioner"},
    {"msg_order_cmp", ORDER},
    {"sticky.partitioning.linger.ms", ORDER},
    {"delivery.report.only.error", ORDER},
    {"produce.offset.report", ORDER},
    {"dr_cb", ORDER},
    {"dr_msg_cb", ORDER},
    {"topic.metadata.propagation.max.ms", ORDER},
    {"allow.auto.create.topics", "topics are created only by create_topics"},
    {"test.", "it replaces the brokers by a mock"},
    {"plugin.library.paths", CODE},
    {"interceptors", CODE},
    {"ssl.engine.", CODE},
    {"ssl.providers", CODE},
    {"sasl.kerberos.kinit.cmd", CODE},
    {"sasl.oauthbearer.", CODE},
    {"enable.sasl.oauthbearer.unsecure.jwt", "such a token proves nothing"},
    {"oauthbearer_token_refresh_cb", CODE},
    {"bootstrap.servers", OWN},
    {"metadata.broker.list", OWN},
    {"linger.ms", OWN},
    {"queue.buffering.max.ms", OWN},
    {"queue.buffering.max.messages", OWN},
    {"batch.num.messages", "it follows window.records"},
    {"queue.buffering.max.kbytes", OWN},
    {"message.max.bytes", OWN},
    {"compression.codec", OWN},
    {"compression.type", OWN},
    {"transactional.id", OWN},
    {"transaction.timeout.ms", OWN},
    {"security.protocol", OWN},
    {"sasl.mechanism", OWN},
    {"sasl.mechanisms", OWN},
    {"sasl.username", OWN},
    {"sasl.password", OWN},
    {"ssl.ca.location", OWN},
    {"ssl.certificate.location", OWN},
    {"ssl.key.location", OWN},
    {"ssl.key.password", OWN},
    {"ssl.key.pem", "a key does not belong into the configuration: see the option tls.key"},
    {"ssl.keystore.password", "use tls.certificate and tls.key"},
    {"group.", READER},
    {"group.id", READER},
    {"isolation.level", READER},
    {"enable.auto.commit", READER},
    {"enable.auto.offset.store", READER},
    {"auto.offset.reset", READER},
    {"enable.partition.eof", READER},
    {"log.queue", "the sink logs through the daemon"},
    {"background_event_cb", CODE},
};

const char *client_property_refused(const char *name)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        size_t len = strlen(refused[i].name);
        if (strcmp(name, refused[i].name) == 0)
            return refused[i].reason;
        if (refused[i].name[len - 1] == '.' && strncmp(name, refused[i].name, len) == 0)
            return refused[i].reason;
    }
    return NULL;
}

/* Sets until the first failure; `ok` false makes the rest do nothing. */
struct setter {
    rd_kafka_conf_t *conf;
    leat_error *error;
    bool ok;
};

static void set(struct setter *setter, const char *name, const char *value)
{
    char text[256] = "";
    if (!setter->ok || !value)
        return;
    if (rd_kafka_conf_set(setter->conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return;
    setter->ok = false;
    client_fail(setter->error, LEAT_ECONFIG, "property %s cannot be set: %s", name, text);
}

static void set_number(struct setter *setter, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    set(setter, name, text);
}

static void set_properties(struct setter *setter, const leat_pairs *properties)
{
    for (size_t i = 0; setter->ok && i < properties->count; i++) {
        const char *name = properties->items[i].name;
        const char *reason = client_property_refused(name);
        if (!reason) {
            set(setter, name, properties->items[i].value);
            continue;
        }
        setter->ok = false;
        client_fail(setter->error, LEAT_ECONFIG, "property %s is refused: %s", name, reason);
    }
}

static void set_brokers(struct setter *setter, const leat_strings *brokers)
{
    char text[4096];
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < brokers->count; i++) {
        int n = snprintf(text + len, sizeof text - len, "%s%s", len ? "," : "", brokers->items[i]);
        if (n < 0 || (size_t)n >= sizeof text - len) {
            setter->ok = false;
            client_fail(setter->error, LEAT_ECONFIG, "brokers: the list is too long");
            return;
        }
        len += (size_t)n;
    }
    set(setter, "bootstrap.servers", text);
}

/* The first line of a file, at most 1023 bytes. */
static bool read_secret(const char *path, char *text, size_t size, leat_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (len < 0) {
        client_fail(error, LEAT_ERETRY, "sasl.password_file %s cannot be read: %s", path,
                    strerror(saved));
        error->os_errno = saved;
        return false;
    }
    text[len] = 0;
    text[strcspn(text, "\r\n")] = 0;
    return true;
}

static void set_security(struct setter *setter, const struct kafka_options *options)
{
    bool sasl = options->sasl_mechanism != KAFKA_SASL_NONE;
    static const char *const protocols[2][2] = {{"plaintext", "sasl_plaintext"},
                                                {"ssl", "sasl_ssl"}};
    set(setter, "security.protocol", protocols[options->tls][sasl]);
    set(setter, "ssl.ca.location", options->tls_ca);
    set(setter, "ssl.certificate.location", options->tls_certificate);
    set(setter, "ssl.key.location", options->tls_key);
    set(setter, "ssl.key.password", options->tls_key_password);
    if (!sasl)
        return;
    set(setter, "sasl.mechanisms", kafka_mechanisms[options->sasl_mechanism]);
    set(setter, "sasl.username", options->sasl_username);
    if (!options->sasl_password_file) {
        set(setter, "sasl.password", options->sasl_password);
        return;
    }
    char secret[1024];
    if (setter->ok &&
        !read_secret(options->sasl_password_file, secret, sizeof secret, setter->error))
        setter->ok = false;
    set(setter, "sasl.password", secret);
    explicit_bzero(secret, sizeof secret);
}

/* What the promises rest on: after the user's properties, so that it wins. */
static void set_producer(struct setter *setter, const struct kafka_options *options)
{
    set(setter, "enable.idempotence", "true");
    set(setter, "acks", "all");
    set(setter, "isolation.level", "read_uncommitted"); /* of its questions where a topic ends */
    set(setter, "message.timeout.ms", "0");
    set(setter, "compression.codec", kafka_compressions[options->compression]);
    /* Only for what neither fills a request nor is the last: see pace.h and the sink's flush. */
    set_number(setter, "linger.ms", options->linger_ms ? options->linger_ms : PACE_LINGER_MS);
    set_number(setter, "batch.num.messages",
               (int64_t)pace_messages((uint64_t)options->window_records));
    set_number(setter, "message.max.bytes", options->max_message);
    /* The window is the bound; the library's own only has to be wider. */
    set_number(setter, "queue.buffering.max.messages", options->window_records + 16);
    set_number(setter, "queue.buffering.max.kbytes",
               (options->window_size + options->max_message) / 1024 * 2 + 1024);
    if (options->transactional_id) {
        set(setter, "transactional.id", options->transactional_id);
        set_number(setter, "transaction.timeout.ms", options->transaction_timeout_ms);
    } else {
        set(setter, "enable.gapless.guarantee", "true");
    }
}

static void set_reader(struct setter *setter)
{
    set(setter, "isolation.level", "read_committed");
    set(setter, "enable.partition.eof", "true");
    set(setter, "auto.offset.reset", "error"); /* never on at an end that hides what is there */
    set(setter, "allow.auto.create.topics", "false");
    set(setter, "fetch.wait.max.ms", "10");     /* an end is seen at once */
    set(setter, "queued.min.messages", "2000"); /* the little that is needed, not all there is */
    set(setter, "queued.max.messages.kbytes", "1024");
    set(setter, "fetch.message.max.bytes", "262144");
    set(setter, "fetch.error.backoff.ms", "50");
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    const struct client_owner *owner = rd_kafka_opaque(rk);
    if (!owner || strcmp(facility, "CONFWARN") == 0)
        return;
    const leat_host *host = owner->host;
    leat_field fields[] = {LEAT_F_STR("facility", facility), LEAT_F_STR("text", text)};
    if (strcmp(facility, "AUTOCREATE") == 0)
        level = 7; /* on old brokers: we never ask for a topic that the reader has not seen */
    int32_t to = level <= 4 ? LEAT_LOG_WARN : level <= 6 ? LEAT_LOG_INFO : LEAT_LOG_DEBUG;
    host->log(host, to, "librdkafka says", fields, 2);
}

rd_kafka_conf_t *client_conf(const struct kafka_options *options, struct client_owner *owner,
                             enum client_kind kind, leat_error *error)
{
    struct setter setter = {.conf = rd_kafka_conf_new(), .error = error, .ok = true};
    char name[256];
    snprintf(name, sizeof name, "leat-%s-%s", owner ? owner->host->pipeline : "check",
             owner ? owner->host->instance : "check");
    set(&setter, "client.id", name);
    /* An idle broker closes: nothing to say, but to who asks why there is no connection. */
    set(&setter, "log.connection.close", kind == CLIENT_CHECKER ? "true" : "false");
    set(&setter, "socket.nagle.disable", "true");
    set(&setter, "socket.keepalive.enable", "true");
    set_properties(&setter, &options->properties);
    set_brokers(&setter, &options->brokers);
    set_security(&setter, options);
    if (kind == CLIENT_PRODUCER)
        set_producer(&setter, options);
    if (kind == CLIENT_READER)
        set_reader(&setter);
    if (!setter.ok) {
        rd_kafka_conf_destroy(setter.conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(setter.conf, owner);
    rd_kafka_conf_set_log_cb(setter.conf, on_log);
    return setter.conf;
}

rd_kafka_t *client_create(rd_kafka_conf_t *conf, enum client_kind kind, leat_error *error)
{
    char text[LEAT_ERROR_TEXT] = "";
    rd_kafka_type_t type = kind == CLIENT_READER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER;
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk)
        return rk;
    rd_kafka_conf_destroy(conf);
    client_fail(error, LEAT_ERETRY, "no Kafka client: %.400s", text);
    return NULL;
}

const char *client_login_advice(const struct kafka_options *options)
{
    bool scram = options->sasl_mechanism == KAFKA_SASL_SCRAM_256 ||
                 options->sasl_mechanism == KAFKA_SASL_SCRAM_512;
    if (!scram || rd_kafka_version() >= 0x020601ff)
        return "";
    return "; SCRAM with Kafka 4 needs librdkafka 2.6.1 or newer: where the password is right, use "
           "PLAIN over TLS or client certificates";
}
