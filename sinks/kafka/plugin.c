/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c -- what the host sees of the Kafka sink: the descriptor, the option table and the ABI
 * note.  The manual page is filled from the table.  No code of the data path.
 */
#include "options.h"
#include "sink.h"

#include <librdkafka/rdkafka.h>

#include <stdio.h>

LEAT_ELF_NOTE(0);

const char *const kafka_compressions[] = {"none", "lz4", "zstd", "snappy", "gzip", NULL};
const char *const kafka_partitioners[] = {"murmur2", "crc32", "fnv1a", NULL};
const char *const kafka_mechanisms[] = {"none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL};

#define O struct kafka_options
#define SECRET LEAT_OPT_SECRET

static const leat_option options[] = {
    LEAT_OPTION_STRINGS("brokers", O, brokers, NULL, LEAT_OPT_REQUIRED | LEAT_OPT_ALONE,
                        "The brokers to begin with, HOST:PORT each; the others are learned."),
    LEAT_OPTION_DURATION("connect_timeout", O, connect_timeout_ms, "10s", 100, 600000, 0,
                         "How long a start waits for a broker before it is tried anew."),
    LEAT_OPTION_ENUM("compression", O, compression, "lz4", kafka_compressions, 0,
                     "Compression of the batches of records."),
    LEAT_OPTION_DURATION(
        "linger", O, linger_ms, "0ms", 0, 10000, 0,
        "How long a record may wait for others that travel with it; 0: only while more come."),
    LEAT_OPTION_SIZE("max_message", O, max_message, "1000000", 1024, 1000000000, 0,
                     "The largest record, with key and headers; the topic's max.message.bytes "
                     "must not be smaller."),
    LEAT_OPTION_INT(
        "window.records", O, window_records, "2048", 1, 1000000, 0,
        "Records on their way to the brokers at one time; half of it is one request at most."),
    LEAT_OPTION_SIZE("window.size", O, window_size, "4MiB", 1024, 1073741824, 0,
                     "Bytes on their way to the brokers at one time."),
    LEAT_OPTION_ENUM("partitioner", O, partitioner, "murmur2", kafka_partitioners, 0,
                     "The hash of the key that chooses the partition: murmur2 as the Java clients "
                     "do, crc32 as librdkafka's consistent, fnv1a as Sarama."),
    LEAT_OPTION_BOOL("tombstones", O, tombstones, "false", 0,
                     "After a delete's record also send its key with a null value, so that a "
                     "compacted topic forgets the row."),
    LEAT_OPTION_BOOL("create_topics", O, create_topics, "false", 0,
                     "Create topics that do not exist; without it they are waited for."),
    LEAT_OPTION_INT("partitions", O, partitions, "1", 1, 100000, 0,
                    "Partitions of a topic that is created."),
    LEAT_OPTION_INT("replication_factor", O, replication_factor, "3", 1, 1000, 0,
                    "Replicas of a topic that is created."),
    LEAT_OPTION_PAIRS("topic_config", O, topic_config, 0,
                      "Settings of a topic that is created, such as cleanup.policy."),
    LEAT_OPTION_INT("scan.records", O, scan_records, "1000000", 100, 100000000, 0,
                    "How far back a partition is read for records of ours when a topic is first "
                    "used after a start."),
    LEAT_OPTION_DURATION("scan.settle", O, settle_ms, "300ms", 0, 60000, 0,
                         "How long a topic must be quiet after a start that follows a failure, so "
                         "that what an old connection still delivers is seen."),
    LEAT_OPTION_STRING("transactional_id", O, transactional_id, NULL, LEAT_OPT_ALONE,
                       "Turns on transactions under this id, which must be this sink's alone."),
    LEAT_OPTION_STRING("position_topic", O, position_topic, "leat-positions", 0,
                       "The compacted topic that holds the position of each transactional id."),
    LEAT_OPTION_INT("transaction.records", O, transaction_records, "20000", 1, 1000000, 0,
                    "Messages in one transaction of Kafka, at most."),
    LEAT_OPTION_DURATION("transaction.timeout", O, transaction_timeout_ms, "60s", 1000, 900000, 0,
                         "After this time the broker gives up a transaction that nobody ends."),
    LEAT_OPTION_BOOL("tls.enable", O, tls, "false", 0, "Speak TLS with the brokers."),
    LEAT_OPTION_STRING("tls.ca", O, tls_ca, NULL, 0,
                       "File of the certificates to trust; the system's when absent."),
    LEAT_OPTION_STRING("tls.certificate", O, tls_certificate, NULL, 0,
                       "File of our own certificate, read at each start."),
    LEAT_OPTION_STRING("tls.key", O, tls_key, NULL, 0,
                       "File of our own private key, read at each start."),
    LEAT_OPTION_STRING("tls.key_password", O, tls_key_password, NULL, SECRET,
                       "Password of the private key."),
    LEAT_OPTION_ENUM("sasl.mechanism", O, sasl_mechanism, "none", kafka_mechanisms, 0,
                     "How we authenticate."),
    LEAT_OPTION_STRING("sasl.username", O, sasl_username, NULL, 0, "User name for SASL."),
    LEAT_OPTION_STRING("sasl.password", O, sasl_password, NULL, SECRET, "Password for SASL."),
    LEAT_OPTION_STRING("sasl.password_file", O, sasl_password_file, NULL, 0,
                       "File with the password for SASL, read at each start."),
    LEAT_OPTION_DURATION("stall_check", O, stall_check_ms, "10s", 100, 3600000, 0,
                         "When nothing was acknowledged for this long, ask why: whether the topic "
                         "is still there and whether a broker answers."),
    LEAT_OPTION_PAIRS("properties", O, properties, 0,
                      "Any property of librdkafka, but for those that would break a promise or "
                      "load code."),
};

static const char *libraries(void)
{
    static char text[64];
    snprintf(text, sizeof text, "librdkafka %s", rd_kafka_version_str());
    return text;
}

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC,
    .abi_major = LEAT_ABI_MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof(leat_plugin),
    .abi_minor_needed = 0,
    .kind = LEAT_KIND_SINK,
    .name = "kafka",
    .version = LEAT_VERSION,
    .license = "Apache-2.0",
    .summary = "delivers records to Apache Kafka: in order, acknowledged by all replicas",
    .ops = &kafka_sink_ops,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .option_stride = sizeof options[0],
    .config_size = sizeof(struct kafka_options),
    .libraries = libraries,
};
