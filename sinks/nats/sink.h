/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h -- the NATS sink: one instance, one connection, one thread at a time.
 *
 *   DOWN -> CONNECTED -> FENCED -> UP, step by step in start; every loss leads back to DOWN.
 *
 * Nothing is mended on the way: when a connection is lost, or an answer makes the order doubtful,
 * everything lent is given back, and the next start asks the stream what it holds.
 */
#ifndef NATS_SINK_H
#define NATS_SINK_H

#include "publish.h"
#include "stream.h"
#include "tail.h"

enum sink_state { SINK_DOWN = 0, SINK_CONNECTED, SINK_FENCED, SINK_UP };

struct leat_sink {
    const leat_host *host;
    const struct nats_options *options;
    enum sink_state state;
    struct client client;
    struct window window;
    struct skip skip;
    struct publisher publisher;
    struct tail *tail; /* owned */
    struct stream_info info;
    char name[160]; /* of the connection, for the server's monitoring */
    char name_space[256];
    char alive[256];      /* the subject on which a living connection of ours answers */
    size_t url_index;     /* the next to try */
    int64_t fence_end_ms; /* 0: not begun */
    uint64_t fence_asked; /* the number of the last question, and what was answered to any */
    bool fence_free, fence_rival;
    bool denied; /* the server refused a publish for lack of permission */
    char denied_text[200];

    int64_t hold_option_ms; /* -1: auto */
    uint32_t hold_ms;

    /* What earlier connections of this instance saw acknowledged. */
    bool has_acked;
    leat_identity acked;
    uint64_t acked_sequence; /* the newest one of the stream */
    uint64_t acked_message;  /* which message of this connection has it; 0: none */
    bool went_back;          /* an acknowledgement showed that the stream lost some of that */
    char created[48];        /* the stream's birth, when that was */
    enum tail_before before;

    int64_t limits_ms; /* when the publisher's size_limit was asked for */
    int64_t acked_ms;  /* when a batch was last given back as durable; 0: none was */
    int64_t seen_ms;   /* when the stream was last seen, or asked, to hold what it acknowledged */
    uint64_t asked_sequence; /* the newest one of that, when it was asked */
    int64_t progress_ms;     /* when the server last answered a publish, or none was on its way */
    int64_t ping_ms;         /* when a ping was sent that was not answered; 0: none */
    int64_t turn_ms;         /* when this sink last ran: see sink_stood_still */
    bool failed; /* one message was refused: nothing more is sent until all are answered */
    /* One of several was refused, and it was not told which: the next connection looks at the stream
     * and begins with one message alone. */
    bool unclear;
    uint64_t failed_message;
    struct publish_ack failure;
    uint32_t reported; /* batches given back in this poll */
};

/* start.c [worker] */
leat_status sink_start(leat_sink *sink, leat_sink_start *start, leat_error *error);

/* deliver.c [worker] */
leat_status sink_submit(leat_sink *sink, const leat_batch *batch);
leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error);
leat_status sink_stop(leat_sink *sink, uint32_t deadline_ms);
/* Was this process stopped (SIGSTOP, a debugger, a frozen machine) since the last call?  Another one
 * that asked meanwhile whether we live has heard nothing, and after fence_timeout it has taken us for
 * dead: what is in our memory may be in the stream by now, and its ids forgotten.  Called before
 * anything is sent, and at least every half of fence_timeout.  With dedupe: sequence the server
 * itself refuses what is late. */
bool sink_stood_still(leat_sink *sink);

/* answers.c [worker]: the client's events. */
void sink_message(void *context, char kind, uint64_t number, const struct wire_event *event);
void sink_denied(void *context, leat_bytes text);

/* start.c [worker]: how large a message may be, as far as is known now. */
void sink_learn_limits(leat_sink *sink);

/* watch.c [worker]: when to ask the stream again, INT64_MAX: never; asks, when it is time; and what
 * it answered. */
int64_t sink_watch_due_ms(const leat_sink *sink);
void sink_watch(leat_sink *sink);
void sink_watched(leat_sink *sink, const struct wire_event *event);

/* settle.c [worker]: after what arrived was read.  ERETRY: the connection is of no more use. */
enum { SINK_SILENCE_MS = 1000 }; /* after a refusal that names no message, nothing more will come */
leat_status sink_settle(leat_sink *sink, leat_error *error);
/* Gives the connection up with this text; always ERETRY.  The next start tries the next server. */
leat_status sink_lost(leat_sink *sink, leat_error *error, const char *text);

/* check.c [main] */
void sink_check(const void *config, leat_check *check);

/* hold.c: how long an acknowledged message may be lost with the server's power.  May ask the
 * server's monitoring port, and blocks then, at most connect_timeout.  *why is static. */
uint32_t hold_choose(const struct nats_options *options, const struct stream_info *info,
                     int64_t option_ms, const char **why);

#endif
