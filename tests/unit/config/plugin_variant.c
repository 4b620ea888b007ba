/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_variant.c -- one plugin that does nothing, compiled many times with one thing wrong.
 *
 * The variant is a -D.  Its constructor leaves a file where LEAT_TEST_RAN says: so a test can tell
 * whether any code of it has run.
 */
#include <leat/plugin.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef NAME
#define NAME "good"
#endif
#ifndef MAGIC
#define MAGIC LEAT_ABI_MAGIC
#endif
#ifndef MAJOR
#define MAJOR LEAT_ABI_MAJOR
#endif
#ifndef NEEDED
#define NEEDED 0
#endif
#ifndef SIZE
#define SIZE sizeof(leat_plugin)
#endif
#ifndef OPS_SIZE
#define OPS_SIZE sizeof(leat_sink_ops)
#endif
#ifndef STRIDE
#define STRIDE sizeof(leat_option)
#endif
#ifndef CONFIG_SIZE
#define CONFIG_SIZE sizeof(struct options)
#endif
#ifndef VERSION
#define VERSION "1.2.3"
#endif
#ifndef COUNT_NAME
#define COUNT_NAME "count"
#endif
#ifndef DEFAULT_COUNT
#define DEFAULT_COUNT "7"
#endif
#ifndef SUBMIT
#define SUBMIT submit
#endif
#ifndef CAPS
#define CAPS 0
#endif
#ifndef RULES
#define RULES &rules
#endif

#ifndef DIRECTORY_FLAGS
#define DIRECTORY_FLAGS 0
#endif
#ifndef SERVERS_FLAGS
#define SERVERS_FLAGS 0
#endif
#ifndef COUNT_FLAGS
#define COUNT_FLAGS 0
#endif

__attribute__((constructor)) static void leave_a_trace(void)
{
    const char *path = getenv("LEAT_TEST_RAN");
    int fd = path ? open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        (void)close(fd);
}

struct options {
    const char *text, *secret;
    int64_t count, delay_ms, size, choice;
    bool flag;
    leat_strings list;
    leat_pairs pairs;
};

static const char *const choices[] = {"none", "zstd", "lz4", NULL};

#define T struct options
__attribute__((unused)) static const leat_option options[] = {
    LEAT_OPTION_STRING("directory", T, text, NULL, LEAT_OPT_REQUIRED | DIRECTORY_FLAGS,
                       "Where. It has a dot."),
    LEAT_OPTION_STRING("password", T, secret, NULL, LEAT_OPT_SECRET, "Nobody may see it."),
    LEAT_OPTION_INT(COUNT_NAME, T, count, DEFAULT_COUNT, 1, 100, COUNT_FLAGS, "How many."),
    LEAT_OPTION_DURATION("roll.age", T, delay_ms, "1h", 1000, INT64_MAX, 0, "How old."),
    LEAT_OPTION_SIZE("roll.size", T, size, "64MiB", 1024, 1073741824, 0, "How large."),
    LEAT_OPTION_ENUM("compression", T, choice, "none", choices, 0, "How small."),
    LEAT_OPTION_BOOL("sync", T, flag, "true", 0, "Whether."),
    LEAT_OPTION_STRINGS("servers", T, list, "[a, b]", SERVERS_FLAGS, "Which."),
    LEAT_OPTION_PAIRS("properties", T, pairs, 0, "Others."),
};
#undef T

#ifdef SOURCE
static leat_status create(const leat_host *host, const void *config, leat_source **out,
                          leat_error *error)
{
    (void)host, (void)config, (void)error;
    *out = NULL;
    return LEAT_OK;
}
static leat_status start(leat_source *source, const leat_source_start *known, leat_error *error)
{
    (void)source, (void)known, (void)error;
    return LEAT_OK;
}
static leat_status poll_source(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    (void)source, (void)max_wait_ms, (void)error;
    return LEAT_EOF;
}
static void progress(leat_source *source, const leat_progress *progress_made)
{
    (void)source, (void)progress_made;
}
static leat_status stop(leat_source *source, uint32_t deadline_ms)
{
    (void)source, (void)deadline_ms;
    return LEAT_OK;
}
static void destroy(leat_source *source)
{
    (void)source;
}
__attribute__((unused)) static const leat_source_ops ops = {.size = sizeof ops,
                                                            .create = create,
                                                            .start = start,
                                                            .poll = poll_source,
                                                            .progress = progress,
                                                            .stop = stop,
                                                            .destroy = destroy};
#else
__attribute__((unused)) static const leat_route_rules rules = {
    .allowed = "abcdefghijklmnopqrstuvwxyz0123456789_",
    .literal = "./",
    .escape = '%',
    .max_length = 200,
#ifdef ROUTE_REQUIRED
    .required = 1,
#endif
};
static leat_status create(const leat_host *host, const void *config, leat_sink **out,
                          leat_error *error)
{
    (void)host, (void)config, (void)error;
    *out = NULL;
    return LEAT_OK;
}
static leat_status start(leat_sink *sink, leat_sink_start *known, leat_error *error)
{
    (void)sink, (void)known, (void)error;
    return LEAT_OK;
}
__attribute__((unused)) static leat_status submit(leat_sink *sink, const leat_batch *batch)
{
    (void)sink, (void)batch;
    return LEAT_AGAIN;
}
static leat_status stop(leat_sink *sink, uint32_t deadline_ms)
{
    (void)sink, (void)deadline_ms;
    return LEAT_OK;
}
static void destroy(leat_sink *sink)
{
    (void)sink;
}
__attribute__((unused)) static const leat_sink_ops ops = {.size = OPS_SIZE,
                                                          .caps = CAPS,
                                                          .route = RULES,
                                                          .create = create,
                                                          .start = start,
                                                          .submit = SUBMIT,
                                                          .stop = stop,
                                                          .destroy = destroy};
#endif

#ifndef NO_SYMBOL
LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = MAGIC,
    .abi_major = MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = SIZE,
    .abi_minor_needed = NEEDED,
#ifdef SOURCE
    .kind = LEAT_KIND_SOURCE,
#else
    .kind = LEAT_KIND_SINK,
#endif
    .name = NAME,
    .version = VERSION,
    .summary = "does nothing",
    .ops = &ops,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .option_stride = STRIDE,
    .config_size = CONFIG_SIZE,
};
#endif

#ifdef NOTE_MAJOR
__attribute__((used, section(".note.leat.abi"), aligned(4))) static const struct {
    uint32_t name_size, desc_size, type;
    char name[8];
    uint32_t major, minor, minor_needed;
} note = {5, 12, 1, "LEAT", NOTE_MAJOR, 0, NOTE_NEEDED};
#elif !defined(NO_NOTE)
LEAT_ELF_NOTE(0);
#endif
