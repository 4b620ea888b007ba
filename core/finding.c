/* SPDX-License-Identifier: Apache-2.0
 *
 * finding.c -- see finding.h.
 */
#include "finding.h"

#include "failure.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

const char *finding_severity(const struct finding *finding)
{
    static const char *const names[] = {"ok", "note", "warning", "error"};

    return names[finding->severity < 0 || finding->severity > LEAT_FINDING_ERROR
                     ? LEAT_FINDING_ERROR
                     : finding->severity];
}

/* ---- showing -------------------------------------------------------------------------------- */

static void put_json(const char *text)
{
    (void)putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            (void)printf("\\%c", *c);
        else if (*c < 0x20)
            (void)printf("\\u%04x", *c);
        else
            (void)putchar(*c);
    }
    (void)putchar('"');
}

static void put_plain(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        (void)fputc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i], out);
}

void finding_print(const struct finding *finding)
{
    char place[PLACE_MAX];

    (void)printf("%-8s%s: ", finding_severity(finding),
                 place_print(place, finding->pipeline, finding->instance));
    put_plain(stdout, finding->text, strlen(finding->text));
    (void)printf("\n");
    for (const char *line = finding->fix; line && *line;) {
        size_t length = strcspn(line, "\n");
        (void)printf("          %s ", line == finding->fix ? "fix:" : "    ");
        put_plain(stdout, line, length);
        (void)printf("\n");
        line += length + (line[length] == '\n');
    }
}

void finding_print_json(const struct finding *finding)
{
    (void)printf("{\"severity\":\"%s\",\"pipeline\":", finding_severity(finding));
    put_json(finding->pipeline);
    (void)printf(",\"instance\":");
    put_json(finding->instance);
    (void)printf(",\"text\":");
    put_json(finding->text);
    if (finding->fix) {
        (void)printf(",\"fix\":");
        put_json(finding->fix);
    }
    (void)printf("}");
}

void finding_print_why(const char *command, size_t errors, const struct finding *finding)
{
    char place[PLACE_MAX];

    (void)fflush(stdout);
    (void)fprintf(stderr, "leat: %s found %zu error%s", command, errors, errors == 1 ? "" : "s");
    if (finding) {
        (void)fprintf(stderr, "%s: %s: ", errors == 1 ? "" : "; it ends for",
                      place_print(place, finding->pipeline, finding->instance));
        put_plain(stderr, finding->text, strlen(finding->text));
    }
    (void)fputc('\n', stderr);
}

/* ---- keeping -------------------------------------------------------------------------------- */

void findings_init(struct findings *findings)
{
    memset(findings, 0, sizeof *findings);
    findings->end = &findings->first;
}

void findings_fini(struct findings *findings)
{
    region_fini(&findings->region);
}

static const char *keep(struct region *region, const char *text)
{
    return text ? region_text(region, text, strlen(text)) : NULL;
}

void findings_add(struct findings *findings, const struct finding *finding)
{
    struct finding_node *node = region_take(&findings->region, sizeof *node);
    struct finding *copy = &node->finding;

    *copy = *finding;
    copy->text = keep(&findings->region, finding->text);
    copy->fix = keep(&findings->region, finding->fix);
    copy->pipeline = keep(&findings->region, finding->pipeline);
    copy->instance = keep(&findings->region, finding->instance);
    if (copy->severity < LEAT_FINDING_OK || copy->severity > LEAT_FINDING_ERROR)
        copy->severity = LEAT_FINDING_ERROR;
    if (copy->severity == LEAT_FINDING_ERROR && copy->exit_code == 0)
        copy->exit_code = EX_CONFIG;
    findings->counts[copy->severity]++;
    *findings->end = node;
    findings->end = &node->next;
}

const struct finding *findings_worst(const struct findings *findings, int32_t severity,
                                     const struct finding_node **at)
{
    const struct finding_node *node = *at ? (*at)->next : findings->first;

    while (node && node->finding.severity != severity)
        node = node->next;
    *at = node;
    return node ? &node->finding : NULL;
}
