/* SPDX-License-Identifier: Apache-2.0
 *
 * journal.c -- see journal.h.
 */
#include "journal.h"

#include <stdio.h>
#include <string.h>

bool journal_init(struct journal *journal, struct doorbell *control_bell,
                  struct doorbell *source_bell)
{
    memset(journal, 0, sizeof *journal);
    journal->control_bell = control_bell;
    journal->source_bell = source_bell;
    return pthread_mutex_init(&journal->lock, NULL) == 0;
}

void journal_fini(struct journal *journal)
{
    (void)pthread_mutex_destroy(&journal->lock);
}

void journal_origin(struct journal *journal, const leat_origin *origin)
{
    (void)pthread_mutex_lock(&journal->lock);
    (void)snprintf(journal->entry.name_space, sizeof journal->entry.name_space, "%s",
                   origin->name_space);
    journal->entry.fact_count = 0;
    for (uint32_t i = 0; i < origin->fact_count && i < JOURNAL_FACTS_MAX; i++) {
        struct journal_fact *fact = &journal->entry.facts[journal->entry.fact_count++];
        (void)snprintf(fact->name, sizeof fact->name, "%s", origin->facts[i].name);
        (void)snprintf(fact->value, sizeof fact->value, "%s", origin->facts[i].value);
    }
    (void)pthread_mutex_unlock(&journal->lock);
}

void journal_offer(struct journal *journal, position_durable position, const leat_identity *last,
                   bool urgent)
{
    (void)pthread_mutex_lock(&journal->lock);
    if (position.value > journal->entry.position.value)
        journal->entry.position = position;
    for (uint32_t i = 0; last && i < journal->entry.sink_count; i++) {
        struct journal_sink *sink = &journal->entry.sinks[i];
        if (sink->dropped || leat_identity_compare(*last, sink->gap_until) <= 0)
            continue;
        if (!sink->known || leat_identity_compare(*last, sink->durable) > 0)
            sink->durable = *last;
        sink->known = true;
    }
    journal->version++;
    journal->urgent = journal->urgent || urgent;
    (void)pthread_mutex_unlock(&journal->lock);
    if (urgent)
        doorbell_ring(journal->control_bell);
}

void journal_urge(struct journal *journal)
{
    bool ring;

    (void)pthread_mutex_lock(&journal->lock);
    ring = journal->version != journal->taken;
    journal->urgent = journal->urgent || ring;
    (void)pthread_mutex_unlock(&journal->lock);
    if (ring)
        doorbell_ring(journal->control_bell);
}

bool journal_take(struct journal *journal, bool all, struct journal_entry *out)
{
    bool take;

    (void)pthread_mutex_lock(&journal->lock);
    take = journal->version != journal->taken && (all || journal->urgent);
    if (take) {
        *out = journal->entry;
        journal->taken = journal->version;
        journal->urgent = false;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return take;
}

void journal_written(struct journal *journal, const struct journal_entry *entry)
{
    atomic_store_explicit(&journal->recorded, entry->position.value, memory_order_release);
    atomic_store_explicit(&journal->recorded_version, journal->taken, memory_order_release);
    doorbell_ring(journal->source_bell);
}

void journal_failed(struct journal *journal)
{
    (void)pthread_mutex_lock(&journal->lock);
    journal->version++; /* so that it counts as not taken */
    (void)pthread_mutex_unlock(&journal->lock);
}

bool journal_is_settled(struct journal *journal)
{
    bool settled;

    (void)pthread_mutex_lock(&journal->lock);
    settled =
        journal->version == atomic_load_explicit(&journal->recorded_version, memory_order_acquire);
    (void)pthread_mutex_unlock(&journal->lock);
    return settled;
}

static struct journal_sink *find(struct journal_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->sink_count; i++)
        if (strcmp(entry->sinks[i].name, name) == 0)
            return &entry->sinks[i];
    return NULL;
}

leat_status journal_drop(struct journal *journal, const char *name)
{
    struct journal_sink *sink;
    leat_status status = LEAT_ECONFIG;
    uint32_t others = 0;

    (void)pthread_mutex_lock(&journal->lock);
    sink = find(&journal->entry, name);
    for (uint32_t i = 0; i < journal->entry.sink_count; i++)
        others += &journal->entry.sinks[i] != sink && !journal->entry.sinks[i].dropped;
    if (sink)
        status = sink->dropped ? LEAT_AGAIN : others == 0 ? LEAT_EREJECT : LEAT_OK;
    if (status == LEAT_OK) {
        sink->dropped = true;
        journal->version++;
        journal->urgent = true;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    if (status == LEAT_OK)
        doorbell_ring(journal->control_bell);
    return status;
}

/* The newest identity that is known durable in a sink that takes part. */
static leat_identity newest_of(const struct journal_entry *entry)
{
    leat_identity newest = {0, 0};

    for (uint32_t i = 0; i < entry->sink_count; i++)
        if (entry->sinks[i].known && !entry->sinks[i].dropped &&
            leat_identity_compare(entry->sinks[i].durable, newest) > 0)
            newest = entry->sinks[i].durable;
    return newest;
}

void journal_take_back(struct journal *journal, const char *name, leat_identity missed)
{
    struct journal_sink *sink;

    (void)pthread_mutex_lock(&journal->lock);
    sink = find(&journal->entry, name);
    if (sink && sink->dropped) {
        leat_identity newest = newest_of(&journal->entry);
        sink->dropped = false;
        sink->gap_until = leat_identity_compare(missed, newest) > 0 ? missed : newest;
        journal->version++;
        journal->urgent = true;
    }
    (void)pthread_mutex_unlock(&journal->lock);
    doorbell_ring(journal->control_bell);
}

bool journal_is_dropped(struct journal *journal, const char *name)
{
    const struct journal_sink *sink;
    bool dropped;

    (void)pthread_mutex_lock(&journal->lock);
    sink = find(&journal->entry, name);
    dropped = sink && sink->dropped;
    (void)pthread_mutex_unlock(&journal->lock);
    return dropped;
}

bool journal_gap(const struct journal_entry *entry, const char *name, leat_identity *from,
                 leat_identity *to)
{
    *from = (leat_identity){0, 0};
    for (uint32_t i = 0; i < entry->sink_count; i++)
        if (strcmp(entry->sinks[i].name, name) == 0 && entry->sinks[i].known)
            *from = entry->sinks[i].durable;
    *to = newest_of(entry);
    return leat_identity_compare(*to, *from) > 0;
}

bool journal_newest(struct journal *journal, leat_identity *out)
{
    (void)pthread_mutex_lock(&journal->lock);
    *out = newest_of(&journal->entry);
    (void)pthread_mutex_unlock(&journal->lock);
    return out->position != 0;
}

void journal_read(struct journal *journal, struct journal_entry *out)
{
    (void)pthread_mutex_lock(&journal->lock);
    *out = journal->entry;
    (void)pthread_mutex_unlock(&journal->lock);
}

bool journal_sink_floor(struct journal *journal, const char *sink, leat_identity *out)
{
    bool known = false;

    (void)pthread_mutex_lock(&journal->lock);
    for (uint32_t i = 0; i < journal->entry.sink_count; i++) {
        const struct journal_sink *entry = &journal->entry.sinks[i];
        if (strcmp(entry->name, sink) == 0 && entry->known) {
            *out = entry->durable;
            known = true;
        }
    }
    (void)pthread_mutex_unlock(&journal->lock);
    return known;
}
