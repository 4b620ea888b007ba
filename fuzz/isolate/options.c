/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c -- fuzzes the options that a helper process unpacks.  What it accepts it must pack to
 * the same bytes.
 */
#include "isolate_options.h"
#include "plugin_load.h"
#include "region.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *text;
    int64_t number;
    bool flag;
    leat_strings list;
    leat_pairs pairs;
};

#define T struct options
static leat_option rows[] = {
    LEAT_OPTION_STRING("text", T, text, NULL, 0, "A text."),
    LEAT_OPTION_INT("number", T, number, "7", 0, 100, 0, "A number."),
    LEAT_OPTION_BOOL("flag", T, flag, "false", 0, "A flag."),
    LEAT_OPTION_STRINGS("list", T, list, NULL, 0, "A list."),
    LEAT_OPTION_PAIRS("pairs", T, pairs, 0, "A mapping."),
};
#undef T

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plugin plugin = {.descriptor = {.config_size = sizeof(struct options),
                                                        .option_count = sizeof rows / sizeof *rows},
                                         .options = rows};
    struct region region = {0};
    const struct options *options =
        isolate_options_unpack(&plugin, (const char *)data, size, &region);

    if (options) {
        size_t length = 0;
        char *bytes = isolate_options_pack(&plugin, options, &length);
        assert(bytes && length == size && memcmp(bytes, data, size) == 0);
        free(bytes);
    }
    region_fini(&region);
    return 0;
}
