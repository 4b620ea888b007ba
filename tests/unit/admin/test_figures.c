/* SPDX-License-Identifier: Apache-2.0
 *
 * test_figures.c -- what is counted, and how it is shown: tables, plugins' figures, levels of the
 * log, the cost of a scrape.
 */
#include "config_log.h"
#include "log.h"
#include "log_level.h"
#include "log_line.h"
#include "plugin_load.h"
#include "plugin_metrics.h"
#include "status.h"
#include "tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static leat_relation relation(uint64_t id, const char *schema, const char *table)
{
    return (leat_relation){.size = sizeof(leat_relation),
                           .id = id,
                           .schema = {schema, strlen(schema)},
                           .table = {table, strlen(table)}};
}

static void chain(leat_change *changes, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        changes[i].next = &changes[i + 1];
}

static const struct tally_copy *find(const struct tally_copy *tables, uint32_t count,
                                     const char *schema, const char *table)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(tables[i].schema, schema) == 0 && strcmp(tables[i].table, table) == 0)
            return &tables[i];
    return NULL;
}

static void every_change_is_counted_once_at_its_table(void **state)
{
    leat_relation a = relation(1, "public", "a"), b = relation(2, "public", "b"),
                  again = relation(3, "public", "a");
    leat_change changes[] = {
        {.relation = &a, .op = LEAT_INSERT, .bytes = 10},
        {.relation = &a, .op = LEAT_UPDATE, .bytes = 20},
        {.relation = &b, .op = LEAT_DELETE, .bytes = 5},
        {.relation = &again, .op = LEAT_INSERT, .bytes = 1},
        {.relation = NULL, .op = LEAT_MESSAGE, .bytes = 7},
    };
    struct tally tally;
    struct tally_copy out[11];
    uint32_t count;

    (void)state;
    chain(changes, 5);
    assert_true(tally_init(&tally, 10));
    assert_int_equal(tally_read(&tally, out, 10), 0);
    tally_add(&tally, changes);
    tally_add(&tally, NULL);
    count = tally_read(&tally, out, 10);
    assert_int_equal(count, 3); /* two versions of one table are one table */
    assert_int_equal(find(out, count, "public", "a")->changes, 3);
    assert_int_equal(find(out, count, "public", "a")->bytes, 31);
    assert_int_equal(find(out, count, "public", "b")->changes, 1);
    assert_int_equal(find(out, count, "", "other")->bytes, 7);
    assert_int_equal(tally.operations[LEAT_INSERT], 2);
    assert_int_equal(tally.operations[LEAT_UPDATE], 1);
    assert_int_equal(tally.operations[LEAT_MESSAGE], 1);
    tally_fini(&tally);
}

/* More tables than places, and more versions than are remembered: the sum stays right. */
static void tables_are_bounded_and_the_rest_is_other(void **state)
{
    enum { TABLES = 3000, PLACES = 7 };
    struct tally tally;
    struct tally_copy out[PLACES + 1];
    uint64_t sum = 0;

    (void)state;
    assert_true(tally_init(&tally, PLACES));
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < TABLES; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "t%d", (int)i);
            leat_relation table = relation(i + 1, "s", name);
            leat_change change = {.relation = &table, .op = LEAT_INSERT, .bytes = 3};
            tally_add(&tally, &change);
        }
    }
    assert_int_equal(tally_read(&tally, out, PLACES), PLACES + 1);
    for (int i = 0; i <= PLACES; i++)
        sum += out[i].changes;
    assert_int_equal(sum, 2 * TABLES);
    assert_int_equal(out[0].changes, 2);
    assert_string_equal(out[PLACES].table, "other");
    assert_int_equal(out[PLACES].changes, 2 * (TABLES - PLACES));
    tally_fini(&tally);
    assert_true(tally_init(&tally, 0));
    leat_change message = {.op = LEAT_INSERT};
    tally_add(&tally, &message);
    assert_int_equal(tally_read(&tally, out, 0), 1);
    tally_fini(&tally);
}

