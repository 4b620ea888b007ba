/* SPDX-License-Identifier: Apache-2.0
 *
 * creation.h -- a slot that is being made: what the server waits for, and whether it still does.  [any]
 *
 * The connection that makes a slot says nothing until the transactions that run then have ended,
 * which may be hours; a dead one says nothing either.  So a second connection looks from outside,
 * and only what it sees tells them apart.  Never waits, never logs.
 */
#ifndef LEAT_PGOUTPUT_CREATION_H
#define LEAT_PGOUTPUT_CREATION_H

#include "connect.h"
#include "text.h"

#define CREATION_WHY 384

enum creation_kind {
    CREATION_WAITS,    /* the server makes it, once transactions have ended           */
    CREATION_BLOCKED,  /* and this is the one that it waits for now                   */
    CREATION_UNKNOWN,  /* the server answers, but does not say                        */
    CREATION_SILENT,   /* the server does not answer                                  */
    CREATION_FORGOTTEN /* it answers, and our connection does not make the slot (yet) */
};

struct creation {
    const leat_host *host; /* for the dsn; NULL is allowed */
    const struct pgoutput_options *options;
    struct connect_place place;
    int maker; /* the server's PID of the connection that makes it */
    enum { CREATION_NONE, CREATION_RESTS, CREATION_CONNECTS, CREATION_LOOKS } state;
    PGconn *conn;    /* NULL: not open */
    PGresult *reply; /* owned; of an answer that has not come whole */
    struct text *sql;
    short events;
    bool kept; /* the connection is that of the look before */
    int64_t begun_ns;
    int64_t limit_ns;    /* given up when nothing was heard for so long                       */
    int64_t heard_ns;    /* the server was seen to make the slot, or said anything else       */
    int64_t look_ns;     /* RESTS: the next look                                              */
    int64_t asked_ns;    /* of the first look without an answer; 0: there is none             */
    int64_t deadline_ns; /* CONNECTS, LOOKS                                                   */
    enum creation_kind kind;
    int64_t lasts_s; /* the transaction that is waited for; -1: not ours to see */
    /* The same words as long as the reason is the same; no secret. */
    char why[CREATION_WHY];
    char dsn[CONNECT_DSN_MAX];
};

enum creation_news { CREATION_SAME, CREATION_CHANGED, CREATION_LOST };

/* maker has been asked for the slot of the options, just now.  The options outlive the creation.
 * limit_ns: see above. */
void creation_begin(struct creation *creation, const leat_host *host,
                    const struct pgoutput_options *options, const PGconn *maker, int64_t limit_ns,
                    int64_t now_ns);

/* Does what is due.  CHANGED: `why` is another.  LOST: neither the server nor the connection can be
 * told from dead. */
enum creation_news creation_step(struct creation *creation, int64_t now_ns);

/* What poll(2) has to wait for (-1: nothing), and until when; INT64_MAX: for no time. */
int creation_wait(const struct creation *creation, short *events, int64_t *until_ns);

/* The answer is there, or will never be.  Zeroed memory is allowed. */
void creation_end(struct creation *creation);

#endif
