/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_options.c -- see isolate_options.h.  A row is its name, its type and its value; a text is
 * its length and its bytes, with length UINT32_MAX for none.
 */
#include "isolate_options.h"

#include "plugins.h"
#include "region.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- out ------------------------------------------------------------------------------------ */

static void put_number(FILE *out, uint32_t number)
{
    (void)fwrite(&number, sizeof number, 1, out);
}

static void put_text(FILE *out, const char *text)
{
    put_number(out, text ? (uint32_t)strlen(text) : UINT32_MAX);
    if (text)
        (void)fwrite(text, 1, strlen(text), out);
}

static void put_value(FILE *out, const leat_option *row, const char *at)
{
    switch (row->type) {
    case LEAT_OPT_STRING:
        put_text(out, *(const char *const *)(const void *)at);
        break;
    case LEAT_OPT_STRINGS: {
        const leat_strings *strings = (const void *)at;
        put_number(out, (uint32_t)strings->count);
        for (size_t i = 0; i < strings->count; i++)
            put_text(out, strings->items[i]);
        break;
    }
    case LEAT_OPT_PAIRS: {
        const leat_pairs *pairs = (const void *)at;
        put_number(out, (uint32_t)pairs->count);
        for (size_t i = 0; i < pairs->count; i++) {
            put_text(out, pairs->items[i].name);
            put_text(out, pairs->items[i].value);
        }
        break;
    }
    default:
        (void)fwrite(at, row->type == LEAT_OPT_BOOL ? sizeof(bool) : sizeof(int64_t), 1, out);
    }
}

char *isolate_options_pack(const struct plugin *plugin, const void *options, size_t *size)
{
    char *bytes = NULL;
    size_t count;
    const leat_option *rows = plugin_options(plugin, &count);
    FILE *out = open_memstream(&bytes, size);
    bool good;

    if (!out)
        return NULL;
    put_number(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_text(out, rows[i].name);
        put_number(out, rows[i].type);
        put_value(out, &rows[i], (const char *)options + rows[i].offset);
    }
    good = !ferror(out);
    if (fclose(out) == 0 && good)
        return bytes;
    free(bytes);
    return NULL;
}

/* ---- in ------------------------------------------------------------------------------------- */

struct reading {
    const char *at;
    size_t left;
    struct region *region;
    bool wrong;
};

static void get(struct reading *reading, void *into, size_t size)
{
    if (reading->left < size) {
        reading->wrong = true;
        reading->left = 0;
        return;
    }
    memcpy(into, reading->at, size);
    reading->at += size;
    reading->left -= size;
}

static uint32_t get_number(struct reading *reading)
{
    uint32_t number = 0;

    get(reading, &number, sizeof number);
    return number;
}

static const char *get_text(struct reading *reading)
{
    uint32_t length = get_number(reading);
    char *text;

    if (length == UINT32_MAX || reading->wrong)
        return NULL;
    if (length > reading->left || memchr(reading->at, '\0', length)) {
        reading->wrong = true;
        return NULL;
    }
    text = region_text(reading->region, reading->at, length);
    reading->at += length;
    reading->left -= length;
    return text;
}

static void get_bool(struct reading *reading, char *at)
{
    unsigned char value = 0;

    get(reading, &value, sizeof value);
    if (value > 1)
        reading->wrong = true;
    *(bool *)(void *)at = value == 1;
}

/* Each entry has four bytes at least. */
static uint32_t get_count(struct reading *reading)
{
    uint32_t count = get_number(reading);

    if (count <= reading->left / 4)
        return count;
    reading->wrong = true;
    return 0;
}

static void get_strings(struct reading *reading, char *at)
{
    uint32_t count = get_count(reading);
    const char **items = region_take(reading->region, ((size_t)count + 1) * sizeof *items);
    leat_strings strings = {items, count};

    for (uint32_t i = 0; i < count; i++)
        items[i] = get_text(reading);
    memcpy(at, &strings, sizeof strings);
}

static void get_pairs(struct reading *reading, char *at)
{
    uint32_t count = get_count(reading);
    leat_pair *items = region_take(reading->region, ((size_t)count + 1) * sizeof *items);
    leat_pairs pairs = {items, count};

    for (uint32_t i = 0; i < count; i++) {
        items[i].name = get_text(reading);
        items[i].value = get_text(reading);
    }
    memcpy(at, &pairs, sizeof pairs);
}

static void get_value(struct reading *reading, const leat_option *row, char *at)
{
    const char *text;

    switch (row->type) {
    case LEAT_OPT_STRING:
        text = get_text(reading);
        memcpy(at, &text, sizeof text);
        break;
    case LEAT_OPT_STRINGS:
        get_strings(reading, at);
        break;
    case LEAT_OPT_PAIRS:
        get_pairs(reading, at);
        break;
    case LEAT_OPT_BOOL:
        get_bool(reading, at);
        break;
    default:
        get(reading, at, sizeof(int64_t));
    }
}

void *isolate_options_unpack(const struct plugin *plugin, const char *bytes, size_t size,
                             struct region *region)
{
    struct reading reading = {bytes, size, region, false};
    size_t count;
    const leat_option *rows = plugin_options(plugin, &count);
    char *options = region_take(region, plugin_config_size(plugin));

    if (get_number(&reading) != count)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = get_text(&reading);
        if (!name || strcmp(name, rows[i].name) != 0 || get_number(&reading) != rows[i].type)
            return NULL;
        get_value(&reading, &rows[i], options + rows[i].offset);
    }
    return reading.wrong || reading.left > 0 ? NULL : options;
}
