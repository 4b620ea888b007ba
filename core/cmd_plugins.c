/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_plugins.c -- `leat plugins`: what is installed and what it can be told.  See cmd_plugins.h.
 *
 * The manual pages and the sample configuration are printed from here, too (--mdoc, --sample): the
 * build runs the finished program and so documents what the program really takes.
 */
#include "cmd_plugins.h"

#include "config_tables.h"
#include "plugins.h"
#include "print_options.h"
#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "Usage: leat plugins [--json] [--plugins DIR] [NAME]\n"
    "Lists the plugins that are installed; with a NAME, its options.\n"
    "  --json         for programs\n"
    "  --plugins DIR  the folder of descriptions, instead of the program's own\n"
    "  --sample       prints a commented configuration with every option\n"
    "  --schema       prints a JSON Schema of the configuration, for editors\n"
    "  --mdoc NAME    prints the options of a plugin, or of core, pipeline, source, sink or "
    "route,\n"
    "                 for a manual page\n"
    "  --help         prints this\n";

struct request {
    const char *name, *folder, *mdoc;
    bool json, sample, schema, help;
};

/* EX_OK, or EX_USAGE, told of. */
static int read_arguments(int argc, char **argv, struct request *request)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"plugins", required_argument, NULL, 'p'},
        {"sample", no_argument, NULL, 's'},
        {"schema", no_argument, NULL, 'S'},
        {"mdoc", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (c) {
        case 'j':
            request->json = true;
            break;
        case 'p':
            request->folder = optarg;
            break;
        case 's':
            request->sample = true;
            break;
        case 'S':
            request->schema = true;
            break;
        case 'm':
            request->mdoc = optarg;
            break;
        case 'h':
            request->help = true;
            break;
        default:
            return usage_option(usage, argv, options, c);
        }
    }
    /* What prints everything, and --mdoc, which has its name already, take none. */
    if (optind < argc && !request->sample && !request->schema && !request->mdoc)
        request->name = argv[optind++];
    if (optind < argc)
        return usage_wrong(usage, argv[0], "unexpected \"%s\"", argv[optind]);
    return EX_OK;
}

static const struct config_table *core_table(const char *name)
{
    const struct config_table *const tables[] = {&config_top_table, &config_pipeline_table,
                                                 &config_source_table, &config_sink_table,
                                                 &config_route_table};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(tables[i]->name, name) == 0)
            return tables[i];
    }
    return NULL;
}

static void print_fact(const char *name, const char *text, const char *end)
{
    (void)printf("\"%s\":", name);
    print_json_string(stdout, text);
    (void)fputs(end, stdout);
}

/* plugin: NULL, with why it cannot be used. */
static void print_json_plugin(const struct plugin_description *item, const struct plugin *plugin,
                              const char *why)
{
    unsigned major = 0;
    unsigned minor = 0;
    size_t count = 0;
    (void)putchar('{');
    print_fact("name", item->name, ",");
    print_fact("kind", item->name ? plugin_kind_name(item->kind) : NULL, ",");
    print_fact("description", item->path, ",");
    if (!plugin) {
        print_fact("error", why, "}");
        return;
    }
    plugin_abi(plugin, &major, &minor);
    print_fact("version", plugin_version(plugin), ",");
    (void)printf("\"abi\":\"%u.%u\",", major, minor);
    print_fact("library", plugin_path(plugin), ",");
    print_fact("license", plugin_license(plugin), ",");
    print_fact("libraries", plugin_libraries(plugin), ",");
    print_fact("summary", plugin_summary(plugin), ",\"options\":");
    const leat_option *rows = plugin_options(plugin, &count);
    print_options_json(stdout, rows, count);
    (void)putchar('}');
}

static void print_text_plugin(const struct plugin_description *item, const struct plugin *plugin,
                              const char *why)
{
    unsigned major = 0;
    unsigned minor = 0;
    if (!plugin) {
        (void)fprintf(stderr, "leat: %s\n", why);
        return;
    }
    plugin_abi(plugin, &major, &minor);
    (void)printf("%-12s  %-6s  %-8s  %u.%u  %s\n%-12s  %s\n", item->name,
                 plugin_kind_name(item->kind), plugin_version(plugin), major, minor,
                 plugin_summary(plugin), "", plugin_path(plugin));
}

