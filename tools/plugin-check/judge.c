/* SPDX-License-Identifier: Apache-2.0
 *
 * judge.c -- see judge.h.
 */
#include "judge.h"

#include "stream.h"

#include <stdio.h>
#include <string.h>

int64_t judge_slack_ms(void)
{
    return settings.timeout_ms / 5;
}

void judge_text(const char *where, const char *text)
{
    if (strstr(text, STREAM_MARK))
        finding(C_SECRETS, "%s has row data in it", where);
    if (strchr(text, '\n'))
        finding(C_TEXT, "%s has a line break in it", where);
}

void judge_error(const char *call, leat_status status, const leat_error *error)
{
    judge_text(call, error->text);
    if (status < 0 && !error->text[0])
        finding(C_TEXT, "%s returned %d without a text: nobody learns why", call, (int)status);
    if (status < 0 && error->status != LEAT_OK && error->status != status)
        finding(C_STATUS, "%s returned %d, and %d in error->status", call, (int)status,
                (int)error->status);
}

void judge_create(leat_status status, const void *instance, const leat_error *error,
                  int64_t took_ms)
{
    if (took_ms > judge_slack_ms())
        finding(C_WAITING, "create took %lld ms: connecting belongs into start",
                (long long)took_ms);
    judge_error("create", status, error);
    if (status > LEAT_OK)
        finding(C_STATUS, "create returned %d", (int)status);
    if (status == LEAT_OK && !instance)
        finding(C_CREATE, "create returned OK and no instance");
    if (status == LEAT_OK && instance)
        return;
    if (!found_any())
        (void)snprintf(page->skipped, sizeof page->skipped,
                       "create refuses the configuration: %.200s", error->text);
    give_up();
}
