/* SPDX-License-Identifier: Apache-2.0
 *
 * topic.c -- the table of topics.  [worker] Never asks a broker anything.
 */
#include "topic.h"

#include <stdlib.h>

static size_t bucket_of(leat_bytes name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.ptr[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32) & (TOPIC_BUCKETS - 1);
}

static bool is_named(const struct topic *topic, leat_bytes name)
{
    return topic->name_len == name.len && memcmp(topic->name, name.ptr, name.len) == 0;
}

struct topic *topics_find(struct topics *topics, leat_bytes name)
{
    if (topics->latest && is_named(topics->latest, name))
        return topics->latest;
    struct topic **bucket = &topics->buckets[bucket_of(name)];
    struct topic *topic = *bucket;
    while (topic && !is_named(topic, name))
        topic = topic->next;
    if (!topic) {
        if (name.len == 0 || name.len > TOPIC_NAME_MAX || topics->count >= TOPICS_MAX)
            return NULL;
        topic = calloc(1, sizeof *topic);
        if (!topic)
            return NULL;
        memcpy(topic->name, name.ptr, name.len);
        topic->name_len = name.len;
        topic->next = *bucket;
        *bucket = topic;
        topics->count++;
    }
    topics->latest = topic;
    return topic;
}

void topic_give_up(struct topics *topics, struct topic *topic)
{
    tail_close(&topics->tail);
    held_clear(&topic->held);
    latest_clear(&topic->latest);
    topic->moved = false;
    if (topic->handle)
        rd_kafka_topic_destroy(topic->handle);
    topic->handle = NULL;
    topic->state = TOPIC_NEW;
}

void topics_clear(struct topics *topics)
{
    tail_close(&topics->tail);
    for (size_t i = 0; i < TOPIC_BUCKETS; i++) {
        while (topics->buckets[i]) {
            struct topic *topic = topics->buckets[i];
            topics->buckets[i] = topic->next;
            held_clear(&topic->held);
            latest_clear(&topic->latest);
            if (topic->handle)
                rd_kafka_topic_destroy(topic->handle);
            free(topic->proven);
            free(topic->ends);
            free(topic);
        }
    }
    topics->latest = NULL;
    topics->count = 0;
    if (topics->admin)
        rd_kafka_queue_destroy(topics->admin);
    topics->admin = NULL;
}
