/* SPDX-License-Identifier: Apache-2.0
 *
 * relation_table.c -- the tables of one connection, by oid, and the versions that were replaced.
 */
#include "relation_version.h"

#include <stdlib.h>

/* candidate: announced, and not used by a row yet.  When it turns out to be what `current` is, that
 * one stays: a version costs every encoder its prepared names. */
struct slot {
    uint32_t oid;
    struct relation *current, *candidate; /* both NULL: free */
};

struct relations {
    struct types *types;
    const struct decoder_catalog *catalog;
    struct slot *slots; /* a power of two of them, at most half of them taken */
    size_t capacity, count, max;
    struct relation *last; /* the one found last: rows come in runs */
    struct relation *retired;
    uint64_t next_id, returned;
};

struct relations *relations_create(struct types *types, const struct decoder_catalog *catalog,
                                   int64_t relations_max)
{
    struct relations *relations = calloc(1, sizeof(*relations));
    if (!relations)
        return NULL;
    relations->types = types;
    relations->catalog = catalog;
    relations->capacity = 64;
    relations->max = relations_max > 0 ? (size_t)relations_max : 1;
    relations->slots = calloc(relations->capacity, sizeof(*relations->slots));
    if (!relations->slots) {
        free(relations);
        return NULL;
    }
    return relations;
}

static void retire(struct relations *relations, struct relation *relation)
{
    if (!relation)
        return;
    if (relations->last == relation)
        relations->last = NULL;
    if (relation->last_serial <= relations->returned) {
        relation_free(relation);
        return;
    }
    relation->next_retired = relations->retired;
    relations->retired = relation;
}

void relations_forget(struct relations *relations)
{
    for (size_t i = 0; i < relations->capacity; i++) {
        struct slot *slot = &relations->slots[i];
        retire(relations, slot->current);
        relation_free(slot->candidate);
        *slot = (struct slot){0};
    }
    relations->count = 0;
    relations->last = NULL;
}

void relations_returned(struct relations *relations, uint64_t serial)
{
    struct relation **link = &relations->retired;
    relations->returned = serial;
    while (*link) {
        struct relation *relation = *link;
        if (relation->last_serial <= serial) {
            *link = relation->next_retired;
            relation_free(relation);
        } else {
            link = &relation->next_retired;
        }
    }
}

void relations_destroy(struct relations *relations)
{
    if (!relations)
        return;
    relations_forget(relations);
    relations_returned(relations, UINT64_MAX);
    free(relations->slots);
    free(relations);
}

static bool taken(const struct slot *slot)
{
    return slot->current || slot->candidate;
}

/* The slot of the oid, or the free one where it belongs. */
static struct slot *probe(struct slot *slots, size_t capacity, uint32_t oid)
{
    size_t at = (oid * UINT32_C(2654435769)) & (capacity - 1);
    while (taken(&slots[at]) && slots[at].oid != oid)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static bool grow(struct relations *relations)
{
    size_t capacity = relations->capacity * 2;
    struct slot *slots = calloc(capacity, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < relations->capacity; i++) {
        if (taken(&relations->slots[i]))
            *probe(slots, capacity, relations->slots[i].oid) = relations->slots[i];
    }
    free(relations->slots);
    relations->slots = slots;
    relations->capacity = capacity;
    return true;
}

static const char *enter(struct relations *relations, struct relation *relation)
{
    struct slot *slot = probe(relations->slots, relations->capacity, relation->oid);
    if (!taken(slot)) {
        if (relations->count >= relations->max)
            return "more tables than one connection may have";
        if (relations->count * 2 >= relations->capacity && !grow(relations))
            return "no memory";
        slot = probe(relations->slots, relations->capacity, relation->oid);
        relations->count++;
    }
    slot->oid = relation->oid;
    relation_free(slot->candidate);
    slot->candidate = relation;
    if (relations->last == slot->current)
        relations->last = NULL;
    return NULL;
}

const char *relations_announce(struct relations *relations, struct cursor *cursor)
{
    struct relation *relation;
    const struct slot *slot;
    const char *wrong = relation_parse(cursor, &relation);
    struct cursor whole = {0};
    if (wrong)
        return wrong;
    slot = probe(relations->slots, relations->capacity, relation->oid);
    whole.at = relation->message;
    whole.end = relation->message + relation->message_size;
    if (slot->current && !slot->candidate && relation_same_message(slot->current, &whole) &&
        !relation_needs_catalog(relation)) {
        relation_free(relation);
        return NULL;
    }
    wrong = enter(relations, relation);
    if (wrong)
        relation_free(relation);
    return wrong;
}

leat_status relations_find(struct relations *relations, uint32_t oid, struct relation **out,
                           leat_error *error)
{
    struct slot *slot;
    leat_status status = LEAT_OK;
    *out = relations->last;
    if (*out && (*out)->oid == oid)
        return LEAT_OK;
    slot = probe(relations->slots, relations->capacity, oid);
    if (slot->candidate)
        status = relation_resolve(slot->candidate, relations->types, relations->catalog, error);
    if (status != LEAT_OK)
        return status;
    if (slot->candidate) {
        if (slot->current && relation_same(slot->current, slot->candidate)) {
            relation_free(slot->candidate);
        } else {
            retire(relations, slot->current);
            slot->current = slot->candidate;
            slot->current->public.id = ++relations->next_id;
        }
        slot->candidate = NULL;
    }
    relations->last = *out = slot->current;
    return LEAT_OK;
}
