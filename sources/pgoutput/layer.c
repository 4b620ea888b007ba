/* SPDX-License-Identifier: Apache-2.0
 *
 * layer.c -- takes PostgreSQL's quoting off, one level at a time.
 */
#include "layer.h"

#include <string.h>

static struct layer make(struct layer *outer, enum layer_mode mode, bool *bad)
{
    struct layer layer = {0};
    layer.outer = outer;
    layer.mode = (uint8_t)mode;
    layer.bad = bad;
    layer.held = LAYER_NOTHING_HELD;
    return layer;
}

struct layer layer_raw(const char *p, size_t len, bool *bad)
{
    struct layer layer = make(NULL, LAYER_RAW, bad);
    layer.at = p;
    layer.end = p + len;
    return layer;
}

struct layer layer_array_quoted(struct layer *outer)
{
    return make(outer, LAYER_ARRAY_QUOTED, outer->bad);
}

struct layer layer_array_bare(struct layer *outer, char delimiter)
{
    struct layer layer = make(outer, LAYER_ARRAY_BARE, outer->bad);
    layer.delimiter = delimiter;
    return layer;
}

struct layer layer_attribute(struct layer *outer)
{
    return make(outer, LAYER_ATTRIBUTE, outer->bad);
}

static int over(struct layer *layer)
{
    layer->ended = true;
    return LAYER_END;
}

static int malformed(struct layer *layer)
{
    *layer->bad = true;
    return over(layer);
}

static int get_escaped(struct layer *layer)
{
    int c = layer_get(layer->outer);
    return c == LAYER_END ? malformed(layer) : c;
}

static int get_quoted(struct layer *layer)
{
    int c = layer_get(layer->outer);
    if (c == '"')
        return over(layer);
    if (c == '\\')
        return get_escaped(layer);
    return c == LAYER_END ? malformed(layer) : c;
}

static int get_bare(struct layer *layer)
{
    int c = layer_peek(layer->outer);
    if (c == '}' || c == (unsigned char)layer->delimiter)
        return over(layer);
    if (c == LAYER_END || c == '{' || c == '"' || c == '\\')
        return malformed(layer);
    return layer_get(layer->outer);
}

static int get_attribute(struct layer *layer)
{
    for (;;) {
        int c = layer_peek(layer->outer);
        if (c == LAYER_END)
            return malformed(layer);
        if (!layer->quoted && (c == ',' || c == ')'))
            return over(layer);
        (void)layer_get(layer->outer);
        if (c == '\\')
            return get_escaped(layer);
        if (c != '"')
            return c;
        if (!layer->quoted) {
            layer->quoted = true;
        } else if (layer_peek(layer->outer) == '"') {
            return layer_get(layer->outer);
        } else {
            layer->quoted = false;
        }
    }
}

int layer_get(struct layer *layer)
{
    int held = layer->held;
    if (held != LAYER_NOTHING_HELD) {
        layer->held = LAYER_NOTHING_HELD;
        return held;
    }
    if (layer->replay_at < layer->replay_count)
        return (unsigned char)layer->replay[layer->replay_at++];
    if (layer->ended)
        return LAYER_END;
    switch (layer->mode) {
    case LAYER_RAW:
        return layer->at < layer->end ? (unsigned char)*layer->at++ : LAYER_END;
    case LAYER_ARRAY_QUOTED:
        return get_quoted(layer);
    case LAYER_ARRAY_BARE:
        return get_bare(layer);
    default:
        return get_attribute(layer);
    }
}

int layer_peek(struct layer *layer)
{
    if (layer->mode == LAYER_RAW)
        return layer->at < layer->end ? (unsigned char)*layer->at : LAYER_END;
    if (layer->held == LAYER_NOTHING_HELD)
        layer->held = layer_get(layer);
    return layer->held;
}

bool layer_expect(struct layer *layer, char c)
{
    if (layer_get(layer) == (unsigned char)c)
        return true;
    *layer->bad = true;
    return false;
}

static bool ends_run(const struct layer *layer, char c)
{
    if (c == '"' || c == '\\')
        return true;
    if (layer->mode == LAYER_ARRAY_BARE)
        return c == layer->delimiter || c == '{' || c == '}';
    return layer->mode == LAYER_ATTRIBUTE && !layer->quoted && (c == ',' || c == ')');
}

size_t layer_run(struct layer *layer, const char **run)
{
    struct layer *raw = layer->mode == LAYER_RAW ? layer : layer->outer;
    const char *p = raw->at;
    if (raw->mode != LAYER_RAW || layer->held != LAYER_NOTHING_HELD || layer->ended ||
        layer->replay_at < layer->replay_count)
        return 0;
    if (raw == layer)
        p = raw->end;
    while (p < raw->end && !ends_run(layer, *p))
        p++;
    *run = raw->at;
    raw->at = p;
    return (size_t)(p - *run);
}

const char *layer_span(struct layer *outer, char delimiter, size_t *len, bool *quoted)
{
    const char *p = outer->at, *from;
    if (outer->mode != LAYER_RAW || p == outer->end)
        return NULL;
    *quoted = *p == '"';
    from = p += *quoted;
    while (p < outer->end && *p != '"' && *p != '\\' &&
           (*quoted || (*p != delimiter && *p != '}' && *p != '{')))
        p++;
    if (p == outer->end || (*quoted ? *p != '"' : (*p != delimiter && *p != '}') || p == from))
        return NULL;
    *len = (size_t)(p - from);
    outer->at = p + *quoted;
    return from;
}

bool layer_is_null(struct layer *layer)
{
    static const char word[4] = {'N', 'U', 'L', 'L'};
    char ahead[4];
    uint8_t n = 0;
    while (n < 4) {
        int c = layer_peek(layer);
        if (c == LAYER_END || c != (unsigned char)word[n])
            break;
        ahead[n++] = (char)layer_get(layer);
    }
    if (n == 4 && layer_peek(layer) == LAYER_END)
        return !*layer->bad;
    /* Back in front of what was read, and of what was looked at. */
    memcpy(layer->replay, ahead, n);
    if (layer->held >= 0)
        layer->replay[n++] = (char)layer->held;
    layer->held = LAYER_NOTHING_HELD;
    layer->replay_at = 0;
    layer->replay_count = n;
    return false;
}

void layer_drain(struct layer *layer)
{
    const char *run;
    do
        while (layer_run(layer, &run))
            continue;
    while (layer_get(layer) != LAYER_END);
}

void layer_save(const struct layer *layer, struct layer_mark *mark)
{
    for (size_t i = 0; layer && i < LAYERS_MAX; i++, layer = layer->outer)
        mark->layers[i] = *layer;
}

void layer_restore(struct layer *layer, const struct layer_mark *mark)
{
    for (size_t i = 0; layer && i < LAYERS_MAX; i++, layer = layer->outer)
        *layer = mark->layers[i];
}
