/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_load.c -- builds the tree out of libyaml's events.  [main]  See tree.h.
 *
 * Events, not libyaml's document: the document forgets anchors, resolves aliases silently (cycles
 * included) and has no limit of depth.  Nothing is decided here but shape; meaning comes later,
 * from the finished tree.  The stack is an array: a hostile file cannot deepen ours.
 */
#include "tree.h"

#include "problems.h"
#include "region.h"
#include "tree_internal.h"

#include <string.h>
#include <yaml.h>

struct frame {
    struct tree_node *node;  /* the open container */
    struct tree_node *key;   /* a mapping's key whose value comes next */
    struct tree_node **tail; /* where the next child is hung */
    bool skip;               /* the next value has a duplicate key: it is dropped */
};

struct loader {
    yaml_parser_t parser;
    struct region *region;
    struct problems *problems;
    struct tree_node *root;
    struct frame stack[TREE_DEPTH_MAX];
    size_t depth, nodes;
    int documents;
};

static struct tree_node *node_take(struct loader *loader, enum tree_kind kind, yaml_mark_t mark)
{
    struct tree_node *node = region_take(loader->region, sizeof *node);
    node->kind = kind;
    node->line = tree__line(mark);
    node->column = tree__column(mark);
    return node;
}

static bool known_key(const struct tree_node *mapping, const char *text, int *line)
{
    for (const struct tree_node *child = mapping->first; child; child = child->next) {
        if (strcmp(child->key->text, text) == 0) {
            *line = child->key->line;
            return true;
        }
    }
    return false;
}

/* False: the file cannot be read on. */
static bool take_key(struct loader *loader, struct frame *frame, struct tree_node *node)
{
    char shown[PROBLEMS_QUOTE];
    int first;
    frame->key = node;
    frame->skip = false;
    if (node->kind != TREE_SCALAR) {
        problems_add(loader->problems, node->line, node->column,
                     "a list or mapping cannot be a key; write a name in front of the colon");
        return false;
    }
    if (!node->quoted && strcmp(node->text, "<<") == 0) {
        problems_add(loader->problems, node->line, node->column,
                     "merge keys (<<) are not supported; write the options out");
        frame->skip = true;
    } else if (!node->broken && tree_is_null(node)) {
        problems_add(loader->problems, node->line, node->column,
                     "a key is missing; write a name in front of the colon");
        frame->skip = true;
    } else if (known_key(frame->node, node->text, &first)) {
        problems_add(loader->problems, node->line, node->column,
                     "duplicate key \"%s\" (the first is on line %d); remove one of them",
                     problems_quote(shown, node->text), first);
        frame->skip = true;
    } else if (frame->node->count == TREE_MEMBERS_MAX) {
        problems_add(loader->problems, node->line, node->column,
                     "more than %u keys in one mapping; shorten it", TREE_MEMBERS_MAX);
        return false;
    }
    return true;
}

/* Puts a finished scalar or a just opened container in its place. */
static bool attach(struct loader *loader, struct tree_node *node)
{
    if (++loader->nodes > TREE_NODES_MAX) {
        problems_add(loader->problems, node->line, node->column,
                     "more than %u values in one file; shorten it", TREE_NODES_MAX);
        return false;
    }
    if (loader->depth == 0) {
        if (loader->documents == 1)
            loader->root = node;
        return true;
    }
    struct frame *frame = &loader->stack[loader->depth - 1];
    if (frame->node->kind == TREE_MAPPING) {
        if (!frame->key)
            return take_key(loader, frame, node);
        node->key = frame->key;
        frame->key = NULL;
        if (frame->skip)
            return true;
    }
    *frame->tail = node;
    frame->tail = &node->next;
    frame->node->count++;
    return true;
}

static bool open_container(struct loader *loader, enum tree_kind kind, const yaml_event_t *event)
{
    struct tree_node *node = node_take(loader, kind, event->start_mark);
    if (!attach(loader, node))
        return false;
    if (loader->depth == TREE_DEPTH_MAX) {
        problems_add(loader->problems, node->line, node->column,
                     "nested deeper than %u levels; this is no configuration", TREE_DEPTH_MAX);
        return false;
    }
    loader->stack[loader->depth++] = (struct frame){node, NULL, &node->first, false};
    return true;
}

/* Only where every character is one byte and stands as it is can an offset in the text be turned
 * into a column. */
