/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_drive.c -- drives an isolated sink's plugin, in the helper process, as a worker does: see
 * worker.c for why each step is as it is.  The helper's main thread.  Waits only in the plugin's
 * poll, and for messages of the daemon where there is nothing to drive any more.
 */
#include "isolate.h"

#include "isolate_helper.h"

#include <poll.h>
#include <stdio.h>
#include <sysexits.h>

#define START_AGAIN_MS 50

/* ---- batches -------------------------------------------------------------------------------- */

/* Everything stays where it is: the pool lies at the same address here and there. */
static const leat_batch *take_over(struct helper *helper, const struct isolate_offer *offer)
{
    leat_batch *batch = &helper->batches[offer->token & (ISOLATE_RING - 1)];

    *batch = (leat_batch){.size = sizeof *batch,
                          .record_count = offer->count,
                          .record_stride = sizeof(leat_record),
                          .attempt = offer->attempt,
                          .token = offer->token,
                          .records = helper->pool + offer->offset};
    return batch;
}

static bool has_offers(const struct helper *helper)
{
    return atomic_load_explicit(&helper->shared->offered, memory_order_acquire) != helper->taken;
}

/* It stands behind one that failed, and was on its way when that did. */
static bool is_behind_failure(struct helper *helper, const struct isolate_offer *offer)
{
    return atomic_load_explicit(&helper->failed, memory_order_acquire) == offer->epoch + 1;
}

static void give_back(struct helper *helper, const struct isolate_offer *offer)
{
    static const char text[] = "a batch before it failed";
    leat_result result = {
        .size = sizeof result, .status = LEAT_ERETRY, .text = {text, sizeof text - 1}};

    helper->host.batch_done(&helper->host, offer->token, &result);
}

/* True when something was taken. */
static bool submit_offers(struct helper *helper, leat_status *wrong)
{
    bool any = false;

    while (has_offers(helper)) {
        struct isolate_offer offer = helper->shared->offers[helper->taken & (ISOLATE_RING - 1)];
        leat_status status = LEAT_OK;
        atomic_store_explicit(&helper->epochs[offer.token & (ISOLATE_RING - 1)], offer.epoch,
                              memory_order_relaxed);
        if (is_behind_failure(helper, &offer))
            give_back(helper, &offer);
        else
            status = helper->ops->submit(helper->sink, take_over(helper, &offer));
        if (status == LEAT_AGAIN)
            break;
        if (status != LEAT_OK) {
            *wrong = status;
            break;
        }
        helper->taken++;
        any = true;
    }
    return any;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static leat_status poll_plugin(struct helper *helper, int32_t wait_ms, leat_error *error)
{
    struct pollfd fd = {.fd = helper->bell, .events = POLLIN};

    if (helper->ops->poll)
        return helper->ops->poll(helper->sink, wait_ms, error);
    if (wait_ms != 0)
        (void)poll(&fd, 1, wait_ms);
    return LEAT_OK;
}

/* Says that this thread still turns. */
static void turn(struct helper *helper)
{
    atomic_store_explicit(&helper->shared->answered,
                          atomic_load_explicit(&helper->shared->asked, memory_order_acquire),
                          memory_order_relaxed);
}

/* Sleeps in the plugin's poll, unless there is something that came since `events`; again: what is
 * offered was refused, and is no reason to stay awake. */
static leat_status sleep_in_plugin(struct helper *helper, uint32_t events, bool again,
                                   int32_t wait_ms, leat_error *error)
{
    leat_status status = LEAT_OK;

    (void)atomic_exchange_explicit(&helper->shared->helper_asleep, 1, memory_order_acq_rel);
    turn(helper);
    helper_listen(helper, false);
    if (!helper->stop_asked && !helper->orphan && (again || !has_offers(helper)) &&
        atomic_load_explicit(&helper->events, memory_order_acquire) == events)
        status = poll_plugin(helper, wait_ms, error);
    atomic_store_explicit(&helper->shared->helper_asleep, 0, memory_order_relaxed);
    (void)isolate_hear(helper->bell);
    return status;
}

static bool goes_on(struct helper *helper)
{
    turn(helper);
    helper_listen(helper, false);
    return !helper->stop_asked && !helper->orphan;
}

/* AGAIN is for start to be called once more. */
static leat_status start_plugin(struct helper *helper, leat_sink_start *start, leat_error *error)
{
    leat_status status = helper->ops->start(helper->sink, start, error);

    while (status == LEAT_AGAIN && goes_on(helper)) {
        leat_status polled =
            sleep_in_plugin(helper, atomic_load(&helper->events), true, START_AGAIN_MS, error);
        if (polled != LEAT_OK && polled != LEAT_AGAIN)
            return polled;
        status = helper->ops->start(helper->sink, start, error);
    }
    return status == LEAT_AGAIN ? LEAT_ERETRY : status;
}

/* Until it is told to stop, or the plugin is down; the latter is said. */
static void run_plugin(struct helper *helper)
{
    leat_error error = {.size = sizeof error};
    leat_status status = LEAT_OK, wrong = LEAT_OK;

    while (goes_on(helper) && wrong == LEAT_OK && (status == LEAT_OK || status == LEAT_AGAIN)) {
        uint32_t events = atomic_load_explicit(&helper->events, memory_order_acquire);
        bool any = submit_offers(helper, &wrong);
        bool again = has_offers(helper);
        if (wrong != LEAT_OK)
            break;
        status = poll_plugin(helper, 0, &error);
        if (!any && (status == LEAT_OK || status == LEAT_AGAIN))
            status = sleep_in_plugin(helper, events, again, -1, &error);
    }
    if (wrong != LEAT_OK) {
        error.exit_code = EX_SOFTWARE;
        (void)snprintf(error.text, sizeof error.text,
                       "submit returned %d, which is neither OK nor AGAIN: a bug of the plugin",
                       (int)wrong);
        helper_say_state(helper, ISOLATE_DOWN, LEAT_EFATAL, NULL, &error);
    } else if (status != LEAT_OK && status != LEAT_AGAIN) {
        helper_say_state(helper, ISOLATE_DOWN, status, NULL, &error);
    }
}

void helper_wait_for_stop(struct helper *helper)
{
    while (!helper->stop_asked && !helper->orphan)
        helper_listen(helper, true);
}

void helper_drive(struct helper *helper, const void *options)
{
    leat_error error = {.size = sizeof error};
    leat_sink_start start = {.size = sizeof start,
                             .name_space = helper->hello.name_space,
                             .known = helper->hello.known,
                             .durable = helper->hello.durable,
                             .format = helper->hello.format};
    bool is_trial = helper->hello.is_trial;
    leat_status status = helper->ops->create(&helper->host, options, &helper->sink, &error);

    if (status != LEAT_OK && !error.text[0])
        (void)snprintf(error.text, sizeof error.text,
                       "the plugin's create failed with %d and no reason", (int)status);
    if (status == LEAT_OK && !is_trial)
        status = start_plugin(helper, &start, &error);
    helper_say_state(helper, ISOLATE_STARTED, status, &start, &error);
    if (status == LEAT_OK && !is_trial)
        run_plugin(helper);
    helper_wait_for_stop(helper);
    if (helper->sink && !helper->orphan && !is_trial)
        (void)helper->ops->stop(helper->sink, helper->deadline_ms);
    helper->ops->destroy(helper->sink);
    helper_say_state(helper, ISOLATE_STOPPED, LEAT_OK, NULL, NULL);
}
