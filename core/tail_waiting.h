/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_waiting.h -- what `leat tail` waits for while nothing has come yet: said on the standard
 * error, once for each reason.  [main]
 */
#ifndef LEAT_TAIL_WAITING_H
#define LEAT_TAIL_WAITING_H

#include "note.h"
#include "pipeline.h"
#include "tail_output.h"

struct tail_waiting {
    int64_t since_ns; /* nothing has come since then, and nothing was said of it before */
    bool over;        /* something has come: from now on silence is just silence */
    char said[NOTE_TEXT];
};

/* Says what there is to say at now_ns, if anything.  begun: from here on nothing is missed. */
void tail_waiting_look(struct tail_waiting *waiting, struct pipeline *pipeline,
                       const struct tail_output *output, bool begun, int64_t now_ns);

/* How long to wait, at most, before the next look, in milliseconds; -1: it need not be soon. */
int tail_waiting_ms(const struct tail_waiting *waiting, int64_t now_ns);

#endif
