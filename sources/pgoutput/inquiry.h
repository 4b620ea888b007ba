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
    ASK_SLOT,         /* its row of pg_replication_slots                              */
    ASK_CREATE,       /* CREATE_REPLICATION_SLOT, where slot.h allows it              */
    ASK_START         /* START_REPLICATION                                            */
};

struct slot_facts {
    bool exists, temporary, active;
    char plugin[64], type[16], database[64], wal_status[16], invalidation[64];
    int64_t active_pid, retained_bytes;
    bool has_safe_size;
    int64_t safe_size_bytes;
    uint64_t restart_lsn, confirmed_lsn; /* 0: none */
};

struct origin_facts {
    char system_identifier[24], timeline[16], database[64];
    uint64_t wal_position;
    int version; /* 150020 */
    bool wal_logical, in_recovery;
    int64_t wal_sender_timeout_ms;
    bool publication_missing;
    char missing_publication[64];
    struct slot_facts slot;
};

/* Appends the text of a question.  start: of ASK_START. */
void inquiry_ask(enum question question, PGconn *conn, const struct pgoutput_options *options,
                 uint64_t start, struct text *out);

/* Reads an answer.  False: it does not have the shape that was asked for. */
bool inquiry_read(enum question question, const PGresult *result, struct origin_facts *facts);

/* Names and values inside replication commands, whose grammar is not SQL's. */
void inquiry_quote_name(struct text *out, const char *name);
void inquiry_quote_publications(struct text *out, leat_strings names);

/* A name or a text for SQL; appended.  Also what `leat setup` prints, hence without a connection.
 */
void inquiry_quote_sql(struct text *out, const char *text, char quote);

#endif
