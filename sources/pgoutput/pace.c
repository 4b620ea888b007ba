/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.c -- see pace.h.  [worker]  Reads nothing itself.
 *
 * Each message of the walsender is a send() of its own, and each one that finds us asleep in poll(2)
 * costs it a wake-up: of us, on its own core, where we then stand in its way for as long as rows
 * pour in (docs/adr/0205).  So where they pour, the socket is drained and then left alone for the
 * blink of an eye, and also while the walsender is silent because it decodes the next transaction;
 * where they do not, poll(2) waits and one change is passed on at once.  While every sink has work
 * waiting, nobody is served by what is read now: then the nap grows until a round finds a good part
 * of what a socket holds.
 */
#include "pace.h"

#include "replication.h"
#include "source.h"

#include <poll.h>

#define MS INT64_C(1000000)
#define US INT64_C(1000)

#define HOT_ROUNDS 8        /* rounds with data, and none waited long: it pours       */
#define QUIET_NS (300 * US) /* a wait in poll(2) longer than this: it does not        */
#define SILENT_NS (2 * MS)  /* so long it may be silent and still pour                */
#define OFFER_NS (100 * MS) /* offered again at the latest then, wake-up or not       */

#define NAP_UNIX_NS (200 * US)
#define NAP_UNIX_MOST_NS (400 * US) /* a socket holds 600 us of what a walsender sends */
#define NAP_TCP_NS (300 * US)
#define NAP_TCP_MOST_NS (1200 * US)
#define NAP_BYTES (12u * 1024u)      /* a round that found more than this does not nap  */
#define BUSY_NAP_BYTES (40u * 1024u) /* the same while every sink has work waiting...   */
#define BUSY_NAP_AIM (20u * 1024u)   /* ...and what a nap is to find then               */

static int64_t now_of(const leat_source *source)
{
    return source->host->now_ns(source->host);
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct pace pace_begin(bool local)
{
    return (struct pace){
        .nap_ns = local ? NAP_UNIX_NS : NAP_TCP_NS,
        .nap_least_ns = local ? NAP_UNIX_NS : NAP_TCP_NS,
        .nap_most_ns = local ? NAP_UNIX_MOST_NS : NAP_TCP_MOST_NS,
    };
}

/* Through a silence, too.  But sinks that have enough to do want a core more than they want rows:
 * they are better served by a reader that the walsender wakes next to itself. */
static bool pours(const leat_source *source, size_t bytes, bool busy)
{
    const struct replication *stream = &source->stream;
    if (stream->pending || stream->pace.hot < HOT_ROUNDS)
        return false;
    return bytes || (!busy && now_of(source) - stream->heard_ns < SILENT_NS);
}

/* The next round comes now, or at the end of a nap, or when a sink wants one. */
static void nap(leat_source *source, size_t bytes, bool busy, int64_t publish_ns,
                int32_t max_wait_ms)
{
    struct pace *pace = &source->stream.pace;
    if (!busy)
        pace->nap_ns = pace->nap_least_ns;
    else if (bytes < BUSY_NAP_AIM / 2 && pace->nap_ns < pace->nap_most_ns)
        pace->nap_ns += pace->nap_least_ns / 4;
    else if (bytes > BUSY_NAP_AIM && pace->nap_ns > pace->nap_least_ns)
        pace->nap_ns -= pace->nap_least_ns / 4;
    if (bytes < (busy ? BUSY_NAP_BYTES : NAP_BYTES))
        (void)source_wait(source, -1, 0, earliest(publish_ns, now_of(source) + pace->nap_ns),
                          max_wait_ms);
}

static void wait_for_data(leat_source *source, int64_t publish_ns, int32_t max_wait_ms)
{
    struct replication *stream = &source->stream;
    int64_t now = now_of(source);
    int64_t until = earliest(publish_ns, feedback_due(&stream->feedback));
    if (stream->pending) {
        /* Only the host can help (or time): the socket would be readable for ever. */
        until = earliest(until, stream->pending_retry_ns > now ? stream->pending_retry_ns
                                                               : now + OFFER_NS);
        int fd = stream->unsent && !stream->hung_up ? PQsocket(source->conn) : -1;
        if (source_wait(source, fd, POLLOUT, until, max_wait_ms) & (POLLHUP | POLLERR))
            stream->hung_up = true;
        return;
    }
    int64_t silence =
        stream->pinged_ns <= stream->heard_ns ? stream->liveness_ns / 2 : stream->liveness_ns;
    until = earliest(until, stream->heard_ns + silence + MS);
    short events = (short)(POLLIN | (stream->unsent ? POLLOUT : 0));
    short got = source_wait(source, PQsocket(source->conn), events, until, max_wait_ms);
    int64_t woken = now_of(source);
    if (got)
        stream->heard_ns = woken;
    if (woken - now > QUIET_NS)
        stream->pace.hot = 0;
}

void pace_wait(leat_source *source, size_t bytes, int64_t publish_ns, int32_t max_wait_ms)
{
    bool busy = source->host->sinks_busy(source->host);
    if (pours(source, bytes, busy))
        nap(source, bytes, busy, publish_ns, max_wait_ms);
    else
        wait_for_data(source, publish_ns, max_wait_ms);
}
