/* SPDX-License-Identifier: Apache-2.0
 *
 * samples.h -- changes for the tests of encodings and routes: built by hand, or random from a seed.
 * Every value lies in a block of its own, so that a read outside of it is found by ASan.
 */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <leat/plugin.h>

#include <stdint.h>

#define SAMPLE_COLUMNS_MAX 12u

struct sample_table {
    leat_relation relation;
    leat_column columns[SAMPLE_COLUMNS_MAX];
    uint16_t key[SAMPLE_COLUMNS_MAX];
    char *names[SAMPLE_COLUMNS_MAX + 2];
};

/* names: of the columns, NULL at the end; the first key_count of them are the key. */
void sample_table_init(struct sample_table *table, const char *schema, const char *name,
                       const char *const *names, uint32_t key_count);
void sample_table_fini(struct sample_table *table);

leat_value sample_value(uint8_t kind, const char *text);
leat_value sample_bytes(uint8_t kind, const void *bytes, size_t len);

/* A small generator with a seed (splitmix64). */
uint64_t sample_random(uint64_t *seed);
uint64_t sample_below(uint64_t *seed, uint64_t limit);

/* A random change and everything it points at. */
struct sample {
    struct sample_table table;
    leat_transaction transaction;
    leat_change change;
    leat_value before[SAMPLE_COLUMNS_MAX], after[SAMPLE_COLUMNS_MAX], key[SAMPLE_COLUMNS_MAX];
    char *prefix, *content;
};

/* Any op, any kinds, hostile text and names; numbers and JSON are valid, as the value model says.
 */
void sample_make(struct sample *sample, uint64_t *seed);
void sample_free(struct sample *sample);

#endif
