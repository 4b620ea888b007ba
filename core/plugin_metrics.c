/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_metrics.c -- see plugin_metrics.h.
 */
#include "plugin_metrics.h"

#include <string.h>

static bool is_name(const char *text)
{
    size_t length = text ? strlen(text) : 0;

    return length > 0 && length < 100 && text[0] >= 'a' && text[0] <= 'z' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length > tail && strcmp(text + length - tail, end) == 0;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Help stands on a line of its own, a label's value between quotes: neither may end it. */
static bool is_text(const char *text)
{
    return text && strlen(text) < 300 && !strpbrk(text, "\n\\\"");
}

int32_t plugin_metrics_declare(struct plugin_metrics *metrics, uint32_t kind, const char *name,
                               const char *label, const char *label_value, const char *help)
{
    uint32_t count = atomic_load_explicit(&metrics->count, memory_order_relaxed);
    struct plugin_metric *item;

    if (!is_name(name) || !is_text(help) ||
        (kind != LEAT_METRIC_COUNTER && kind != LEAT_METRIC_GAUGE) ||
        (kind == LEAT_METRIC_COUNTER) != ends_in(name, "_total") ||
        (label && (!is_name(label) || !is_text(label_value))))
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        item = &metrics->items[i];
        if (same(item->name, name) && same(item->label, label) &&
            same(item->label_value, label_value))
            return item->kind == kind ? (int32_t)i : -1;
    }
    if (count == PLUGIN_METRICS_MAX)
        return -1;
    item = &metrics->items[count];
    item->kind = kind;
    item->name = name;
    item->help = help;
    item->label = label;
    item->label_value = label ? label_value : NULL;
    atomic_store_explicit(&metrics->count, count + 1, memory_order_release);
    return (int32_t)count;
}

void plugin_metrics_set(struct plugin_metrics *metrics, int32_t number, double value)
{
    uint64_t bits;

    if (number < 0 ||
        (uint32_t)number >= atomic_load_explicit(&metrics->count, memory_order_acquire))
        return;
    memcpy(&bits, &value, sizeof bits);
    atomic_store_explicit(&metrics->items[number].bits, bits, memory_order_relaxed);
    atomic_store_explicit(&metrics->items[number].set, true, memory_order_release);
}

uint32_t plugin_metrics_read(struct plugin_metrics *metrics, struct plugin_metric_copy *out)
{
    uint32_t count = atomic_load_explicit(&metrics->count, memory_order_acquire), kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct plugin_metric *item = &metrics->items[i];
        uint64_t bits;
        if (!atomic_load_explicit(&item->set, memory_order_acquire))
            continue;
        bits = atomic_load_explicit(&item->bits, memory_order_relaxed);
        out[kept] = (struct plugin_metric_copy){item->kind,  item->name,        item->help,
                                                item->label, item->label_value, 0};
        memcpy(&out[kept++].value, &bits, sizeof bits);
    }
    return kept;
}

double plugin_metrics_value(const struct plugin_metric_copy *metrics, uint32_t count,
                            const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (!metrics[i].label && strcmp(metrics[i].name, name) == 0)
            return metrics[i].value;
    return 0;
}

double plugin_metrics_current(struct plugin_metrics *metrics, const char *name)
{
    uint32_t count = atomic_load_explicit(&metrics->count, memory_order_acquire);

    for (uint32_t i = 0; i < count; i++) {
        struct plugin_metric *item = &metrics->items[i];
        uint64_t bits;
        double value;
        if (item->label || strcmp(item->name, name) != 0 ||
            !atomic_load_explicit(&item->set, memory_order_acquire))
            continue;
        bits = atomic_load_explicit(&item->bits, memory_order_relaxed);
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    return 0;
}
