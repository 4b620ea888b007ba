/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h -- the Kafka sink as one struct.  [worker], but for create, destroy and check.
 *
 * All of it is the worker's: librdkafka's threads reach us only through its queue, which poll
 * reads, and through the log.  The life of an instance:
 *
 *     STOPPED     no handle
 *     CONNECTING  there is a producer; no broker has answered yet
 *     FENCING     (transactions) older producers of our id are being shut out
 *     LOCATING    (transactions) our position record is being read
 *     RUNNING     batches are lent; `halt` may have stopped the line before one of them
 *     FAILED      this producer is done for; the next poll says so, stop and start make another
 */
#ifndef KAFKA_SINK_H
#define KAFKA_SINK_H

#include "pace.h"
#include "topic.h"
#include "window.h"

enum sink_state {
    SINK_STOPPED = 0,
    SINK_CONNECTING,
    SINK_FENCING,
    SINK_LOCATING,
    SINK_RUNNING,
    SINK_FAILED
};

/* What stopped the line before the record under the cursor; it is told to the host once everything
 * before that record is durable. */
struct halt {
    leat_status status; /* LEAT_OK: the line is not stopped */
    char text[LEAT_ERROR_TEXT];
};

/* A transaction of Kafka's; see transaction.c. */
struct transaction {
    bool open;          /* begun, and perhaps filled */
    bool committing;    /* commit was asked for; nothing is produced until it has ended */
    uint64_t records;   /* messages in it */
    uint64_t end;       /* number behind its last message, once committing */
    uint64_t committed; /* every message below this number is committed */
    bool inside;        /* the last whole record is not the last of its source's transaction */
    int64_t fed_ns;     /* when the last record was produced */
    int64_t asked_ns, ended_ns; /* when the last commit was asked for, and when it had ended */
    leat_identity last;         /* of its last whole record */
    char owner[33];             /* who we are: of this instance alone, never twice */
    char found_owner[33], seen_owner[33]; /* whose position record there is; was there last time */
    bool fenced;                          /* this start follows a fencing */
    uint32_t shut_out;                    /* starts that found another daemon's work */
    rd_kafka_topic_t *topic;              /* owned; the position topic */
    bool creating, reading, found;
    leat_identity position; /* what was found */
    char wrong[128];        /* the name space of what was found, where it is not ours */
};

struct leat_sink {
    struct client_owner owner; /* first: what the handles' opaque points at */
    const leat_host *host;
    const struct kafka_options *options;
    enum sink_state state;
    int64_t since_ns; /* of the state */
    rd_kafka_t *producer;
    int event_fd; /* readable when the producer's queue has something */
    struct window window;
    struct pace pace;
    bool urgent; /* what was produced is to be sent now: nothing else is until it has arrived */
    struct topics topics;
    struct topic *waiting; /* not READY, and the record under the cursor is for it */
    struct halt halt;
    struct transaction transaction;
    char name_space[256];
    /* why the producer failed: the first reason */
    leat_status failure;
    char failure_text[LEAT_ERROR_TEXT];
    char trouble[256];   /* the latest that a broker or the network said */
    bool authentication; /* ... or, where one said so until one let us in, that we are not let in */
    bool down_logged;
    int64_t
        fatal_ns; /* since when the producer is dying: its last reports are awaited; 0: it lives */
    /* After a record was refused as one of many: one at a time up to here, so that the one at fault
     * is known and everything before it is durable. */
    bool careful;
    leat_identity careful_until;
    bool alone;                /* the first message of a partition is on its way: see may_fly */
    struct topic *alone_topic; /* and its topic */
    leat_identity produced;    /* the newest that was sent */
    int64_t now_ns;            /* as of the latest sink_produce */
    int64_t wall_ms;           /* what the messages that are produced now say of the time */
    int64_t progress_ns;       /* when something was acknowledged, or the first of a window sent */
    uint64_t acknowledged;     /* messages, of this instance */
};

/* sink.c */
extern const leat_sink_ops kafka_sink_ops;
void sink_enter(leat_sink *sink, enum sink_state state);

static inline int64_t sink_now_ns(const leat_sink *sink)
{
    return sink->host->now_ns(sink->host);
}

/* poll.c: the operation of the ABI. */
leat_status sink_poll(leat_sink *sink, int32_t max_wait_ms, leat_error *error);

/* producer.c: a new producer, CONNECTING.  AGAIN; or what hinders it. */
leat_status producer_open(leat_sink *sink, const char *name_space, leat_error *error);
/* ... takes everything that it has for us. */
void producer_serve(leat_sink *sink);
/* ... lets it send what it has, although more could travel with it. */
void producer_flush(leat_sink *sink);
/* ... which is dying still says which record it died of: waits for that, and gives it up. */
void producer_bury(leat_sink *sink);
/* ... ends it, if there is one; what it has not reported is as if it had never been sent. */
void producer_close(leat_sink *sink);

/* produce.c: sends what is lent, as far as there is room. */
void sink_produce(leat_sink *sink);
/* ... ends the round that is open; where it does not leave by itself it becomes urgent. */
void sink_end_round(leat_sink *sink);

/* delivery.c: takes what came back. */
void sink_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque);
/* ... gives back what is durable, and, where the line is stopped, the rest. */
void sink_release(leat_sink *sink);
/* ... stops the line before the record under the cursor. */
void sink_halt(leat_sink *sink, leat_status status, const char *text);
/* ... the producer is done for.  The first reason stays. */
void sink_fail(leat_sink *sink, leat_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* transaction.c */
bool transaction_is_used(const leat_sink *sink);
leat_status transaction_fence(leat_sink *sink, int32_t wait_ms, leat_error *error);
leat_status transaction_locate(leat_sink *sink, int32_t wait_ms, leat_error *error);
/* Before a record is produced: false when it may not be now. */
bool transaction_enter(leat_sink *sink);
/* A whole record was produced. */
void transaction_follow(leat_sink *sink, const leat_record *record);
/* True when the open one should be committed; idle: the host has no more to send at present. */
bool transaction_is_due(const leat_sink *sink, bool idle);
/* How long, in milliseconds, the rest of the source's transaction is waited for; -1: it is not. */
int32_t transaction_patience(const leat_sink *sink);
/* One step of a commit of at most wait_ms. */
void transaction_commit(leat_sink *sink, int32_t wait_ms);
void transaction_forget(leat_sink *sink);

/* check.c */
void kafka_check(const void *config, leat_check *check);

#endif
