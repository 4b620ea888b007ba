/* SPDX-License-Identifier: Apache-2.0
 *
 * usage.c -- see usage.h.
 */
#include "usage.h"

#include "suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define WORD_MAX 64

int usage_wrong(const char *usage, const char *command, const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "%sleat: %s: ", usage, command);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return EX_USAGE;
}

/* The option as it was written, without its value, which may be a secret. */
static void read_word(const char *written, char out[WORD_MAX])
{
    (void)snprintf(out, WORD_MAX, "%.*s", (int)strcspn(written, "="), written);
}

int usage_option(const char *usage, char *const *argv, const struct option *options, int found)
{
    const char *written = optind > 0 ? argv[optind - 1] : "";
    struct suggestion best = {0};
    char word[WORD_MAX];

    /* getopt names a short option only, which may stand among others: -xc. */
    if (strncmp(written, "--", 2) == 0)
        read_word(written, word);
    else
        (void)snprintf(word, sizeof word, "-%c", optopt);
    if (found == ':')
        return usage_wrong(usage, argv[0], "%s needs a value", word);
    if (strchr(written, '=') && optopt != 0 && strncmp(written, "--", 2) == 0)
        return usage_wrong(usage, argv[0], "%s takes no value", word);
    for (const struct option *option = options; option->name && strlen(word) > 2; option++)
        suggest_offer(&best, word + 2, option->name);
    return usage_wrong(usage, argv[0], "unrecognized option \"%s\"%s%s%s", word,
                       best.word ? "; did you mean --" : "", best.word ? best.word : "",
                       best.word ? "?" : "");
}
