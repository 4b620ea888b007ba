/* SPDX-License-Identifier: Apache-2.0
 *
 * test_config.c -- whole files: what is filled in, and every wrong one with its exact lines.
 */
#include "support.h"

#include "config.h"
#include "encode.h"
#include "options.h"
#include "plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int enter(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    put_plugin("good", "sink", "good");
    put_plugin("source", "source", "source");
    put_plugin("routed", "sink", "routed");
    put_plugin("unrouted", "sink", "unrouted");
    put_plugin("bad_magic", "sink", "bad_magic");
    put_plugin("raw", "sink", "raw");
    return 0;
}

static struct config *load(const char *text, char **printed, int *code)
{
    size_t size = 0;
    write_text("leat.yaml", text);
    FILE *file = open_memstream(printed, &size);
    struct config *config = config_load("leat.yaml", file, code);
    assert_int_equal(fclose(file), 0);
    return config;
}

/* `$HERE` in what is expected stands for the test's folder. */
static char *with_folder(const char *text)
{
    char here[4096];
    char *out = calloc(1, 65536);
    assert_non_null(out);
    assert_non_null(getcwd(here, sizeof here));
    for (const char *p = text; *p;) {
        bool folder = strncmp(p, "$HERE", 5) == 0;
        strncat(out, folder ? here : p, folder ? sizeof here : 1);
        p += folder ? 5 : 1;
    }
    return out;
}

static void refused(const char *text, const char *expected)
{
    char *printed = NULL;
    int code = -1;
    char *full = with_folder(expected);
    struct config *config = load(text, &printed, &code);
    assert_string_equal(printed, full);
    assert_null(config);
    assert_int_equal(code, EX_CONFIG);
    free(full);
    free(printed);
}

#define HEAD "plugins: plugins.d\n"
#define PIPELINE                                                                                   \
    HEAD "pipelines:\n"                                                                            \
         "  - name: shop\n"                                                                        \
         "    source: { plugin: source, directory: x }\n"                                          \
         "    sinks:\n"

/* $HERE in `path` is the folder of the configuration. */
static void assert_path(const char *found, const char *path)
{
    char *expected = with_folder(path);
    assert_string_equal(found, expected);
    free(expected);
}

static void assert_daemon(const struct config *config)
{
    assert_path(config->state_directory, "$HERE/state");
    assert_path(config->plugins, "$HERE/plugins.d");
    assert_int_equal(config->memory, 64 << 20);
    assert_true(config->mlock);
    assert_int_equal(config->shutdown_timeout_ms, 5000);
    assert_int_equal(config->log_level, LEAT_LOG_DEBUG);
    assert_int_equal(config->log_format, CONFIG_LOG_JSON);
    assert_int_equal(config->http_listen.count, 2);
    assert_int_equal(config->pipeline_count, 1);
}

static void assert_pipeline(const struct config_pipeline *pipeline)
{
    assert_string_equal(pipeline->name, "shop");
    assert_string_equal(plugin_name(pipeline->source), "source");
    assert_int_equal(pipeline->batch_max_delay_ms, 0);
    assert_int_equal(pipeline->batch_size, 65536);
    assert_int_equal(pipeline->confirm_interval_ms, 2000);
    assert_string_equal(*(const char *const *)pipeline->source_options, "in");
    char secret[8];
    assert_int_equal(options_expand(pipeline->source_templates, "password", secret, sizeof secret),
                     LEAT_OK);
    assert_string_equal(secret, "p");
    assert_int_equal(pipeline->sink_count, 2);
}

static void assert_archive(const struct config_sink *sink)
{
    assert_string_equal(sink->name, "archive");
    assert_int_equal(sink->format, ENCODE_MSGPACK);
    assert_int_equal(sink->numeric, ENCODE_STRING);
    assert_int_equal(sink->int8, ENCODE_STRING);
    assert_int_equal(sink->bytea, ENCODE_BASE64);
    assert_int_equal(sink->timestamp, ENCODE_EXTENSION);
    assert_int_equal(sink->on_reject, CONFIG_REJECT_DEAD_LETTER);
    assert_int_equal(sink->retry_max_ms, 60000);
    assert_int_equal(sink->stall_warning_ms, 60000);
    assert_null(sink->route);
    assert_path(sink->dead_letter, "$HERE/dead");
}