static bool is_verbatim(const yaml_event_t *event, const struct tree_node *node, size_t len)
{
    size_t quotes = node->quoted ? 2 : 0;
    if (event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
        event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE ||
        event->start_mark.line != event->end_mark.line)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)node->text[i] >= 0x80)
            return false;
    }
    return event->end_mark.index - event->start_mark.index == len + quotes;
}

static bool take_scalar(struct loader *loader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    struct tree_node *node = node_take(loader, TREE_SCALAR, event->start_mark);
    node->text = region_text(loader->region, value, len);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->verbatim = is_verbatim(event, node, len);
    if (memchr(value, '\0', len)) {
        problems_add(loader->problems, node->line, node->column,
                     "a NUL byte (\\0) cannot be part of a value; remove it");
        node->broken = true;
    }
    return attach(loader, node);
}

static bool take_alias(struct loader *loader, const yaml_event_t *event)
{
    struct tree_node *node = node_take(loader, TREE_SCALAR, event->start_mark);
    node->text = "";
    node->broken = true;
    problems_add(loader->problems, node->line, node->column,
                 "aliases (*name) are not supported; write the value again");
    return attach(loader, node);
}

static void refuse_extras(struct loader *loader, const yaml_event_t *event,
                          const yaml_char_t *anchor, const yaml_char_t *tag)
{
    int line = tree__line(event->start_mark);
    int column = tree__column(event->start_mark);
    if (anchor)
        problems_add(loader->problems, line, column,
                     "anchors (&name) are not supported; remove it");
    if (tag)
        problems_add(loader->problems, line, column,
                     "tags (!name) are not supported; quote text that begins with \"!\"");
}

static bool start_document(struct loader *loader, const yaml_event_t *event)
{
    if (++loader->documents == 1)
        return true;
    problems_add(loader->problems, tree__line(event->start_mark), tree__column(event->start_mark),
                 "a second document begins here; keep one in a file and remove the \"---\"");
    return false;
}

/* False: there is nothing more to read, by fault or by end. */
static bool take_event(struct loader *loader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return start_document(loader, event);
    case YAML_ALIAS_EVENT:
        return take_alias(loader, event);
    case YAML_SCALAR_EVENT:
        refuse_extras(loader, event, event->data.scalar.anchor, event->data.scalar.tag);
        return take_scalar(loader, event);
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(loader, event, event->data.sequence_start.anchor,
                      event->data.sequence_start.tag);
        return open_container(loader, TREE_SEQUENCE, event);
    case YAML_MAPPING_START_EVENT:
        refuse_extras(loader, event, event->data.mapping_start.anchor,
                      event->data.mapping_start.tag);
        return open_container(loader, TREE_MAPPING, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        loader->depth--;
        return true;
    case YAML_STREAM_END_EVENT:
        return false;
    default:
        return true;
    }
}

/* True: read to the end (or to a fault that has been reported). */
static bool read_events(struct loader *loader, const char *text, size_t len)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&loader->parser, &event)) {
            tree__report_syntax(&loader->parser, text, len, loader->problems);
            return false;
        }
        bool end = event.type == YAML_STREAM_END_EVENT;
        bool more = take_event(loader, &event);
        yaml_event_delete(&event);
        if (end)
            return true;
        if (!more)
            return false;
    }
}

struct tree_node *tree_load(const char *text, size_t len, struct region *region,
                            struct problems *problems)
{
    struct loader loader = {.region = region, .problems = problems};
    int line;
    int column;
    /* An editor's byte order mark; libyaml skips it only where it may guess the encoding. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    if (len > TREE_TEXT_MAX) {
        problems_add(problems, 0, 0, "the file is larger than 1MiB; this is no configuration");
        return NULL;
    }
    const char *nul = len ? memchr(text, '\0', len) : NULL;
    if (nul) {
        tree__locate(text, (size_t)(nul - text), &line, &column);
        problems_add(problems, line, column, "a NUL byte; save the file as UTF-8 text");
        return NULL;
    }
    if (!yaml_parser_initialize(&loader.parser)) {
        problems_add(problems, 0, 0, "out of memory; free some");
        return NULL;
    }
    yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text, len);
    bool whole = read_events(&loader, text, len);
    yaml_parser_delete(&loader.parser);
    if (whole && !loader.root)
        problems_add(problems, 0, 0, "the file is empty; `leat plugins --sample` prints one");
    return whole ? loader.root : NULL;
}
