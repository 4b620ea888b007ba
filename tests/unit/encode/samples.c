/* SPDX-License-Identifier: Apache-2.0
 *
 * samples.c -- see samples.h.
 */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

static char *copy(const void *bytes, size_t len)
{
    char *block = malloc(len != 0 ? len : 1);
    if (!block)
        abort();
    if (len != 0)
        memcpy(block, bytes, len);
    return block;
}

static uint64_t next_id(void)
{
    static uint64_t id;
    return ++id;
}

static void table_begin(struct sample_table *table, uint32_t columns, uint32_t key_count)
{
    *table = (struct sample_table){0};
    table->relation = (leat_relation){.size = sizeof table->relation,
                                      .column_count = columns,
                                      .column_stride = sizeof(leat_column),
                                      .key_count = key_count,
                                      .id = next_id(),
                                      .columns = table->columns,
                                      .key = table->key};
    for (uint16_t i = 0; i < key_count; i++) {
        table->key[i] = i;
        table->columns[i].flags = LEAT_COLUMN_KEY;
    }
}

static leat_bytes table_name(struct sample_table *table, uint32_t index, const void *bytes,
                             size_t len)
{
    table->names[index] = copy(bytes, len);
    return (leat_bytes){table->names[index], len};
}

void sample_table_init(struct sample_table *table, const char *schema, const char *name,
                       const char *const *names, uint32_t key_count)
{
    uint32_t columns = 0;
    while (names[columns])
        columns++;
    table_begin(table, columns, key_count);
    for (uint32_t i = 0; i < columns; i++)
        table->columns[i].name = table_name(table, i, names[i], strlen(names[i]));
    table->relation.schema = table_name(table, SAMPLE_COLUMNS_MAX, schema, strlen(schema));
    table->relation.table = table_name(table, SAMPLE_COLUMNS_MAX + 1, name, strlen(name));
}

void sample_table_fini(struct sample_table *table)
{
    for (uint32_t i = 0; i < SAMPLE_COLUMNS_MAX + 2; i++)
        free(table->names[i]);
}

leat_value sample_bytes(uint8_t kind, const void *bytes, size_t len)
{
    return (leat_value){.ptr = bytes, .len = (uint32_t)len, .kind = kind};
}

leat_value sample_value(uint8_t kind, const char *text)
{
    return sample_bytes(kind, text, strlen(text));
}