static void assert_routed(const struct config_sink *sink)
{
    assert_string_equal(sink->name, "routed");
    assert_string_equal(sink->route, "cdc.{schema}.{table}");
    assert_int_equal(sink->route_line, 20);
    assert_int_equal(sink->route_count, 3);
    assert_string_equal(sink->routes[0].schema.items[0], "public");
    assert_string_equal(sink->routes[0].table.items[0], "orders");
    assert_string_equal(sink->routes[0].op.items[0], "update");
    assert_int_equal(sink->routes[0].changed.count, 2);
    assert_string_equal(sink->routes[0].route, "orders.{key.id}");
    assert_int_equal(sink->routes[1].schema.count, 0);
    assert_string_equal(sink->routes[1].table.items[0], "audit_*");
    assert_int_equal(sink->routes[2].schema.count, 2);
    assert_int_equal(sink->routes[2].table.count, 0);
}

static void a_whole_configuration_is_filled_in(void **state)
{
    (void)state;
    char *printed = NULL;
    int code = -1;
    struct config *config =
        load("state_directory: state\n"
             "plugins: plugins.d\n"
             "memory: 64MiB\n"
             "mlock: true\n"
             "shutdown_timeout: 5s\n"
             "log: { level: debug, format: json }\n"
             "http: { listen: ['unix:/run/x.sock', '127.0.0.1:9100'] }\n"
             "pipelines:\n"
             "  - name: shop\n"
             "    batch: { max_delay: 0, size: 64KiB }\n"
             "    confirm_interval: 2s\n"
             "    source: [ { plugin: source, directory: in, password: p } ]\n"
             "    sinks:\n"
             "      - { name: archive, plugin: good, directory: /out, format: msgpack,\n"
             "          numeric: string, int8: string, bytea: base64, timestamp: extension,\n"
             "          on_reject: dead_letter, dead_letter: dead, retry_max: 1m,\n"
             "          roll: { age: 5s } }\n"
             "      - plugin: routed\n"
             "        directory: /out\n"
             "        route: \"cdc.{schema}.{table}\"\n"
             "        routes:\n"
             "          - { match: \"public.orders\", op: update, changed: [status, paid],\n"
             "              route: \"orders.{key.id}\" }\n"
             "          - { match: \"*.audit_*\", route: audit }\n"
             "          - { match: { schema: [a, b] }, route: ab }\n",
             &printed, &code);
    assert_string_equal(printed, "");
    assert_non_null(config);
    assert_int_equal(code, EX_OK);

    assert_daemon(config);
    assert_pipeline(&config->pipelines[0]);
    assert_archive(&config->pipelines[0].sinks[0]);
    assert_routed(&config->pipelines[0].sinks[1]);
    config_destroy(config);
    free(printed);
}

static void what_is_absent_has_the_documented_default(void **state)
{
    (void)state;
    char *printed = NULL;
    int code = -1;
    struct config *config =
        load(PIPELINE "      - { plugin: good, directory: y }\n", &printed, &code);
    assert_string_equal(printed, "");
    assert_non_null(config);
    assert_string_equal(config->state_directory, "/var/lib/leat");
    assert_int_equal(config->memory, 256 << 20);
    assert_false(config->mlock);
    assert_int_equal(config->shutdown_timeout_ms, 30000);
    assert_int_equal(config->log_level, LEAT_LOG_INFO);
    assert_int_equal(config->log_format, CONFIG_LOG_TEXT);
    assert_string_equal(config->http_listen.items[0], "unix:/run/leat/leat.sock");
    assert_int_equal(config->pipelines[0].batch_max_delay_ms, 5);
    assert_int_equal(config->pipelines[0].batch_size, 262144);
    assert_int_equal(config->pipelines[0].confirm_interval_ms, 1000);
    assert_string_equal(config->pipelines[0].sinks[0].name, "good");
    assert_int_equal(config->pipelines[0].sinks[0].format, ENCODE_JSON);
    assert_int_equal(config->pipelines[0].sinks[0].retry_max_ms, 30000);
    config_destroy(config);
    free(printed);
}

