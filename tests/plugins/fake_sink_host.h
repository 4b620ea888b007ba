/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_sink_host.h -- the host's side of a sink, for tests: no daemon, no worker thread.
 *
 * The test is the worker: it makes batches out of strings with identities, calls the plugin's
 * operations, and asks what the sink gave back, when, with what result and what it logged.
 * batch_done, log, wake and now_ns may be called from any thread, as the ABI says; everything else
 * here belongs to the test's own thread.  A breach of the ABI by the sink (a token given back twice
 * or never lent, an impossible durable_count) is kept as text: end a test with
 * assert_int_equal(fake_host_breaches(fake), 0).
 *
 *     struct fake_host *fake = fake_host_create();
 *     ops->create(fake_host_of(fake), &config, &sink, &error);
 *     struct fake_batch *batch = fake_batch_create(fake);
 *     fake_batch_add(batch, (leat_identity){ 0x15d5c98, 0 }, "{\"op\":\"insert\"}");
 *     ops->submit(sink, fake_batch_lend(batch));
 *     ops->poll(sink, 0, &error);
 *     assert_true(fake_batch_durable(batch));
 */
#ifndef FAKE_SINK_HOST_H
#define FAKE_SINK_HOST_H

#include <leat/plugin.h>

struct fake_host;
struct fake_batch;

struct fake_done {  /* what came back for one batch */
    uint32_t calls; /* of batch_done with its token: 1, when all is well */
    leat_status status;
    uint32_t durable_count, retry_after_ms;
    char text[LEAT_ERROR_TEXT];
};

struct fake_log {
    int32_t level;
    char message[128];
    char fields[512]; /* "key=value key=value" */
};

/* Owned by the test.  Aborts when memory is short, as everything here. */
struct fake_host *fake_host_create(void);
void fake_host_destroy(struct fake_host *fake); /* frees its batches too; NULL is allowed */
const leat_host *fake_host_of(const struct fake_host *fake);

/* The clock: real until it is set for the first time; then it stands still until set again. */
void fake_host_set_clock(struct fake_host *fake, int64_t now_ns);
void fake_host_advance(struct fake_host *fake, int64_t ns);

/* Answers leat_host.extension(id) with `table`.  Borrowed until destroy.  Up to 8. */
void fake_host_offer_extension(struct fake_host *fake, const char *id, const void *table);

/* What was logged: how many lines with exactly this message (NULL: all), and the latest of them
 * (NULL: none; valid until destroy). */
size_t fake_host_logged(struct fake_host *fake, const char *message);
const struct fake_log *fake_host_log(struct fake_host *fake, const char *message);
void fake_host_print_logs(struct fake_host *fake); /* on standard error, for a person */

/* Breaches of the ABI so far; the text of the latest. */
size_t fake_host_breaches(struct fake_host *fake);
const char *fake_host_breach(struct fake_host *fake);

/* Makes wake_fd readable, as the core does when it wants its thread back; and resets it. */
void fake_host_want_thread(struct fake_host *fake);
void fake_host_reset_wake_fd(struct fake_host *fake);
/* How often the sink called wake(). */
size_t fake_host_wakes(struct fake_host *fake);

/* A batch with a new token, empty.  Its host owns it. */
struct fake_batch *fake_batch_create(struct fake_host *fake);
/* Appends a record; everything is copied.  NULL stands for empty.  Not after fake_batch_lend.
 * The value is followed by '\n' in memory and, when nothing stands between them, by the next value:
 * as with LEAT_SINK_LINES. */
void fake_batch_add(struct fake_batch *batch, leat_identity identity, const char *value);
void fake_batch_add_routed(struct fake_batch *batch, leat_identity identity, const char *route,
                           const char *value);
struct fake_record { /* for everything else; zero what you do not need */
    leat_identity identity;
    uint16_t op, flags;
    leat_bytes route, value, key, id, after_key;
    int apart; /* 1: the value does not follow the one before at once */
};
void fake_batch_add_record(struct fake_batch *batch, const struct fake_record *record);

/* What to give to submit.  `attempt` grows with every call.  From the first on the batch is
 * immutable. */
const leat_batch *fake_batch_lend(struct fake_batch *batch);
/* The same, but from record `from` on (after ERETRY with a durable_count). */
const leat_batch *fake_batch_lend_from(struct fake_batch *batch, uint32_t from);
uint64_t fake_batch_token(const struct fake_batch *batch);
uint32_t fake_batch_count(const struct fake_batch *batch);

/* What came back since it was last lent. */
struct fake_done fake_batch_done(struct fake_batch *batch);
bool fake_batch_durable(struct fake_batch *batch); /* once, LEAT_OK */
/* Waits until it came back; false when timeout_ms passed.  For sinks with threads of their own. */
bool fake_batch_wait(struct fake_batch *batch, int32_t timeout_ms);
/* Frees the batch's bytes, so that a sink that still looks at them is caught by ASan. */
void fake_batch_forget(struct fake_batch *batch);

/* A leat_check that keeps what is reported. */
struct fake_check {
    leat_check check; /* give &fake_check.check to ops->check */
    size_t count, errors, warnings;
    int32_t exit_code; /* of the first error */
    char text[8192];   /* a line each: "severity text | fix" */
};
void fake_check_init(struct fake_check *check);

#endif
