/* SPDX-License-Identifier: Apache-2.0
 *
 * partition.c -- see the header.  What the Java clients and librdkafka do with the same name.
 */
#include "partition.h"

#include "options.h"

#include <librdkafka/rdkafka.h>

int32_t topic_partition(int64_t partitioner, leat_bytes key, int32_t partitions)
{
    if (partitions == 1)
        return 0;
    switch (partitioner) {
    case KAFKA_PARTITIONER_CRC32:
        return rd_kafka_msg_partitioner_consistent(NULL, key.ptr, key.len, partitions, NULL, NULL);
    case KAFKA_PARTITIONER_FNV1A:
        return rd_kafka_msg_partitioner_fnv1a(NULL, key.ptr, key.len, partitions, NULL, NULL);
    default:
        return rd_kafka_msg_partitioner_murmur2(NULL, key.ptr, key.len, partitions, NULL, NULL);
    }
}

static uint32_t fnv(uint32_t h, leat_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.ptr[i]) * 16777619u;
    return h * 16777619u; /* a zero byte behind it */
}

int32_t topic_partition_keyless(const leat_change *change, int32_t partitions)
{
    uint32_t h = 2166136261u;
    if (change && change->relation)
        h = fnv(fnv(h, change->relation->schema), change->relation->table);
    else if (change && change->op == LEAT_MESSAGE)
        h = fnv(h, change->u.message.prefix);
    else
        return 0;
    return (int32_t)(h % (uint32_t)partitions);
}