uint64_t sample_random(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sample_below(uint64_t *seed, uint64_t limit)
{
    return sample_random(seed) % limit;
}

/* ---- random text ---------------------------------------------------------------------------- */

struct text {
    char bytes[1024];
    size_t len;
};

static void add(struct text *text, const char *piece)
{
    size_t len = strlen(piece);
    if (text->len + len <= sizeof text->bytes) {
        memcpy(text->bytes + text->len, piece, len);
        text->len += len;
    }
}

static void add_byte(struct text *text, uint64_t byte)
{
    if (text->len < sizeof text->bytes)
        text->bytes[text->len++] = (char)byte;
}

static const char *const characters[] = {"a",
                                         "Z",
                                         " ",
                                         "/",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\t",
                                         "\x01",
                                         "\x1f",
                                         "\x7f",
                                         "ü",
                                         "€",
                                         "😀",
                                         "\xed\x9f\xbf",
                                         "\xee\x80\x80",
                                         "\xf4\x8f\xbf\xbf"};

static void random_text(struct text *text, uint64_t *seed, size_t max)
{
    size_t len = sample_below(seed, max + 1);
    uint64_t style = sample_below(seed, 4);
    for (text->len = 0; text->len < len;) {
        if (style == 0)
            add_byte(text, sample_random(seed) & 0xff);
        else if (style == 1)
            add_byte(text, 'a' + sample_below(seed, 26));
        else if (style == 2 || sample_below(seed, 16) == 0)
            add(text, characters[sample_below(seed, sizeof characters / sizeof *characters)]);
        else
            add_byte(text, ' ' + sample_below(seed, 95));
    }
}

static void random_number(struct text *text, uint64_t *seed, bool integral)
{
    char buffer[64];
    switch (sample_below(seed, integral ? 2 : 6)) {
    case 0:
        (void)snprintf(buffer, sizeof buffer, "%lld", (long long)sample_random(seed));
        break;
    case 1:
        (void)snprintf(buffer, sizeof buffer, "%lld", (long long)sample_below(seed, 400) - 200);
        break;
    case 2:
        (void)snprintf(buffer, sizeof buffer, "%.17g", (double)(sample_random(seed) >> 11) / 1e9);
        break;
    case 3:
        (void)snprintf(
            buffer, sizeof buffer, "-%llu.%06llue%d", (unsigned long long)sample_below(seed, 1000),
            (unsigned long long)sample_below(seed, 1000000), (int)sample_below(seed, 700) - 350);
        break;
    case 4:
        (void)snprintf(buffer, sizeof buffer, "%llu%016llu.%03llu",
                       (unsigned long long)sample_below(seed, 1000) + 1,
                       (unsigned long long)sample_below(seed, UINT64_C(10000000000000000)),
                       (unsigned long long)sample_below(seed, 1000));
        break;
    default:
        (void)snprintf(buffer, sizeof buffer, "%s", sample_below(seed, 2) ? "0.5" : "-0");
    }
    add(text, buffer);
}

static void random_json(struct text *text, uint64_t *seed, uint32_t depth);

static void random_json_string(struct text *text, uint64_t *seed)
{
    static const char *const pieces[] = {
        "a",   "key",     "ü",       "😀",
        "\\n", "\\\"",    "\\u00e9", "\\ud83d\\ude00",
        "\\/", "\\u0000", "  ",      "a long piece of text without anything in it"};
    add(text, "\"");
    for (uint64_t count = sample_below(seed, 4); count > 0; count--)
        add(text, pieces[sample_below(seed, sizeof pieces / sizeof *pieces)]);
    add(text, "\"");
}

static void random_container(struct text *text, uint64_t *seed, uint32_t depth, bool map)
{
    uint64_t count = sample_below(seed, 8) == 0 ? 20 : sample_below(seed, 4);
    add(text, map ? "{" : "[");
    for (uint64_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "\"k%u\":", (unsigned)i);
        if (i != 0)
            add(text, ",");
        if (map)
            add(text, name);
        random_json(text, seed, count == 20 ? 0 : depth - 1);
    }
    add(text, map ? "}" : "]");
}

static void random_json(struct text *text, uint64_t *seed, uint32_t depth)
{
    static const char *const words[] = {"null", "true", "false", "0"};
    uint64_t choice = sample_below(seed, depth != 0 ? 6 : 3);
    if (choice == 0)
        add(text, words[sample_below(seed, 4)]);
    else if (choice == 1)
        random_number(text, seed, false);
    else if (choice == 2)
        random_json_string(text, seed);
    else
        random_container(text, seed, depth, choice == 3);
}

/* ---- random values -------------------------------------------------------------------------- */

static const char *const times[] = {"2026-11-22T10:00:00.123456",
                                    "infinity",
                                    "-infinity",
                                    "0044-03-15T00:00:00 BC",
                                    "294276-12-31T23:59:59.999999",
                                    "1969-12-31T23:59:59.5",
                                    "2000-02-29T00:00:00"};

static leat_value random_value(uint64_t *seed)
{
    struct text text = {.len = 0};
    uint8_t kind = (uint8_t)sample_below(seed, LEAT_VALUE_JSON + 1), flags = 0;
    switch (kind) {
    case LEAT_VALUE_NULL:
    case LEAT_VALUE_MISSING:
        return (leat_value){.kind = kind};
    case LEAT_VALUE_BOOL:
        add(&text, sample_below(seed, 2) ? "true" : "false");
        break;
    case LEAT_VALUE_INTEGER:
        random_number(&text, seed, true);
        flags = sample_below(seed, 2) ? LEAT_VALUE_INT64 : 0;
        break;
    case LEAT_VALUE_FLOAT:
    case LEAT_VALUE_DECIMAL:
        if (sample_below(seed, 5) == 0)
            add(&text, sample_below(seed, 2) ? "NaN" : "-Infinity");
        else
            random_number(&text, seed, false);
        break;
    case LEAT_VALUE_DATE:
    case LEAT_VALUE_TIME:
    case LEAT_VALUE_TIMESTAMP:
    case LEAT_VALUE_TIMESTAMPTZ:
        add(&text, times[sample_below(seed, sizeof times / sizeof *times)]);
        if (kind == LEAT_VALUE_TIMESTAMPTZ && text.bytes[4] == '-' && text.bytes[10] == 'T')
            add(&text, "+00:00");
        flags = LEAT_VALUE_PLAIN;
        break;
    case LEAT_VALUE_JSON:
        random_json(&text, seed, 4);
        if (text.len > sizeof text.bytes - 64) /* cut off: not JSON any more */
            text = (struct text){.bytes = "[1]", .len = 3};
        break;
    default:
        random_text(&text, seed, 200);
    }
    leat_value value = sample_bytes(kind, copy(text.bytes, text.len), text.len);
    value.flags = flags;
    return value;
}