/* A name from a database is text of a stranger. */
static void hostile_names_become_one_valid_label(void **state)
{
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    leat_relation tables[] = {relation(1, "a\n\"\\", "b\xff\x01{}"), relation(2, "\xc2\x9b", ""),
                              relation(3, "s", longest)};
    struct tally tally;
    struct status *status = calloc(1, sizeof *status + sizeof(struct status_pipeline));
    struct tally_copy out[6];
    struct text_buffer text = {0};

    (void)state;
    assert_non_null(status);
    assert_true(tally_init(&tally, 5));
    for (int i = 0; i < 3; i++) {
        leat_change change = {.relation = &tables[i], .op = LEAT_INSERT, .bytes = 1};
        tally_add(&tally, &change);
    }
    status->pipeline_count = 1;
    (void)strcpy(status->pipelines[0].name, "p");
    status->pipelines[0].tables = out;
    status->pipelines[0].table_count = tally_read(&tally, out, 5);
    assert_int_equal(status->pipelines[0].table_count, 3);
    status_metrics(status, &text);
    assert_non_null(strstr(text.text,
                           "leat_table_changes_total{pipeline=\"p\",schema=\"a?\\\"\\\\\","
                           "table=\"b??{}\"} 1\n"));
    assert_non_null(strstr(text.text, "{pipeline=\"p\",schema=\"?\",table=\"\"} 1\n"));
    assert_null(strchr(text.text, '\x01'));
    assert_int_equal(strlen(out[2].table), TALLY_NAME - 1);
    tally_fini(&tally);
    free(text.text);
    free(status);
}

static void wrong_metrics_of_a_plugin_are_refused(void **state)
{
    struct plugin_metrics *metrics = calloc(1, sizeof *metrics);
    struct plugin_metric_copy out[PLUGIN_METRICS_MAX];
    int32_t gauge, counter;
    static char names[PLUGIN_METRICS_MAX + 1][16];

    (void)state;
    assert_non_null(metrics);
    gauge = plugin_metrics_declare(metrics, LEAT_METRIC_GAUGE, "depth", "queue", "in", "Depth.");
    assert_int_equal(gauge, 0);
    assert_int_equal(
        plugin_metrics_declare(metrics, LEAT_METRIC_GAUGE, "depth", "queue", "in", "Depth."), 0);
    assert_int_equal(
        plugin_metrics_declare(metrics, LEAT_METRIC_GAUGE, "depth", "queue", "out", "Depth."), 1);
    counter = plugin_metrics_declare(metrics, LEAT_METRIC_COUNTER, "x_total", NULL, NULL, "X.");
    assert_int_equal(counter, 2);
    static const struct {
        uint32_t kind;
        const char *name, *label, *value, *help;
    } wrong[] = {{LEAT_METRIC_COUNTER, "x", NULL, NULL, "X."},
                 {LEAT_METRIC_GAUGE, "x_total2\n", NULL, NULL, "X."},
                 {LEAT_METRIC_GAUGE, "y_total", NULL, NULL, "X."},
                 {LEAT_METRIC_GAUGE, "Y", NULL, NULL, "X."},
                 {LEAT_METRIC_GAUGE, "", NULL, NULL, "X."},
                 {LEAT_METRIC_GAUGE, NULL, NULL, NULL, "X."},
                 {LEAT_METRIC_GAUGE, "y", NULL, NULL, "X\nY 1"},
                 {LEAT_METRIC_GAUGE, "y", "l", "a\"b", "X."},
                 {LEAT_METRIC_GAUGE, "y", "l", NULL, "X."},
                 {7, "y", NULL, NULL, "X."}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(plugin_metrics_declare(metrics, wrong[i].kind, wrong[i].name,
                                                wrong[i].label, wrong[i].value, wrong[i].help),
                         -1);
    assert_int_equal(plugin_metrics_read(metrics, out), 0); /* nothing was set */
    plugin_metrics_set(metrics, gauge, 2.5);
    plugin_metrics_set(metrics, -1, 1);
    plugin_metrics_set(metrics, 1000, 1);
    assert_int_equal(plugin_metrics_read(metrics, out), 1);
    assert_true(out[0].value > 2.4 && out[0].value < 2.6);
    for (uint32_t i = 0; i < PLUGIN_METRICS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "m%u", i);
        assert_int_equal(
            plugin_metrics_declare(metrics, LEAT_METRIC_GAUGE, names[i], NULL, NULL, "M."),
            i < PLUGIN_METRICS_MAX - 3 ? (int32_t)i + 3 : -1);
    }
    free(metrics);
}

