/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_question.c -- what GET gives: the picture in its forms, alive, ready, the page.  [the
 * endpoint's thread]
 *
 * Nothing here changes anything, so anybody who reaches the endpoint may ask.
 */
#include "admin_internal.h"

#include "page.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void with_status(struct admin *admin, struct admin_answer *answer,
                        void (*form)(const struct status *, struct text_buffer *))
{
    struct status *status = status_take(admin->registry);

    answer->code = 200;
    if (status)
        form(status, &answer->text);
    else
        answer->text.failed = true;
    free(status);
}

static void get_status(struct admin *admin, struct admin_answer *answer)
{
    answer->type = ADMIN_JSON;
    with_status(admin, answer, status_json);
}

static void get_table(struct admin *admin, struct admin_answer *answer)
{
    with_status(admin, answer, status_table);
}

static void get_metrics(struct admin *admin, struct admin_answer *answer)
{
    answer->type = ADMIN_METRICS;
    with_status(admin, answer, status_metrics);
}

static void get_ready(struct admin *admin, struct admin_answer *answer)
{
    struct status *status = status_take(admin->registry);

    if (status)
        answer->code = status_ready(status, &answer->text) ? 200 : 503;
    else
        answer->text.failed = true;
    free(status);
}

/* Alive: the control thread goes round. */
static void get_live(struct admin *admin, struct admin_answer *answer)
{
    int64_t age_ns = clock_now_ns(admin->registry->clock) -
                     atomic_load_explicit(&admin->registry->alive_ns, memory_order_relaxed);

    answer->code = age_ns < INT64_C(30000000000) ? 200 : 503;
    text_put_string(&answer->text,
                    answer->code == 200 ? "ok\n" : "the control thread has not moved for 30 s\n");
}

/* The page's own style and script are known by a number that is new each time; nothing else runs.
 */
static void get_page(struct admin *admin, struct admin_answer *answer)
{
    static const char mark[] = "NONCE";
    unsigned char random[16] = {0};
    char nonce[33];
    const char *rest = page_html, *at;

    (void)admin;
    (void)!getrandom(random, sizeof random, 0);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(nonce + 2 * i, 3, "%02x", random[i]);
    while ((at = strstr(rest, mark)) != NULL) {
        text_put(&answer->text, rest, (size_t)(at - rest));
        text_put_string(&answer->text, nonce);
        rest = at + sizeof mark - 1;
    }
    text_put_string(&answer->text, rest);
    answer->code = 200;
    answer->type = ADMIN_HTML;
    (void)snprintf(answer->policy, sizeof answer->policy,
                   "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
                   "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                   "frame-ancestors 'none'",
                   nonce, nonce);
}

struct question {
    const char *url;
    void (*get)(struct admin *admin, struct admin_answer *answer);
};

static const struct question questions[] = {
    {"/", get_page},         {"/livez", get_live},       {"/readyz", get_ready},
    {"/status", get_status}, {"/status.txt", get_table}, {"/metrics", get_metrics},
};

void admin__question(struct admin_endpoint *endpoint, const char *url, struct admin_answer *answer)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (strcmp(url, questions[i].url) == 0) {
            questions[i].get(endpoint->admin, answer);
            return;
        }
    }
    admin__refuse(answer, 404, "try /, /livez, /readyz, /status, /status.txt or /metrics");
}
