/* SPDX-License-Identifier: Apache-2.0
 *
 * source.h -- one instance of the source: its life cycle and what it holds.  [worker] but for
 * create and destroy, which are [main].
 */
#ifndef LEAT_PGOUTPUT_SOURCE_H
#define LEAT_PGOUTPUT_SOURCE_H

#include "catalog.h"
#include "connect.h"
#include "creation.h"
#include "decoder.h"
#include "guard.h"
#include "inquiry.h"
#include "pgoutput_options.h"
#include "replication.h"
#include "slot.h"
#include "watch.h"

/* What each state holds:              conn   stream   leaves to                                 */
enum source_state {
    SOURCE_CLOSED,     /*              no     no       WAITING, by start                          */
    SOURCE_WAITING,    /*              no     no       CONNECTING, when retry_ns has come         */
    SOURCE_CONNECTING, /*              yes    no       ASKING; WAITING on failure                 */
    SOURCE_ASKING,     /*              yes    no       STREAMING; STANDBY; WAITING on failure     */
    SOURCE_STANDBY,    /*              yes    no       ASKING, every now and then; WAITING        */
    SOURCE_STREAMING,  /*              yes    yes      WAITING when lost; RELEASED                */
    SOURCE_RELEASED,   /*              no     pending  WAITING, when the sinks move again         */
    SOURCE_FAILED      /*              no     no       nowhere: poll repeats the failure          */
};

struct leat_source {
    const leat_host *host;
    const struct pgoutput_options *options;
    const leat_reporting *reporting; /* of the host; NULL: it wants no reports */
    struct watch watch;              /* of `leat tail`; its options are ours then */
    const leat_proof *proof;         /* of the host; NULL: its sinks cannot be asked */
    enum source_state state;
    PGconn *conn;
    PGresult *reply;     /* owned; of an answer that has not come whole; NULL: none */
    short events;        /* CONNECTING: what poll(2) waits for             */
    int64_t deadline_ns; /* CONNECTING, ASKING: give up then               */
    int64_t retry_ns;    /* WAITING, STANDBY                               */
    int64_t delay_ms;    /* the back-off's last step                       */
    unsigned attempt;    /* connections tried: turns a list of hosts       */
    uint64_t random;
    enum question question;   /* ASKING */
    struct creation creation; /* ASKING for a slot */
    enum creation_kind told_kind;
    int64_t tell_ns; /* ASKING: when it is said (again) what is waited for */
    struct text *sql;
    struct origin_facts facts;
    struct slot_memory memory;
    bool begun;       /* a stream has begun in this run */
    bool stale;       /* what was asked before a wait for the slot may not be true any more */
    bool standing_by; /* somebody else has the slot, and that was said */
    bool told_making; /* somebody else makes the slot, and that was said */
    int64_t own_pid;  /* of our walsender, the last one; 0: none yet */
    uint64_t prove;   /* ASKING: the sinks have to hold all up to here; 0: no need */
    char prove_why[LEAT_ERROR_TEXT];
    uint64_t start; /* ASKING, STREAMING: where the stream begins */
    wal_durable durable;
    struct replication stream;
    uint64_t returned_serial; /* every batch up to here was given back                       */
    int64_t moved_ns;         /* when that moved last, or nothing was out                    */
    uint64_t released_serial; /* RELEASED: returned_serial then                              */
    wal_durable released_lsn; /* RELEASED: durable then                                      */
    struct decoder *decoder;
    struct catalog *catalog;
    struct guard *guard; /* NULL: none is wanted */
    leat_error failure;  /* FAILED */
    /* A server error at one start, again and again: is it for ever? */
    uint64_t failed_start;
    unsigned failed_count;
    bool publication_error;
    char dsn[CONNECT_DSN_MAX];
};

extern const leat_source_ops source_ops;

/* [worker] Milliseconds of one wait: to `until_ns`, at most max_ms (-1: no limit). */
struct timespec;
const struct timespec *source_wait_time(const leat_source *source, int64_t until_ns, int32_t max_ms,
                                        struct timespec *out);

/* [worker] Waits for the socket (events; fd -1: not for it) or the host.  Returns the socket's
 * revents. */
short source_wait(const leat_source *source, int fd, short events, int64_t until_ns,
                  int32_t max_ms);

#endif
