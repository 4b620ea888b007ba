/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_version.c -- leat version.  [main]
 */
#include "commands.h"

#include "plugins.h"
#include "text_buffer.h"
#include "usage.h"

#include <gnu/libc-version.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <yaml.h>

static void put_plugin(const struct plugins *plugins, const struct plugin_description *description)
{
    char why[512];
    const struct plugin *plugin = plugins_load(plugins, description, why, sizeof why);

    if (!plugin) {
        (void)printf("  %s: %s\n", description->name ? description->name : description->path, why);
        return;
    }
    (void)printf("  %s %s %s%s%s\n", plugin_kind_name(plugin_kind(plugin)), plugin_name(plugin),
                 plugin_version(plugin), plugin_libraries(plugin)[0] ? ", " : "",
                 plugin_libraries(plugin));
}

static void put_verbose(void)
{
    char why[512];
    struct plugins *plugins = plugins_open(NULL, why, sizeof why);

    (void)printf("plugin ABI %u.%u\n", LEAT_ABI_MAJOR, LEAT_ABI_MINOR);
    (void)printf("compiler %s\n", __VERSION__);
    (void)printf("glibc %s\n", gnu_get_libc_version());
    (void)printf("libyaml %s\n", yaml_get_version_string());
    (void)printf("libmicrohttpd %s\n", MHD_get_version());
    if (!plugins) {
        (void)printf("plugins: %s\n", why);
        return;
    }
    (void)printf("plugins of %s\n", plugins_folder(plugins));
    for (size_t i = 0; i < plugins_count(plugins); i++)
        put_plugin(plugins, plugins_at(plugins, i));
    plugins_close(plugins);
}

static void put_json_plugin(const struct plugins *plugins,
                            const struct plugin_description *description, const char *before)
{
    char why[512];
    const struct plugin *plugin = plugins_load(plugins, description, why, sizeof why);
    struct text_buffer text = {0};

    if (!plugin)
        return;
    text_print(&text, "%s{\"kind\":\"%s\",\"name\":", before,
               plugin_kind_name(plugin_kind(plugin)));
    text_put_json(&text, plugin_name(plugin));
    text_put_string(&text, ",\"version\":");
    text_put_json(&text, plugin_version(plugin));
    text_put_string(&text, ",\"libraries\":");
    text_put_json(&text, plugin_libraries(plugin));
    (void)printf("%s}", text.text ? text.text : "");
    free(text.text);
}

static void put_json(bool verbose)
{
    char why[512];
    struct plugins *plugins = verbose ? plugins_open(NULL, why, sizeof why) : NULL;
    size_t shown = 0;

    (void)printf("{\"version\":\"%s\",\"abi_major\":%u,\"abi_minor\":%u", LEAT_VERSION,
                 LEAT_ABI_MAJOR, LEAT_ABI_MINOR);
    if (verbose)
        (void)printf(
            ",\"libraries\":{\"glibc\":\"%s\",\"libyaml\":\"%s\",\"libmicrohttpd\":\"%s\"},"
            "\"plugins\":[",
            gnu_get_libc_version(), yaml_get_version_string(), MHD_get_version());
    for (size_t i = 0; plugins && i < plugins_count(plugins); i++)
        put_json_plugin(plugins, plugins_at(plugins, i), shown++ ? "," : "");
    (void)printf("%s}\n", verbose ? "]" : "");
    plugins_close(plugins);
}

int cmd_version(int argc, char **argv)
{
    static const struct option options[] = {{"verbose", no_argument, NULL, 'v'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    static const char usage[] = "Usage: leat version [--verbose] [--json]\n"
                                "One line; with --verbose the libraries and their versions.\n";
    bool verbose = false, json = false;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return EX_OK;
        }
        if (option == '?' || option == ':')
            return usage_option(usage, argv, options, option);
        verbose = verbose || option == 'v';
        json = json || option == 'j';
    }
    if (optind < argc)
        return usage_wrong(usage, argv[0], "unexpected \"%s\"", argv[optind]);
    if (json) {
        put_json(verbose);
        return EX_OK;
    }
    (void)printf("leat %s\n", LEAT_VERSION);
    if (verbose)
        put_verbose();
    return EX_OK;
}
