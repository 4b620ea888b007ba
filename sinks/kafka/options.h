/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h -- the sink's configuration as the core fills it from the table in plugin.c.  Immutable
 * after create, so any thread may read it.
 */
#ifndef KAFKA_OPTIONS_H
#define KAFKA_OPTIONS_H

#include <leat/plugin.h>

enum {
    KAFKA_COMPRESSION_NONE = 0,
    KAFKA_COMPRESSION_LZ4,
    KAFKA_COMPRESSION_ZSTD,
    KAFKA_COMPRESSION_SNAPPY,
    KAFKA_COMPRESSION_GZIP
};
enum { KAFKA_PARTITIONER_MURMUR2 = 0, KAFKA_PARTITIONER_CRC32, KAFKA_PARTITIONER_FNV1A };
enum { KAFKA_SASL_NONE = 0, KAFKA_SASL_PLAIN, KAFKA_SASL_SCRAM_256, KAFKA_SASL_SCRAM_512 };

extern const char *const kafka_compressions[];
extern const char *const kafka_partitioners[];
extern const char *const kafka_mechanisms[];

struct kafka_options {
    leat_strings brokers;
    int64_t connect_timeout_ms;
    int64_t stall_check_ms;
    /* what is sent */
    int64_t compression;
    int64_t linger_ms;
    int64_t max_message;
    int64_t window_records;
    int64_t window_size;
    int64_t partitioner;
    bool tombstones;
    /* topics */
    bool create_topics;
    int64_t partitions;
    int64_t replication_factor;
    leat_pairs topic_config;
    /* nothing twice */
    int64_t scan_records;
    int64_t settle_ms;
    const char *transactional_id;
    const char *position_topic;
    int64_t transaction_records;
    int64_t transaction_timeout_ms;
    /* who we are, and who they are */
    bool tls;
    const char *tls_ca, *tls_certificate, *tls_key, *tls_key_password;
    int64_t sasl_mechanism;
    const char *sasl_username, *sasl_password, *sasl_password_file;
    leat_pairs properties;
};

#endif
