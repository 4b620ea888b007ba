/* SPDX-License-Identifier: Apache-2.0
 *
 * log_level.c -- which lines are written: one level for all, and others for some components.  See
 * log.h.
 *
 * A line that is below every level costs one relaxed load.  Only where some component has a level
 * of its own is the table looked at, under a lock.
 */
#include "log_level.h"

#include "config_log.h"
#include "log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct component {
    char name[LOG_COMPONENT];
    int64_t level;
};

/* Invariant, under lock: everything >= threshold and >= every component's level; special is
 * component_count > 0. */
static atomic_int_fast64_t threshold = LEAT_LOG_INFO, everything = LEAT_LOG_INFO;
static atomic_bool special;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct component components[LOG_COMPONENTS];
static size_t component_count;

static void settle(void)
{
    int64_t most = atomic_load_explicit(&threshold, memory_order_relaxed);

    for (size_t i = 0; i < component_count; i++)
        if (components[i].level > most)
            most = components[i].level;
    atomic_store_explicit(&everything, most, memory_order_relaxed);
    atomic_store_explicit(&special, component_count > 0, memory_order_relaxed);
}

void log_set_level(int64_t level)
{
    (void)pthread_mutex_lock(&lock);
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
    settle();
    (void)pthread_mutex_unlock(&lock);
}

int64_t log_level(void)
{
    return atomic_load_explicit(&threshold, memory_order_relaxed);
}

/* Under lock.  NULL: it has none. */
static struct component *find(const char *name)
{
    for (size_t i = 0; i < component_count; i++)
        if (strcmp(components[i].name, name) == 0)
            return &components[i];
    return NULL;
}

/* Under lock. */
static bool set(const char *name, int64_t level)
{
    struct component *component = find(name);

    if (level < 0 && component)
        *component = components[--component_count];
    if (level < 0)
        return true;
    if (!component && (component_count == LOG_COMPONENTS || strlen(name) >= LOG_COMPONENT))
        return false;
    if (!component) {
        component = &components[component_count++];
        (void)snprintf(component->name, sizeof component->name, "%s", name);
    }
    component->level = level;
    return true;
}

bool log_set_component(const char *component, int64_t level)
{
    bool ok;

    (void)pthread_mutex_lock(&lock);
    ok = set(component, level);
    settle();
    (void)pthread_mutex_unlock(&lock);
    return ok;
}

void log_configure(const struct config *config)
{
    (void)pthread_mutex_lock(&lock);
    atomic_store_explicit(&threshold, config->log_level, memory_order_relaxed);
    component_count = 0;
    for (size_t i = 0; i < config->log_levels.count; i++)
        (void)set(config->log_levels.items[i].name,
                  config_log_level(config->log_levels.items[i].value));
    settle();
    (void)pthread_mutex_unlock(&lock);
}

/* Under lock: the most exact name wins. */
static int64_t level_of(const char *pipeline, const char *instance)
{
    char exact[LOG_COMPONENT];
    const struct component *component = NULL;

    if (!instance) {
        component = find("core");
    } else {
        (void)snprintf(exact, sizeof exact, "%s/%s", pipeline ? pipeline : "", instance);
        component = find(exact);
        if (!component)
            component = find(instance);
    }
    return component ? component->level : atomic_load_explicit(&threshold, memory_order_relaxed);
}

bool log__is_wanted(const char *pipeline, const char *instance, int32_t level)
{
    bool wanted = true;

    if (level > atomic_load_explicit(&everything, memory_order_relaxed))
        return false;
    if (!atomic_load_explicit(&special, memory_order_relaxed))
        return level <= atomic_load_explicit(&threshold, memory_order_relaxed);
    (void)pthread_mutex_lock(&lock);
    wanted = level <= level_of(pipeline, instance);
    (void)pthread_mutex_unlock(&lock);
    return wanted;
}

size_t log_components(struct log_component out[LOG_COMPONENTS])
{
    size_t count;

    (void)pthread_mutex_lock(&lock);
    count = component_count;
    for (size_t i = 0; i < count; i++) {
        memcpy(out[i].name, components[i].name, sizeof out[i].name);
        out[i].level = components[i].level;
    }
    (void)pthread_mutex_unlock(&lock);
    return count;
}