static void a_component_may_have_a_level_of_its_own(void **state)
{
    struct config_sink sinks[] = {{.name = "bus"}, {.name = "archive"}};
    struct config_pipeline pipeline = {.name = "shop", .sinks = sinks, .sink_count = 2};
    leat_pair pairs[] = {{"source", "debug"}, {"shop/bus", "error"}};
    struct config config = {.pipelines = &pipeline,
                            .pipeline_count = 1,
                            .log_level = LEAT_LOG_INFO,
                            .log_levels = {pairs, 2}};
    struct log_component out[LOG_COMPONENTS];

    (void)state;
    static const char *const good[] = {"core", "source", "bus", "shop/source", "shop/archive"};
    static const char *const bad[] = {"", "shop", "shop/", "shop/x", "x/bus", "/bus", "cores"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(config_log_is_component(&config, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(config_log_is_component(&config, bad[i]));
    log_configure(&config);
    assert_true(log__is_wanted("shop", "source", LEAT_LOG_DEBUG));
    assert_false(log__is_wanted("shop", "bus", LEAT_LOG_WARN));
    assert_true(log__is_wanted("other", "bus", LEAT_LOG_WARN));
    assert_false(log__is_wanted("shop", "archive", LEAT_LOG_DEBUG));
    assert_false(log__is_wanted(NULL, NULL, LEAT_LOG_DEBUG));
    assert_true(log_set_component("core", LEAT_LOG_DEBUG));
    assert_true(log__is_wanted(NULL, NULL, LEAT_LOG_DEBUG));
    assert_int_equal(log_components(out), 3);
    assert_true(log_set_component("core", -1));
    assert_true(log_set_component("core", -1));
    assert_false(log__is_wanted(NULL, NULL, LEAT_LOG_DEBUG));
    for (int i = 0; i < LOG_COMPONENTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(log_set_component(name, LEAT_LOG_WARN), i < LOG_COMPONENTS - 2);
    }
    log_set_level(LEAT_LOG_DEBUG);
    assert_int_equal(log_level(), LEAT_LOG_DEBUG);
    log_configure(&config); /* a reload forgets what commands set */
    assert_int_equal(log_components(out), 2);
    assert_int_equal(log_level(), LEAT_LOG_INFO);
}

/* Strings are closed, the object too, no control character and no half of a UTF-8 character is in
 * it. */
static void assert_whole(const struct log_line *line)
{
    bool inside = false;
    size_t wanted = 0;

    assert_in_range(line->length, 2, sizeof line->text);
    assert_int_equal(line->text[line->length - 1], '\n');
    for (size_t i = 0; i + 1 < line->length; i++) {
        unsigned char c = (unsigned char)line->text[i];
        assert_true(c >= 0x20);
        if (c < 0x80 || c >= 0xc0)
            assert_int_equal(wanted, 0);
        else
            wanted--;
        if (c >= 0xc0)
            wanted = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c == '\\')
            i++;
        else if (c == '"')
            inside = !inside;
    }
    assert_int_equal(wanted, 0);
    assert_false(inside);
    assert_true(!line->json || line->text[line->length - 2] == '}');
}

static void fill(struct log_line *line, const char *text)
{
    const leat_field string = LEAT_F_STR("field", text), number = LEAT_F_UINT("number", UINT64_MAX);

    log_line_begin(line, LEAT_LOG_WARN, line->json ? text : "message");
    for (int i = 0; i < 5; i++) {
        log_line_field(line, &string);
        log_line_field(line, &number);
    }
    log_line_end(line);
}

static void a_log_line_is_whole_whatever_is_put_into_it(void **state)
{
    static const char *const pieces[] = {"x",  "\001", "\"", "\\", "\xc3\xa4", "\xf0\x9f\x98\x80",
                                         "a b"};
    char text[1600];

    (void)state;
    for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++) {
        size_t one = strlen(pieces[piece]), length = 0;
        for (; length + one < sizeof text; length += one) {
            struct log_line plain = {.json = false}, object = {.json = true};
            memcpy(text + length, pieces[piece], one + 1);
            fill(&plain, text);
            assert_whole(&plain);
            fill(&object, text);
            assert_whole(&object);
        }
    }
}

#ifdef __SANITIZE_ADDRESS__
#define PLAIN 0
#elif defined(__SANITIZE_THREAD__)
#define PLAIN 0
#else
#define PLAIN 1
#endif

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

/* What this thread used: another process's turn is not ours. */
static int64_t cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Two sinks and 100 tables: the picture and its text in less than a millisecond. */
static void a_scrape_takes_less_than_a_millisecond(void **state)
{
    enum { SINKS = 2, TABLES = 100, TIMES = 51 };
    static const struct plugin plugin = {.descriptor = {.name = "x"}};
    struct config_sink sinks[SINKS] = {{.name = "bus", .plugin = &plugin},
                                       {.name = "archive", .plugin = &plugin}};
    struct config_pipeline pipeline_config = {
        .name = "shop", .source = &plugin, .sinks = sinks, .sink_count = SINKS};
    struct config config = {
        .pipelines = &pipeline_config, .pipeline_count = 1, .metrics_tables = TABLES};
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    struct doorbell bell = {.fd = -1, .ring_fd = -1};
    struct registry registry;
    int64_t took_ns[TIMES];

    (void)state;
    assert_non_null(pipeline);
    pipeline->config = &pipeline_config;
    pipeline->sink_count = SINKS;
    note_init(&pipeline->source_note);
    note_init(&pipeline->record_note);
    note_init(&pipeline->source.state_detail);
    for (int i = 0; i < SINKS; i++) {
        note_init(&pipeline->sink_notes[i]);
        pipeline->workers[i] = calloc(1, sizeof *pipeline->workers[i]);
        assert_non_null(pipeline->workers[i]);
        pipeline->workers[i]->config = &pipeline_config.sinks[i];
        assert_true(ring_init(&pipeline->channels[i].forward, 4));
    }
    assert_true(tally_init(&pipeline->source.tally, TABLES));
    for (uint64_t i = 0; i < TABLES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "table_%d", (int)i);
        leat_relation table = relation(i + 1, "public", name);
        leat_change change = {.relation = &table, .op = LEAT_INSERT, .bytes = 100};
        tally_add(&pipeline->source.tally, &change);
    }
    assert_true(registry_init(&registry, &config, &clock_real, &bell));
    registry_set(&registry, 0, pipeline);
    for (int i = 0; i < TIMES; i++) {
        struct text_buffer text = {0};
        int64_t began_ns = cpu_ns();
        struct status *status = status_take(&registry);
        assert_non_null(status);
        status_metrics(status, &text);
        took_ns[i] = cpu_ns() - began_ns;
        assert_false(text.failed);
        assert_true(text.length > 30000);
        free(text.text);
        free(status);
    }
    qsort(took_ns, TIMES, sizeof *took_ns, by_value);
    print_message("a scrape takes %lld us (median of %d)\n", (long long)took_ns[TIMES / 2] / 1000,
                  TIMES);
    if (PLAIN)
        assert_true(took_ns[TIMES / 2] < 1000000);
    registry_fini(&registry);
    for (int i = 0; i < SINKS; i++) {
        ring_fini(&pipeline->channels[i].forward);
        free(pipeline->workers[i]);
    }
    tally_fini(&pipeline->source.tally);
    free(pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_is_counted_once_at_its_table),
        cmocka_unit_test(tables_are_bounded_and_the_rest_is_other),
        cmocka_unit_test(hostile_names_become_one_valid_label),
        cmocka_unit_test(wrong_metrics_of_a_plugin_are_refused),
        cmocka_unit_test(a_component_may_have_a_level_of_its_own),
        cmocka_unit_test(a_log_line_is_whole_whatever_is_put_into_it),
        cmocka_unit_test(a_scrape_takes_less_than_a_millisecond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