static int list_plugins(const struct plugins *plugins, const struct request *request)
{
    char why[1024];
    int code = EX_OK;
    if (!request->json) {
        (void)printf("# %s\n%-12s  %-6s  %-8s  %s  %s\n", plugins_folder(plugins), "NAME", "KIND",
                     "VERSION", "ABI", "SUMMARY, LIBRARY");
    }
    for (size_t i = 0; i < plugins_count(plugins); i++) {
        const struct plugin_description *item = plugins_at(plugins, i);
        const struct plugin *plugin = plugins_load(plugins, item, why, sizeof why);
        if (!plugin)
            code = EX_CONFIG;
        if (request->json && i)
            (void)putchar(',');
        if (request->json)
            print_json_plugin(item, plugin, why);
        else
            print_text_plugin(item, plugin, why);
    }
    return code;
}

/* One plugin, or one of each kind when both have the name. */
static int show_plugin(const struct plugins *plugins, const struct request *request,
                       const char *name)
{
    char why[1024];
    bool found = false;
    size_t count;
    for (uint32_t kind = LEAT_KIND_SINK; kind <= LEAT_KIND_SOURCE; kind++) {
        const struct plugin_description *item = plugins_find(plugins, name, kind);
        if (!item)
            continue;
        const struct plugin *plugin = plugins_load(plugins, item, why, sizeof why);
        if (!plugin) {
            (void)fprintf(stderr, "leat: %s\n", why);
            return EX_CONFIG;
        }
        const leat_option *rows = plugin_options(plugin, &count);
        if (request->mdoc) {
            print_options_mdoc(stdout, rows, count);
        } else if (request->json) {
            if (found)
                (void)putchar(',');
            print_json_plugin(item, plugin, NULL);
        } else {
            (void)printf("%s%s \"%s\" %s: %s\n%s\n\n", found ? "\n" : "", plugin_kind_name(kind),
                         name, plugin_version(plugin), plugin_summary(plugin), plugin_path(plugin));
            print_options_text(stdout, rows, count);
        }
        found = true;
    }
    if (found)
        return EX_OK;
    (void)fprintf(stderr, "leat: no plugin \"%s\" in %s; `leat plugins` lists what is there\n",
                  name, plugins_folder(plugins));
    return EX_CONFIG;
}

static int print_all(const struct plugins *plugins, const struct request *request)
{
    char why[1024];
    if (request->schema ? print_schema(stdout, plugins, why, sizeof why)
                        : print_sample(stdout, plugins, why, sizeof why))
        return EX_OK;
    (void)fprintf(stderr, "leat: %s\n", why);
    return EX_CONFIG;
}

static int answer(const struct plugins *plugins, const struct request *request)
{
    if (request->sample || request->schema)
        return print_all(plugins, request);
    const char *name = request->mdoc ? request->mdoc : request->name;
    bool json = request->json && !request->mdoc;
    if (json) {
        (void)putchar('{');
        print_fact("folder", plugins_folder(plugins), ",\"plugins\":[");
    }
    int code = name ? show_plugin(plugins, request, name) : list_plugins(plugins, request);
    if (json)
        (void)fputs("]}\n", stdout);
    return code;
}

int cmd_plugins(int argc, char **argv)
{
    char why[1024];
    struct request request = {0};
    int wrong = read_arguments(argc, argv, &request);
    if (wrong != EX_OK)
        return wrong;
    if (request.help) {
        (void)fputs(usage, stdout);
        return EX_OK;
    }
    const struct config_table *table = request.mdoc ? core_table(request.mdoc) : NULL;
    if (table) {
        print_options_mdoc(stdout, table->rows, table->count);
        return EX_OK;
    }
    struct plugins *plugins = plugins_open(request.folder, why, sizeof why);
    if (!plugins) {
        (void)fprintf(stderr, "leat: %s\n", why);
        return EX_CONFIG;
    }
    int code = answer(plugins, &request);
    plugins_close(plugins);
    return code;
}
