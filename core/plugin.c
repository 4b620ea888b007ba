/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c -- what is known of a loaded plugin.  See plugins.h.
 */
#include "plugin_load.h"

const char *plugin_name(const struct plugin *plugin)
{
    return plugin->descriptor.name;
}

uint32_t plugin_kind(const struct plugin *plugin)
{
    return plugin->descriptor.kind;
}

const char *plugin_kind_name(uint32_t kind)
{
    return kind == LEAT_KIND_SOURCE ? "source" : kind == LEAT_KIND_SINK ? "sink" : "unknown";
}

const char *plugin_path(const struct plugin *plugin)
{
    return plugin->path;
}

const char *plugin_version(const struct plugin *plugin)
{
    return plugin->descriptor.version;
}

const char *plugin_license(const struct plugin *plugin)
{
    return plugin->descriptor.license ? plugin->descriptor.license : "";
}

const char *plugin_summary(const struct plugin *plugin)
{
    return plugin->descriptor.summary ? plugin->descriptor.summary : "";
}

const char *plugin_libraries(const struct plugin *plugin)
{
    const char *text = plugin->descriptor.libraries ? plugin->descriptor.libraries() : NULL;
    return text ? text : "";
}

void plugin_abi(const struct plugin *plugin, unsigned *major, unsigned *minor)
{
    *major = plugin->descriptor.abi_major;
    *minor = plugin->descriptor.abi_minor;
}

const leat_sink_ops *plugin_sink_ops(const struct plugin *plugin)
{
    return plugin->descriptor.kind == LEAT_KIND_SINK ? &plugin->ops.sink : NULL;
}

const leat_source_ops *plugin_source_ops(const struct plugin *plugin)
{
    return plugin->descriptor.kind == LEAT_KIND_SOURCE ? &plugin->ops.source : NULL;
}

const leat_option *plugin_options(const struct plugin *plugin, size_t *count)
{
    *count = plugin->descriptor.option_count;
    return plugin->options;
}

size_t plugin_config_size(const struct plugin *plugin)
{
    return plugin->descriptor.config_size;
}
