/* SPDX-License-Identifier: Apache-2.0
 *
 * feedback.c -- what PostgreSQL is told about our positions, and when.  [worker]  Never blocks.
 */
#include "feedback.h"

#include <assert.h>

#define EPOCH_2000_US (INT64_C(946684800) * 1000000)
#define MS INT64_C(1000000)

void feedback_begin(struct feedback *feedback, wal_durable start, int64_t interval_ms,
                    int64_t server_timeout_ms, int64_t now_ns)
{
    /* A quarter: behind half of its timeout without an answer the walsender leaves its fast path
     * (17 % slower), behind the whole it hangs up. */
    if (server_timeout_ms > 0 && interval_ms > server_timeout_ms / 4)
        interval_ms = server_timeout_ms / 4;
    if (interval_ms < 1)
        interval_ms = 1;
    *feedback = (struct feedback){.interval_ns = interval_ms * MS, .durable = start};
    /* Due at once: the server's time-out runs from the moment it started the stream. */
    feedback->sent_ns = now_ns - feedback->interval_ns;
}

void feedback_see(struct feedback *feedback, wal_seen position)
{
    if (position.lsn > feedback->seen.lsn)
        feedback->seen = position;
}

void feedback_durable(struct feedback *feedback, wal_durable position)
{
    if (position.lsn > feedback->durable.lsn)
        feedback->durable = position;
}

int64_t feedback_due(const struct feedback *feedback)
{
    bool better = feedback->durable.lsn > feedback->sent.lsn;
    if (better && feedback->owed)
        return feedback->sent_ns;
    int64_t wait = feedback->interval_ns;
    /* A server that shuts down asks again as soon as it is answered: without a pause, an answer
     * that cannot be better yet would be a storm. */
    if ((better || feedback->owed) && wait > FEEDBACK_PAUSE_NS)
        wait = FEEDBACK_PAUSE_NS;
    return feedback->sent_ns + wait;
}

void feedback_message(struct feedback *feedback, int64_t now_ns, int64_t wall_us, bool ask,
                      char out[FEEDBACK_SIZE])
{
    assert(feedback->durable.lsn >= feedback->sent.lsn);
    uint64_t written = feedback->seen.lsn;
    if (written < feedback->durable.lsn)
        written = feedback->durable.lsn;
    out[0] = 'r';
    wal_put64(out + 1, written);
    wal_put64(out + 9, feedback->durable.lsn);
    wal_put64(out + 17, feedback->durable.lsn);
    wal_put64(out + 25, (uint64_t)(wall_us - EPOCH_2000_US));
    out[33] = ask ? 1 : 0;
    feedback->sent = feedback->durable;
    feedback->sent_ns = now_ns;
    feedback->owed = false;
}