static void none_means_no_endpoint(void **state)
{
    (void)state;
    char *printed = NULL;
    int code = -1;
    struct config *config =
        load("http: { listen: none }\n" PIPELINE "      - { plugin: good, directory: y }\n",
             &printed, &code);
    assert_string_equal(printed, "");
    assert_int_equal(config->http_listen.count, 0);
    config_destroy(config);
    free(printed);
}

static void all_errors_come_in_one_run_sorted(void **state)
{
    (void)state;
    refused("memry: 1\n"
            "plugins: plugins.d\n"
            "memory: 1MiB\n"
            "log: { level: loud }\n"
            "http: { listen: [none, 'unix:x', '1.2.3.4:99999', 'http://127.0.0.1:80', '::1:80', "
            "'[::1]:80', '[::1]:80'] }\n"
            "pipelines:\n"
            "  - name: Shop\n"
            "    source: { plugin: sorce }\n"
            "    sinks:\n"
            "      - { plugin: source }\n"
            "      - { plugin: bad_magic }\n"
            "      - { plugin: wibble }\n"
            "      - { directory: y }\n"
            "      - { plugin: good, nane: x, count: 500 }\n"
            "  - name: Shop\n"
            "    sinks: none\n",
            "leat.yaml:1:1: unknown option \"memry\" of the configuration; did you mean "
            "\"memory\"?\n"
            "leat.yaml:3:9: \"memory\": \"1MiB\" is too small; write at least 16MiB\n"
            "leat.yaml:4:15: \"log.level\": \"loud\" is not known; choices: error, warn, info, "
            "debug\n"
            "leat.yaml:5:17: \"http.listen\": \"none\": it is no address; write unix:/PATH or "
            "HOST:PORT, or none\n"
            "leat.yaml:5:17: \"http.listen\": \"unix:x\": its path is not absolute; write "
            "unix:/PATH\n"
            "leat.yaml:5:17: \"http.listen\": \"1.2.3.4:99999\": it is no address; write "
            "unix:/PATH or HOST:PORT, or none\n"
            "leat.yaml:5:17: \"http.listen\": \"http://127.0.0.1:80\": it is no address; write "
            "unix:/PATH or HOST:PORT, or none\n"
            "leat.yaml:5:17: \"http.listen\": \"::1:80\": it is no address; write "
            "unix:/PATH or HOST:PORT, or none\n"
            "leat.yaml:5:17: \"http.listen\": \"[::1]:80\": it is listed twice; remove one\n"
            "leat.yaml:7:11: pipeline name \"Shop\": write 1 to 63 of a-z, 0-9, _ and -\n"
            "leat.yaml:8:23: no source plugin \"sorce\" in $HERE/plugins.d; did you mean "
            "\"source\"?\n"
            "leat.yaml:10:19: plugin \"source\" is a source, not a sink; move it\n"
            "leat.yaml:11:19: plugin \"bad_magic\" cannot be used: $HERE/plugins/bad_magic.so: "
            "leat_plugin_v1 begins with 0x12345678, expected 0x5441454c\n"
            "leat.yaml:12:19: no sink plugin \"wibble\" in $HERE/plugins.d; there are: bad_magic, "
            "good, raw, routed, unrouted\n"
            "leat.yaml:13:9: \"plugin\" of a sink is missing; add it: The sink plugin's name.\n"
            "leat.yaml:14:9: \"directory\" of sink \"good\" is missing; add it: Where. It has a "
            "dot.\n"
            "leat.yaml:14:25: unknown option \"nane\" of sink \"good\"; did you mean \"name\"?\n"
            "leat.yaml:14:41: \"count\": \"500\" is too large; write at most 100\n"
            "leat.yaml:15:5: \"source\" of pipeline \"Shop\" is missing; add it: Where changes "
            "come from: a plugin and its options.\n"
            "leat.yaml:15:11: pipeline name \"Shop\": write 1 to 63 of a-z, 0-9, _ and -\n"
            "leat.yaml:15:11: pipeline name \"Shop\" is used twice; choose another\n"
            "leat.yaml:16:12: \"sinks\" is not a list of 1 to 16; begin each sink with \"- plugin: "
            "NAME\"\n");
}

