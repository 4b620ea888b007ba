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
    settled = journal->version
              == atomic_load_explicit(&journal->recorded_version, memory_order_acquire);
    (void)pthread_mutex_unlock(&journal->lock);
    return settled;
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
