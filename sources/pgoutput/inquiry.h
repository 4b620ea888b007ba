/* SPDX-License-Identifier: Apache-2.0
 *
 * inquiry.h -- what is asked of the server before a stream begins, and what it answered.  [any]
 *
 * The questions are plain text, the answers plain structs: who asks (the source without blocking,
 * the commands with) is not this file's business, and neither is what the answers mean (slot.h).
 */
#ifndef LEAT_PGOUTPUT_INQUIRY_H
#define LEAT_PGOUTPUT_INQUIRY_H

#include "pgoutput_options.h"
#include "text.h"
#include "wal.h"

#include <libpq-fe.h>

/* In the order in which they are asked. */
enum question {
    ASK_SYSTEM,       /* IDENTIFY_SYSTEM                                              */
    ASK_SETTINGS,     /* version, wal_level, time-outs; and the session's own are set */
    ASK_PUBLICATIONS, /* is one missing?                                              */
    ASK_SLOT,         /* its row of pg_replication_slots, who reads it, what it cost  */
    ASK_HISTORY,      /* TIMELINE_HISTORY, where the timeline is not the recorded one */
    ASK_CREATE,       /* CREATE_REPLICATION_SLOT, where slot.h allows it              */
    ASK_ALTER,        /* ALTER_REPLICATION_SLOT: make it a failover slot              */
    ASK_START         /* START_REPLICATION                                            */
};

/* What the server did for the slot since it was made or its statistics were reset. */
struct slot_statistics {
    int64_t spill_transactions, spill_count, spill_bytes;
    int64_t stream_transactions, stream_count, stream_bytes;
    int64_t total_transactions, total_bytes;
};

/* wal_lsn and keep_size_bytes mean something without a slot too. */
struct slot_facts {
    bool exists, temporary, active, failover, synced, two_phase;
    char plugin[64], type[16], database[64], wal_status[16];
    char invalidation[64]; /* why it is of no use any more; "": it is */
    int64_t active_pid, retained_bytes;
    char reader[64];   /* application_name of active_pid; "": unknown, or not ours to see */
    bool reader_is_us; /* it has our role and our application_name: the same configuration */
    bool has_safe_size;
    int64_t safe_size_bytes;
    int64_t keep_size_bytes;             /* max_slot_wal_keep_size; -1: no limit */
    uint64_t restart_lsn, confirmed_lsn; /* 0: none */
    uint64_t wal_lsn;                    /* the end of the server's WAL then */
    bool in_recovery;
    bool may_list_wal; /* the role may call pg_ls_waldir() */
    struct slot_statistics statistics;
};

struct origin_facts {
    char system_identifier[24], timeline[16], database[64];
    uint64_t wal_position;
    int version; /* 150020 */
    bool wal_logical, in_recovery;
    int64_t wal_sender_timeout_ms;
    bool publication_missing;
    char missing_publication[64];
    bool has_history;  /* ASK_HISTORY was answered */
    uint64_t fork_lsn; /* where the recorded timeline was left; 0: it is no ancestor of this one */
    struct slot_facts slot;
};

/* Appends the text of a question.  number: the position of ASK_START, the timeline of ASK_HISTORY.
 */
void inquiry_ask(enum question question, PGconn *conn, const struct pgoutput_options *options,
                 uint64_t number, struct text *out);

/* Reads an answer.  False: it does not have the shape that was asked for.  (That of ASK_HISTORY is
 * read by inquiry_read_history.) */
bool inquiry_read(enum question question, const PGresult *result, struct origin_facts *facts);

/* Where the timeline `from` was left, by a history file of the server. */
bool inquiry_read_history(const PGresult *result, const char *from, struct origin_facts *facts);

/* Names and values inside replication commands, whose grammar is not SQL's. */
void inquiry_quote_name(struct text *out, const char *name);
void inquiry_quote_publications(struct text *out, leat_strings names);

/* A name or a text for SQL; appended.  Also what `leat setup` prints, hence without a connection.
 */
void inquiry_quote_sql(struct text *out, const char *text, char quote);

#endif