static void routes_are_checked_at_their_column(void **state)
{
    (void)state;
    refused(
        PIPELINE "      - { plugin: routed, directory: y }\n"
                 "      - { plugin: unrouted, directory: y, route: a }\n"
                 "      - { plugin: good, directory: y, route: \"a.{shema}.b\" }\n"
                 "      - name: other\n"
                 "        plugin: good\n"
                 "        directory: y\n"
                 "        routes:\n"
                 "          - { match: orders, route: a }\n"
                 "          - { match: { shema: x }, op: upsert, route: \"a.{table}\" }\n"
                 "          - { op: [insert], changed: c, route: ok }\n"
                 "          - { match: a.b }\n"
                 "          - text\n",
        "leat.yaml:6:9: sink \"routed\" needs \"route\" or \"routes\"; add for example route: "
        "\"cdc.{schema}.{table}\"\n"
        "leat.yaml:7:50: plugin \"unrouted\" has no routes; remove \"route\"\n"
        "leat.yaml:8:49: route: {shema} is unknown; there are {schema}, {table}, {op}, {prefix} "
        "and {key.COLUMN}\n"
        "leat.yaml:13:22: \"match\": \"orders\" is not SCHEMA.TABLE; write \"public.orders\", "
        "\"*.orders\" or {schema: ..., table: ...}\n"
        "leat.yaml:14:24: unknown option \"shema\" of \"match\"; did you mean \"schema\"?\n"
        "leat.yaml:14:40: \"op\": \"upsert\" is no operation; did you mean \"insert\"?\n"
        "leat.yaml:15:19: \"changed\" is about updates, and \"op\" leaves them out; this rule "
        "would never match; add update to op\n"
        "leat.yaml:16:13: \"route\" of an entry of \"routes\" is missing; add it: Where such "
        "records go.\n"
        "leat.yaml:17:13: an entry of \"routes\" is not a mapping; write lines of NAME: VALUE\n");
}

static void a_sink_that_reads_rows_cannot_be_isolated(void **state)
{
    (void)state;
    refused(
        PIPELINE "      - { plugin: raw, directory: y, isolate: true }\n"
                 "      - { plugin: raw, name: b, directory: y, isolate: false }\n"
                 "      - { plugin: good, directory: y, isolate: true, isolate_timeout: 10ms }\n",
        "leat.yaml:6:47: plugin \"raw\" reads the rows themselves and cannot be isolated; remove "
        "\"isolate\"\n"
        "leat.yaml:8:71: \"isolate_timeout\": \"10ms\" is too small; write at least 1s\n");
}

static void sinks_need_names_of_their_own(void **state)
{
    (void)state;
    refused(PIPELINE "      - { plugin: good, directory: y }\n"
                     "      - { plugin: good, directory: z }\n"
                     "      - { plugin: good, name: 'a b', directory: z }\n"
                     "      - { plugin: good, name: c, directory: z, on_reject: dead_letter }\n"
                     "      - { plugin: good, name: d, directory: z, dead_letter: /d }\n",
            "leat.yaml:7:9: sink name \"good\" is used twice in this pipeline; give this one "
            "another with \"name\"\n"
            "leat.yaml:8:31: sink name \"a b\": write 1 to 63 of a-z, 0-9, _ and -\n"
            "leat.yaml:9:59: \"on_reject\" is dead_letter, but no folder is named; add "
            "dead_letter: /PATH\n"
            "leat.yaml:10:61: \"dead_letter\" has no effect here; add on_reject: dead_letter, or "
            "remove it\n");
}

