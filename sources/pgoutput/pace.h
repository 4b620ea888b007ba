/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.h -- when the stream's next round comes: a nap while rows pour in, a wait where they do not.
 * [worker]
 */
#ifndef LEAT_PGOUTPUT_PACE_H
#define LEAT_PGOUTPUT_PACE_H

#include <leat/plugin.h>

struct pace {
    unsigned hot; /* rounds with data since it was quiet last; the rounds count it */
    int64_t nap_ns, nap_least_ns, nap_most_ns;
};

/* A stream begins, over a unix socket (local) or TCP. */
struct pace pace_begin(bool local);

/* A round has read `bytes`, all that was there: naps or waits until there may be more, or the host
 * wants something, or publish_ns (INT64_MAX: nothing is to be published), at most max_wait_ms (-1:
 * without end). */
void pace_wait(leat_source *source, size_t bytes, int64_t publish_ns, int32_t max_wait_ms);

#endif
