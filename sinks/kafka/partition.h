/* SPDX-License-Identifier: Apache-2.0
 *
 * partition.h -- which partition a record goes to.  [any] Pure functions: the same key goes to the
 * same place for ever, as long as the topic has as many partitions.
 */
#ifndef KAFKA_PARTITION_H
#define KAFKA_PARTITION_H

#include <leat/plugin.h>

/* Where a key goes; partitioner: one of KAFKA_PARTITIONER_... */
int32_t topic_partition(int64_t partitioner, leat_bytes key, int32_t partitions);
/* Where a record without a key goes: one place for each table, so that its records keep their
 * order. */
int32_t topic_partition_keyless(const leat_change *change, int32_t partitions);

#endif