static void memory_must_be_enough_for_everybody(void **state)
{
    (void)state;
    refused("memory: 16MiB\n" PIPELINE "      - { plugin: good, directory: y }\n"
            "      - { plugin: good, name: b, directory: y }\n"
            "      - { plugin: good, name: c, directory: y }\n"
            "      - { plugin: good, name: d, directory: y }\n",
            "leat.yaml:4:5: memory is too small for 1 pipeline and 4 sinks here: each source and "
            "sink gets 3276KiB of it and needs 4MiB; raise memory to at least 20MiB\n");
    refused("memory: 16MiB\n" HEAD "pipelines:\n"
            "  - name: shop\n"
            "    batch: { size: 8MiB }\n"
            "    source: { plugin: source, directory: x }\n"
            "    sinks: [ { plugin: good, directory: y } ]\n",
            "leat.yaml:4:5: memory is too small for 1 pipeline and 1 sink here: each source and "
            "sink gets 8MiB of it and needs 16MiB; raise memory to at least 32MiB, or lower "
            "batch.size\n");
}

static void shapes_that_are_no_configuration(void **state)
{
    (void)state;
    refused("[]\n", "leat.yaml:1:1: the configuration is not a mapping; write lines of NAME: "
                    "VALUE\n");
    refused(HEAD,
            "leat.yaml:1:1: \"pipelines\" of the configuration is missing; add it: One source "
            "and its sinks each; a list.\n");
    refused(HEAD "pipelines: []\n",
            "leat.yaml:2:12: \"pipelines\" is not a list of 1 to 64; begin each with \"- name: "
            "NAME\"\n");
    refused("plugins: nowhere.d\n"
            "pipelines:\n"
            "  - name: shop\n"
            "    source: { plugin: source, slot: x }\n"
            "    sinks: [ { plugin: x, formt: json } ]\n",
            "leat.yaml:1:10: the folder of plugin descriptions cannot be used: $HERE/nowhere.d: No "
            "such file or directory\n");
    refused(HEAD "pipelines:\n"
                 "  - name: shop\n"
                 "    source: [ { plugin: source }, { plugin: source } ]\n"
                 "    sinks: [ 5 ]\n",
            "leat.yaml:4:13: \"source\" has 2 entries; write one, and a pipeline for each other\n"
            "leat.yaml:5:14: a sink is not a mapping; write lines of NAME: VALUE\n");
}

static void a_file_that_others_may_write_is_refused(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t size = 0;
    int code = -1;
    write_text("open.yaml", "{}\n");
    assert_int_equal(chmod("open.yaml", 0666), 0);
    FILE *file = open_memstream(&printed, &size);
    assert_null(config_load("open.yaml", file, &code));
    assert_int_equal(code, EX_NOPERM);
    assert_null(config_load("missing.yaml", file, &code));
    assert_int_equal(code, EX_CONFIG);
    assert_null(config_load(".", file, &code));
    assert_int_equal(code, EX_CONFIG);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(printed,
                        "open.yaml: mode 0666 lets everybody write it; run chmod go-w on it\n"
                        "missing.yaml: No such file or directory; name a configuration with -c\n"
                        ".: not a regular file; name one with -c\n");
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_filled_in),
        cmocka_unit_test(what_is_absent_has_the_documented_default),
        cmocka_unit_test(none_means_no_endpoint),
        cmocka_unit_test(all_errors_come_in_one_run_sorted),
        cmocka_unit_test(routes_are_checked_at_their_column),
        cmocka_unit_test(a_sink_that_reads_rows_cannot_be_isolated),
        cmocka_unit_test(sinks_need_names_of_their_own),
        cmocka_unit_test(memory_must_be_enough_for_everybody),
        cmocka_unit_test(shapes_that_are_no_configuration),
        cmocka_unit_test(a_file_that_others_may_write_is_refused),
    };
    return cmocka_run_group_tests(tests, enter, leave_folder);
}