/* Names differ even after repair, because each ends in its number. */
static void random_table(struct sample_table *table, uint64_t *seed)
{
    struct text text;
    uint32_t columns = (uint32_t)sample_below(seed, SAMPLE_COLUMNS_MAX) + 1;
    table_begin(table, columns, (uint32_t)sample_below(seed, columns + 1));
    for (uint32_t i = 0; i < SAMPLE_COLUMNS_MAX + 2; i++) {
        random_text(&text, seed, 63);
        add_byte(&text, 'A' + i);
        leat_bytes name = table_name(table, i, text.bytes, text.len);
        if (i < columns)
            table->columns[i].name = name;
        else if (i == SAMPLE_COLUMNS_MAX)
            table->relation.schema = name;
        else if (i > SAMPLE_COLUMNS_MAX)
            table->relation.table = name;
    }
}

static void random_row(const struct sample *sample, leat_value *row, uint64_t *seed)
{
    for (uint32_t i = 0; i < sample->table.relation.column_count; i++)
        row[i] = random_value(seed);
}

static void make_message(struct sample *sample, uint64_t *seed)
{
    leat_change *change = &sample->change;
    struct text text;
    random_text(&text, seed, 60);
    sample->prefix = copy(text.bytes, text.len);
    change->u.message.prefix = (leat_bytes){sample->prefix, text.len};
    random_text(&text, seed, 200);
    sample->content = copy(text.bytes, text.len);
    change->u.message.content = (leat_bytes){sample->content, text.len};
    change->relation = NULL;
    if (sample_below(seed, 2)) {
        change->transaction = NULL;
        change->identity.seq = -1;
    }
}

void sample_make(struct sample *sample, uint64_t *seed)
{
    *sample = (struct sample){0};
    leat_change *change = &sample->change;
    random_table(&sample->table, seed);
    sample->transaction =
        (leat_transaction){.size = sizeof sample->transaction,
                           .xid = (uint32_t)sample_random(seed),
                           .position = sample_random(seed),
                           .commit_us = (int64_t)sample_random(seed) >> sample_below(seed, 20)};
    change->identity.position = sample->transaction.position;
    change->identity.seq = (int64_t)(sample_random(seed) >> (1 + sample_below(seed, 63)));
    change->transaction = &sample->transaction;
    change->relation = &sample->table.relation;
    change->op = (uint16_t)(LEAT_INSERT + sample_below(seed, 6));
    change->flags = (uint16_t)sample_below(seed, 16);
    if (change->op == LEAT_MESSAGE) {
        make_message(sample, seed);
        return;
    }
    if (change->op == LEAT_TRUNCATE)
        return;
    random_row(sample, sample->before, seed);
    random_row(sample, sample->after, seed);
    random_row(sample, sample->key, seed);
    change->u.row.before = sample_below(seed, 2) ? sample->before : NULL;
    change->u.row.after = change->op != LEAT_DELETE ? sample->after : NULL;
    change->u.row.key = sample_below(seed, 4) ? sample->key : NULL;
}

void sample_free(struct sample *sample)
{
    for (uint32_t i = 0; i < SAMPLE_COLUMNS_MAX; i++) {
        free((void *)(uintptr_t)sample->before[i].ptr);
        free((void *)(uintptr_t)sample->after[i].ptr);
        free((void *)(uintptr_t)sample->key[i].ptr);
    }
    free(sample->prefix);
    free(sample->content);
    sample_table_fini(&sample->table);
}
