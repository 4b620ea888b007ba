/* SPDX-License-Identifier: Apache-2.0
 *
 * leat/plugin.h -- the one header a plugin needs.  C11 or C++17; depends on the C library only.
 *
 * WORDS USED IN EVERY COMMENT BELOW
 *   [main]     the control thread: load, configure, create, check, destroy.  Never concurrent.
 *   [worker]   the instance's data thread.  At most one thread is inside an instance's [worker]
 *              functions at a time; it need not be the same OS thread each time.
 *   [any]      callable from any thread, concurrently, client-library threads included.
 *   owned      the holder frees it.
 *   borrowed   valid until the call that passed it returns.
 *   lent       valid until the borrower gives it back by the call named in the comment.
 *   static     valid for the life of the process (or of the instance, where said); nobody frees it.
 *   FROZEN     this struct never changes size or meaning within ABI major 1.
 *   growing    starts with its own size, or is stepped by a stride; members are appended, never
 *              moved or reused.  Before reading a member that a later minor version added, ask
 *              LEAT_HAS.
 *
 * NOTHING IS FREED ACROSS THE BOUNDARY.  The side that allocated, frees.
 * NO CALLBACK RUNS INSIDE A CALL THE OTHER WAY.  Host functions marked [any] only queue.
 * A PLUGIN NEVER calls exit or abort, forks, changes the signal mask, the locale, the umask, the
 * working directory or the environment, and never writes to standard output or standard error.
 */
#ifndef LEAT_PLUGIN_H
#define LEAT_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_ABI_MAGIC 0x5441454cu /* "LEAT" read as little-endian bytes */
#define LEAT_ABI_MAJOR 1u
#ifndef LEAT_ABI_MINOR
#define LEAT_ABI_MINOR 0u
#endif

#if defined(__GNUC__)
#define LEAT_EXPORT __attribute__((visibility("default")))
#else
#define LEAT_EXPORT
#endif

/* True when the growing struct *p, as its maker compiled it, reaches past member m. */
#define LEAT_HAS(p, type, m) ((p)->size >= offsetof(type, m) + sizeof((p)->m))

/* ---- status and errors ---------------------------------------------------------------------- */

/* What the caller should do; the text says why. */
enum {
    LEAT_OK = 0,
    LEAT_AGAIN = 1,    /* not now: nothing was taken, offer the same thing again               */
    LEAT_EOF = 2,      /* a source with an end has reached it                                  */
    LEAT_ECONFIG = -1, /* only a change of configuration can help                              */
    LEAT_ERETRY = -2,  /* transient: the very same thing may succeed later                     */
    LEAT_EREJECT = -3, /* this content will never be accepted: dead-letter it or stop          */
    LEAT_EFATAL = -4   /* the instance is finished: the host destroys it, may create another   */
};
typedef int32_t leat_status; /* a fixed width, never a bare enum */

typedef struct leat_bytes { /* FROZEN.  A view: not owned, not NUL-terminated. */
    const char *ptr;
    size_t len;
} leat_bytes;

#define LEAT_ERROR_TEXT 512

typedef struct leat_error { /* growing.  The caller provides it, the callee fills it. */
    uint32_t size;
    leat_status status;
    int32_t os_errno;           /* 0: none                                                       */
    int32_t exit_code;          /* of sysexits.h, should the daemon stop for this; 0: by status. */
                                /* 65 is "a gap in the data is possible".                        */
    char text[LEAT_ERROR_TEXT]; /* what failed, on what, why, what to do: one line, no newline   */
} leat_error;

/* ---- the identity of a change --------------------------------------------------------------- */

/* FROZEN.  The name of one change within its stream, equal on every redelivery and ascending in
 * stream order.  For PostgreSQL `position` is the commit LSN (the final LSN of pgoutput's Begin
 * message) and `seq` the ordinal within the transaction, from 0, counted before any filter.  A
 * message outside a transaction has its own LSN and seq -1, and so sorts before a transaction
 * that commits at the same LSN. */
typedef struct leat_identity {
    uint64_t position;
    int64_t seq;
} leat_identity;

static inline int leat_identity_compare(leat_identity a, leat_identity b)
{
    if (a.position != b.position)
        return a.position < b.position ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* ---- values, relations, changes: what a source hands over ----------------------------------- */

/* The neutral value model.  Nothing behind a source knows the source's own formats. */
enum {
    LEAT_VALUE_NULL = 0,
    LEAT_VALUE_MISSING,     /* not sent: an unchanged value stored out of line                   */
    LEAT_VALUE_BOOL,        /* the text "true" or "false"                                        */
    LEAT_VALUE_INTEGER,     /* decimal digits, maybe a minus sign: fits int64_t                  */
    LEAT_VALUE_FLOAT,       /* a JSON number, or NaN, Infinity, -Infinity                        */
    LEAT_VALUE_DECIMAL,     /* the same, exact digits, any length                                */
    LEAT_VALUE_TEXT,        /* UTF-8                                                             */
    LEAT_VALUE_DATE,        /* ISO 8601 text; also "infinity", and " BC" behind old dates        */
    LEAT_VALUE_TIME,        /* ISO 8601 text, with or without a zone offset                      */
    LEAT_VALUE_TIMESTAMP,   /* ISO 8601 text, 2026-11-22T10:00:00.123456                         */
    LEAT_VALUE_TIMESTAMPTZ, /* ISO 8601 text with its offset, ...+00:00                          */
    LEAT_VALUE_BYTES,       /* raw bytes                                                         */
    LEAT_VALUE_JSON         /* valid, compact JSON: arrays, composites, json and jsonb           */
};

enum {
    LEAT_VALUE_INT64 = 1u << 0, /* an INTEGER whose declared type is 64 bits wide                */
    LEAT_VALUE_PLAIN = 1u << 1  /* printable ASCII without quote or backslash: nothing to escape */
};

typedef struct leat_value { /* FROZEN: 16 bytes on a 64-bit machine. */
    const char *ptr;        /* lent with its batch; not NUL-terminated; any when NULL or MISSING */
    uint32_t len;           /* bytes */
    uint8_t kind;
    uint8_t flags;
    uint16_t reserved;
} leat_value;

enum { LEAT_COLUMN_KEY = 1u << 0 };

typedef struct leat_column { /* growing, by leat_relation.column_stride */
    leat_bytes name;         /* UTF-8, as the source's catalogue has it: hostile */
    uint32_t flags;
    uint32_t kind;            /* of the values that are neither null nor missing */
    uint32_t origin_type;     /* the source's own type number (PostgreSQL: the type's oid) */
    int32_t origin_modifier;  /* and its modifier (PostgreSQL: atttypmod) */
} leat_column;

/* growing.  One version of one table.  Immutable.  Lent by the source until every batch that
 * refers to it has been given back (leat_progress.returned_serial). */
typedef struct leat_relation {
    uint32_t size;
    uint32_t column_count, column_stride;
    uint32_t key_count; /* 0: the row cannot be identified */
    uint64_t id;        /* of this version, never used again by this source instance; not 0 */
    leat_bytes schema, table;
    const void *columns;
    const uint16_t *key; /* key_count column numbers, ascending: what identifies the row */
} leat_relation;

/* [any] Column `index` of a relation. */
static inline const leat_column *leat_relation_column(const leat_relation *relation, uint32_t index)
{
    return (const leat_column *)(const void *)((const unsigned char *)relation->columns
                                               + (size_t)index * relation->column_stride);
}

enum { LEAT_INSERT = 1, LEAT_UPDATE, LEAT_DELETE, LEAT_TRUNCATE, LEAT_MESSAGE, LEAT_READ };

enum {
    LEAT_CHANGE_CASCADE = 1u << 0,          /* truncate ... cascade                              */
    LEAT_CHANGE_RESTART_IDENTITY = 1u << 1, /* truncate ... restart identity                     */
    LEAT_CHANGE_TRANSACTIONAL = 1u << 2,    /* a message that belongs to its transaction         */
    LEAT_CHANGE_KEY_CHANGED = 1u << 3,      /* an update whose old key (key) is not the new one  */
    LEAT_CHANGE_TX_FIRST = 1u << 4,         /* the first of its transaction                      */
    LEAT_CHANGE_TX_LAST = 1u << 5           /* the last; every transaction with a change has one */
};

typedef struct leat_transaction { /* growing */
    uint32_t size;
    uint32_t xid;
    uint64_t position; /* every change's identity.position */
    int64_t commit_us; /* microseconds since 1970-01-01 UTC */
} leat_transaction;

/* growing, by leat_writer.change_size.  Everything it points at lies in its batch's arena, but
 * for the relation. */
typedef struct leat_change {
    struct leat_change *next; /* in stream order; NULL ends the batch */
    leat_identity identity;
    const leat_transaction *transaction; /* NULL: a message outside a transaction */
    const leat_relation *relation;       /* NULL: a message */
    uint16_t op, flags;
    uint32_t bytes; /* what the source received for it */
    union {
        struct { /* each an array of relation->column_count values, or NULL */
            const leat_value *before; /* the whole old row, where one was sent */
            const leat_value *after;  /* the new row */
            const leat_value *key;    /* where to take the columns relation->key from; other */
        } row;                        /* columns of it mean nothing */
        struct {
            leat_bytes prefix, content;
        } message;
    } u;
} leat_change;

/* ---- records: what a sink gets -------------------------------------------------------------- */

/* growing, by leat_batch.record_stride.  Lent with its batch. */
typedef struct leat_record {
    leat_identity identity; /* sinks derive de-duplication from it */
    uint16_t op;
    uint16_t flags;    /* LEAT_CHANGE_... */
    uint32_t reserved;
    leat_bytes route;  /* subject, topic or path, resolved and escaped by the core; may be empty */
    leat_bytes value;  /* encoded in the sink's format.  With LEAT_SINK_LINES the byte behind it
                        * exists and is '\n', and the next record's value may follow at once, so
                        * that a run of records can be written as one piece */
    leat_bytes key;    /* only with LEAT_SINK_WANTS_KEY: JSON object; empty where there is none  */
    leat_bytes id;     /* only with LEAT_SINK_WANTS_ID: "<namespace>:<lsn>:<seq>"                */
    leat_bytes after_key; /* only with LEAT_SINK_WANTS_KEY and LEAT_CHANGE_KEY_CHANGED: the new
                           * row's key (key is then the old one)                                  */
    const leat_change *change; /* the columns, for a sink that wants them instead of the bytes   */
} leat_record;

typedef struct leat_batch { /* growing.  Immutable once offered: a retry offers these same bytes. */
    uint32_t size;
    uint32_t record_count;  /* at least 1 */
    uint32_t record_stride; /* step by this, never by sizeof */
    uint32_t attempt;       /* 0 the first time */
    uint64_t token;         /* give it back in batch_done; another at each submit */
    const void *records;
} leat_batch;

static inline const leat_record *leat_batch_at(const leat_batch *batch, uint32_t index)
{
    return (const leat_record *)(const void *)((const unsigned char *)batch->records
                                               + (size_t)index * batch->record_stride);
}

typedef struct leat_result { /* growing */
    uint32_t size;
    leat_status status;      /* OK: every record of the batch is durable.                         */
                             /* ERETRY: offer it again from record durable_count on.              */
                             /* EREJECT: record durable_count will never be accepted.             */
                             /* EFATAL, ECONFIG: the instance is finished.                        */
    uint32_t durable_count;  /* leading records known durable, also when status is an error       */
    uint32_t retry_after_ms; /* 0: the host's own back-off                                        */
    leat_bytes text;         /* borrowed.  What failed, on what, why; no row data, no secret      */
    uint32_t hold_ms;        /* with OK: accepted now, but durable only this much later: the host */
                             /* gives the memory back at once and keeps the confirmation to the   */
                             /* source behind by that long (a server that syncs every N seconds). */
                             /* Should the server turn out to hold less, start says so (HOLDS_LAST */
                             /* with an older identity) and the host begins again from there.     */
    uint32_t reserved;
} leat_result;

/* ---- filling a batch ------------------------------------------------------------------------ */

typedef struct leat_arena { /* FROZEN.  Bump memory that lives as long as its batch. */
    unsigned char *cur, *end;
} leat_arena;

/* growing.  A batch being filled by a source; lent from batch_open to batch_publish. */
typedef struct leat_writer {
    uint32_t size;
    uint32_t change_size; /* bytes to take for one leat_change: the host's idea of its size */
    uint32_t change_count;
    uint32_t full;        /* 1: the host would like it published now (it has its target size) */
    uint64_t serial;      /* ascending from 1 */
    leat_arena arena;
    leat_change *first, *last;
    /* Once this batch and all before it are durable everywhere, the source may forget up to here.
     * Set by the source before batch_publish; it starts as the previous batch's value, so a batch
     * that ends inside a transaction leaves it alone.  A batch may be published with no change in
     * it, only to move this. */
    uint64_t safe_position;
} leat_writer;

/* [worker] Bytes from the room that batch_reserve made, 8-byte aligned.  Never NULL: asking for
 * more than was reserved is a bug of the plugin's. */
static inline void *leat_arena_take(leat_arena *arena, size_t size)
{
    unsigned char *p = arena->cur;
    arena->cur = p + ((size + 7u) & ~(size_t)7u);
    return p;
}

static inline size_t leat_writer_change_size(const leat_writer *writer)
{
    return writer->change_size > sizeof(leat_change) ? writer->change_size : sizeof(leat_change);
}

/* [worker] A zeroed change at the end of the batch.  Its leat_writer_change_size bytes come out of
 * the room that was reserved. */
static inline leat_change *leat_writer_append(leat_writer *writer)
{
    size_t size = leat_writer_change_size(writer);
    leat_change *change = (leat_change *)leat_arena_take(&writer->arena, size);
    memset(change, 0, size);
    if (writer->last)
        writer->last->next = change;
    else
        writer->first = change;
    writer->last = change;
    writer->change_count++;
    return change;
}

/* ---- what the host gives -------------------------------------------------------------------- */

enum { LEAT_LOG_ERROR = 0, LEAT_LOG_WARN, LEAT_LOG_INFO, LEAT_LOG_DEBUG };

enum { LEAT_FIELD_STRING = 0, LEAT_FIELD_INT, LEAT_FIELD_UINT, LEAT_FIELD_LSN, LEAT_FIELD_BYTES };

typedef struct leat_field { /* FROZEN.  One key=value of a log line. */
    const char *name;
    uint32_t kind, reserved;
    int64_t number;
    const char *string; /* NUL-terminated, unless BYTES, where number is its length */
} leat_field;

#define LEAT_F_STR(name, value) { (name), LEAT_FIELD_STRING, 0, 0, (value) }
#define LEAT_F_INT(name, value) { (name), LEAT_FIELD_INT, 0, (int64_t)(value), NULL }
#define LEAT_F_UINT(name, value) { (name), LEAT_FIELD_UINT, 0, (int64_t)(value), NULL }
#define LEAT_F_LSN(name, value) { (name), LEAT_FIELD_LSN, 0, (int64_t)(value), NULL }
#define LEAT_F_BYTES(name, value) { (name), LEAT_FIELD_BYTES, 0, (int64_t)(value).len, (value).ptr }

typedef struct leat_pair { /* FROZEN */
    const char *name, *value;
} leat_pair;

typedef struct leat_pairs { /* FROZEN.  What an option of type PAIRS fills. */
    const leat_pair *items;
    size_t count;
} leat_pairs;

typedef struct leat_strings { /* FROZEN.  What an option of type STRINGS fills. */
    const char *const *items;
    size_t count;
} leat_strings;

/* growing.  What a source knows of its origin once it has reached it. */
typedef struct leat_origin {
    uint32_t size;
    uint32_t fact_count;
    uint64_t position;      /* the stream begins behind this: all up to it is durable already */
    const char *name_space; /* of the identities; PostgreSQL: the slot's name */
    const leat_pair *facts; /* what must be the same after a restart; kept in the state file */
    uint64_t newest;        /* nothing newer than this exists there now; 0: it cannot tell */
} leat_origin;

typedef struct leat_host { /* growing; static for the instance, until destroy returns */
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const char *pipeline; /* names from the configuration */
    const char *instance;
    /* [worker] Readable (poll(2): POLLIN) when the host wants its thread back: return from poll
     * soon.  The host resets it.  -1 where the host has no thread (a test). */
    int32_t wake_fd;
    uint32_t max_delay_us; /* sources: publish a batch when its first change is older; 0: no wish */
    /* [any] A fixed message and its fields.  The host adds time, names and level, escapes, and
     * counts repeats instead of printing them.  No row data, no secret.  All borrowed. */
    void (*log)(const struct leat_host *, int32_t level, const char *message,
                const leat_field *fields, size_t field_count);
    /* [any] CLOCK_MONOTONIC in nanoseconds (a test's own clock in a test). */
    int64_t (*now_ns)(const struct leat_host *);
    /* [any] Asks for a poll of this instance soon. */
    void (*wake)(const struct leat_host *);
    /* [any] Optional services by name ("leat.metrics/1", "com.acme.x/2").  NULL when unknown.
     * The result is static. */
    const void *(*extension)(const struct leat_host *, const char *id);

    /* Sinks only.
     * [any] Gives a lent batch back, exactly once per accepted submit.  May run before that submit
     * has returned.  Order matters: after an error for one batch every later lent batch is to be
     * given back with an error too (ERETRY), and submit says AGAIN to all that comes behind the
     * failed record, until that one has been offered again. */
    void (*batch_done)(const struct leat_host *, uint64_t token, const leat_result *);

    /* Sources only, all [worker].
     * The origin was reached: called once a successful (re)connection, before the first batch of
     * it.  Borrowed. */
    void (*begin)(const struct leat_host *, const leat_origin *);
    /* AGAIN is back-pressure: wait for wake_fd or the next poll.  The writer is lent until
     * batch_publish.  At most one is open. */
    leat_status (*batch_open)(const struct leat_host *, leat_writer **out);
    /* Makes room for `size` contiguous bytes (each take rounds up to 8) in writer->arena.
     * AGAIN: no memory now: publish what it holds, and wait.  EREJECT: more than can ever fit;
     * the error's text says how much there is.  What was taken before stays where it is. */
    leat_status (*batch_reserve)(const struct leat_host *, leat_writer *, size_t size, leat_error *);
    void (*batch_publish)(const struct leat_host *, leat_writer *);
    /* 1 while every sink's worker has work waiting: filling the open batch further costs nobody
     * any latency then. */
    int32_t (*sinks_busy)(const struct leat_host *);
    /* Nothing of interest lies between the last published change and here: safe_position for a
     * stream that is idle. */
    void (*idle_position)(const struct leat_host *, uint64_t position);
    /* Asks that what is durable be recorded now, not at the next interval: the origin asked. */
    void (*confirm_soon)(const struct leat_host *);
} leat_host;

/* [worker] Room in the open batch, with a quick way where there is some. */
static inline leat_status leat_writer_reserve(const leat_host *host, leat_writer *writer, size_t size,
                                              leat_error *error)
{
    if ((size_t)(writer->arena.end - writer->arena.cur) >= size)
        return LEAT_OK;
    return host->batch_reserve(host, writer, size, error);
}

/* An extension of the host.  Secrets change while the daemon runs: ask for them at each connect. */
#define LEAT_EXTENSION_SECRETS "leat.secrets/1"

typedef struct leat_secrets { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    /* [worker] The value, as of now, of an option of this instance that is a secret or holds a
     * ${file:...} or ${credential:...}; an entry of a mapping is "properties.NAME".  OK; ERETRY: its
     * file or variable is missing now; ECONFIG: no such option was set, or out_size is too small.  Whatever it
     * returns, out is NUL-terminated (and empty, unless OK). */
    leat_status (*current)(const leat_host *, const char *option_name, char *out, size_t out_size);
} leat_secrets;

/* An extension of the host for sources: what `leat status` and the admin endpoint show. */
#define LEAT_EXTENSION_STATUS "leat.status/1"

enum {
    LEAT_STATE_STARTING = 0, /* nothing was tried yet                                            */
    LEAT_STATE_CONNECTING,   /* on the way to the origin                                         */
    LEAT_STATE_STREAMING,    /* reading; leat_host.begin sets it                                 */
    LEAT_STATE_WAITING,      /* the origin is there, but somebody else has it (a slot in use)    */
    LEAT_STATE_BACKING_OFF,  /* the origin could not be reached, the next try comes by itself    */
    LEAT_STATE_FAILED        /* for good: the pipeline stops                                     */
};

typedef struct leat_reporting { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    /* [worker] The state has changed.  detail: what it waits for or what went wrong, borrowed, no
     * secret; NULL: nothing to add. */
    void (*state)(const leat_host *, int32_t state, const char *detail);
    /* [worker] Bytes that have come from the origin since the last call, and the newest position
     * that it has sent (0: as before).  Meant to be called once a read, not once a message. */
    void (*received)(const leat_host *, uint64_t bytes, uint64_t position);
} leat_reporting;

/* An extension of the host for sources that watch over how much their origin has to keep for them:
 * the way to give up a sink that holds everything back, before the origin gives up all of them. */
#define LEAT_EXTENSION_GUARD "leat.guard/1"

typedef struct leat_guard { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    /* [worker] Which sink holds the confirmation back: the one that has given back the fewest
     * batches while some are out.  name: NUL-terminated, cut to name_size (64 is always enough).
     * OK; AGAIN: none does now, name is empty.  Changes nothing. */
    leat_status (*behind)(const leat_host *, char *name, size_t name_size);
    /* [worker] Drops that sink: from now on nothing waits for it and it gets nothing, what it has
     * not made durable is missing in it, and its last durable identity stays in the state file,
     * marked as dropped.  It comes back by an operator's command only, which has to accept the gap
     * where there is one.  `why` is for the log and the status, borrowed, no secret.  What it had is
     * given back a moment later: durable positions come through progress, as ever.
     * OK: `name` is the sink that was dropped.  AGAIN: no sink holds anything back now.  EREJECT:
     * it is the last one that is left, which is never dropped: `name` says which it is.  To be
     * called again only once progress has shown no effect for a while: it would drop the next one. */
    leat_status (*drop_sink)(const leat_host *, const char *why, char *name, size_t name_size);
} leat_guard;

/* An extension of the host: figures of an instance's own, shown in /status and in /metrics, as
 * leat_sink_NAME or leat_source_NAME with the labels pipeline, sink and the metric's own. */
#define LEAT_EXTENSION_METRICS "leat.metrics/1"

enum { LEAT_METRIC_COUNTER = 1, LEAT_METRIC_GAUGE };

/* The name of one that several plugins give, as seconds since 1970; its label "certificate" says
 * which: server, client, ca. */
#define LEAT_METRIC_CERTIFICATE "tls_certificate_expiry_timestamp_seconds"
#define LEAT_METRIC_CERTIFICATE_HELP "When a certificate in use ends, in seconds since 1970."

typedef struct leat_metrics { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    /* [main] in create, or [worker].  A number for set; the same one for the same name and label
     * again; -1: no room, or a wrong name: a-z, 0-9 and _, with units of Prometheus (_seconds,
     * _bytes), and a counter, only a counter, ends in _total.  At most one label, of a-z, 0-9 and
     * _, or NULL.  All texts static. */
    int32_t (*declare)(const leat_host *, uint32_t kind, const char *name, const char *label,
                       const char *label_value, const char *help);
    /* [any] Never called: not shown.  A counter is set to its new total. */
    void (*set)(const leat_host *, int32_t metric, double value);
} leat_metrics;

/* An extension of the host for sources whose origin may have been moved on by another daemon of the
 * same configuration, which died: its sinks are ours, and know. */
#define LEAT_EXTENSION_PROOF "leat.proof/1"

typedef struct leat_proof { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    /* [worker] To be called before leat_host.begin.  What lies between the recorded position and
     * this one will not come again.  Each sink has to show when it starts that it holds all up to
     * here; one that does not, or cannot tell, ends the pipeline with exit code 65 and with `why`.
     * Until all have, nothing is recorded and no durable position reaches progress.  Borrowed. */
    void (*demand)(const leat_host *, uint64_t position, const char *why);
} leat_proof;

/* An extension of the host: a command of the configuration, run beside the stream.  A plugin itself
 * never forks. */
#define LEAT_EXTENSION_COMMAND "leat.command/1"

typedef struct leat_commands { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    /* [any] Runs `command` with /bin/sh -c and returns at once.  Values reach it as variables of
     * its environment, never as part of its text: environment, and besides PATH, HOME, LANG and TZ.
     * Its input is empty, its output goes where the log goes, its process group is killed after
     * timeout_ms.  How it ended is logged.  All borrowed.
     * OK: it is on its way.  AGAIN: this pipeline's last one still runs, nothing was begun. */
    leat_status (*run)(const leat_host *, const char *command, const leat_pair *environment,
                       size_t count, int64_t timeout_ms);
} leat_commands;

/* An extension of the host of a debug build: named stages at which a test makes the daemon die. */
#define LEAT_EXTENSION_STAGES "leat.stage/1"

typedef struct leat_stages { /* growing; static */
    uint32_t size;
    uint32_t reserved;
    void (*pass)(const char *stage); /* [any] */
} leat_stages;

/* ---- checking a configuration without running it -------------------------------------------- */

enum { LEAT_FINDING_OK = 0, LEAT_FINDING_NOTE, LEAT_FINDING_WARNING, LEAT_FINDING_ERROR };

struct leat_source_start;

typedef struct leat_check { /* growing.  Given to check; everything reported is borrowed. */
    uint32_t size;
    int32_t deadline_ms; /* for the whole of it */
    void *context;
    /* text: what was found, on what.  fix: the command or SQL that mends it, or NULL.
     * exit_code: what `leat check` should end with for an ERROR (69 unreachable, 77 permission,
     * 78 configuration, 65 a gap, 73 cannot create; 0 otherwise). */
    void (*report)(struct leat_check *, int32_t severity, int32_t exit_code, const char *text,
                   const char *fix);
    leat_strings routes; /* of a sink: its route templates, for what they name.  May be empty */
    /* Of a source: what its start would be given now; borrowed.  NULL: no run was recorded, or that
     * cannot be read.  A daemon that runs may be ahead of it. */
    const struct leat_source_start *known;
} leat_check;

/* Takes text that a command prints, in pieces. */
typedef struct leat_output { /* growing */
    uint32_t size;
    uint32_t json; /* 1: write one JSON value instead of text for people */
    void *context;
    void (*write)(struct leat_output *, const char *text, size_t len);
} leat_output;

/* ---- what a sink is ------------------------------------------------------------------------- */

typedef struct leat_sink leat_sink; /* the plugin's own, opaque to the host */

enum {
    LEAT_SINK_WANTS_KEY = 1u << 0,    /* fill leat_record.key                                    */
    LEAT_SINK_WANTS_ID = 1u << 1,     /* fill leat_record.id                                     */
    LEAT_SINK_LINES = 1u << 2,        /* a newline behind each value (not for binary formats)    */
    LEAT_SINK_OUT_OF_ORDER = 1u << 3, /* may finish batch n+1 before n                           */
    LEAT_SINK_RAW_ROWS = 1u << 4      /* does not look at value: do not encode it                */
};

/* FROZEN.  How names become part of a route.  A byte of a name that is not in `allowed` is written
 * as `escape` and two hexadecimal digits; an empty name is written as `escape` alone.  `escape`
 * itself must not be in `allowed`. */
typedef struct leat_route_rules {
    const char *allowed;  /* NUL-terminated list of bytes that names may hold as they are */
    const char *literal;  /* and the bytes that the template's own text may hold (separators) */
    char escape;
    char reserved[3];
    uint32_t max_length;  /* of a resolved route, in bytes */
    uint32_t required;    /* 1: the configuration must have `route` or `routes` */
    const char *fallback; /* the template used when none is configured, or NULL */
} leat_route_rules;

/* What a sink says of itself when it has started. */
enum {
    LEAT_HOLDS_UNKNOWN = 0, /* it cannot tell: everything not known durable is offered again      */
    LEAT_HOLDS_NOTHING,     /* it is empty                                                        */
    LEAT_HOLDS_LAST,        /* everything up to `last` is durable in it; the host skips that      */
    LEAT_HOLDS_SELF         /* it skips by itself what it has, and reports that as durable        */
};

typedef struct leat_sink_start { /* growing */
    uint32_t size;
    uint32_t holds;           /* out */
    leat_identity last;       /* out, with LEAT_HOLDS_LAST */
    const char *name_space;   /* in: of the identities.  Static for the instance */
    uint32_t known;           /* in: 1 when `durable` is the last identity that this sink is known */
    uint32_t reserved;        /*     to have made durable (0: nothing is known of it)             */
    leat_identity durable;    /* in */
    const char *format;       /* in: of the values, "json" or "msgpack".  Static */
    uint32_t hold_ms;         /* out, with LEAT_HOLDS_LAST: what it holds may be durable only this */
                              /* much later (see leat_result.hold_ms): confirmation waits as long  */
    uint32_t reserved_end;
} leat_sink_start;

typedef struct leat_sink_ops { /* growing */
    uint32_t size;
    uint32_t caps;
    const leat_route_rules *route; /* static.  NULL: this sink has no routes */
    /* [main] config points at this plugin's own struct, filled from its option table; static until
     * destroy.  No I/O here.  On failure *out may be set (destroy is called on it) or NULL. */
    leat_status (*create)(const leat_host *, const void *config, leat_sink **out, leat_error *);
    /* [worker] Connect, mend, find out what is held.  AGAIN: still at it, call again after poll.
     * ERETRY: call stop, then start again after a back-off.  Called again after every stop. */
    leat_status (*start)(leat_sink *, leat_sink_start *, leat_error *);
    /* [worker] OK: the batch is lent, until batch_done(token).  AGAIN: not taken, offer it again
     * after a poll or a wake.  Batches come in stream order. */
    leat_status (*submit)(leat_sink *, const leat_batch *);
    /* [worker] Drive the client library, at most max_wait_ms (-1: until wake_fd), returning early
     * when wake_fd is readable.  Group commit belongs here: the host calls it with 0 when it has no
     * more to submit, and then to wait.  OK; or ERETRY: the instance has lost its server, every
     * lent batch counts as given back with ERETRY: the host calls stop, then start; or EFATAL,
     * ECONFIG.  NULL: the host waits by itself. */
    leat_status (*poll)(leat_sink *, int32_t max_wait_ms, leat_error *);
    /* [worker] Finish what is lent, or give up at the deadline (milliseconds from now; 0: at once).
     * After it returns the plugin touches neither host nor batches until start; what was never
     * given back counts as ERETRY. */
    leat_status (*stop)(leat_sink *, uint32_t deadline_ms);
    /* [main] Frees everything create made.  NULL is allowed and does nothing. */
    void (*destroy)(leat_sink *);
    /* [main] Optional; mirrors leat_host.extension. */
    const void *(*extension)(leat_sink *, const char *id);
    /* [main] Optional.  Tries everything that config names and changes nothing. */
    void (*check)(const void *config, leat_check *);
} leat_sink_ops;

/* ---- what a source is ----------------------------------------------------------------------- */

typedef struct leat_source leat_source;

/* leat_source_ops.caps: this source understands leat_source_start.watch.  A host never asks another
 * one to watch, since it would take it for a run. */
enum { LEAT_SOURCE_WATCHES = 1u << 0 };

/* To watch is to read beside a daemon that runs, for `leat tail`: nothing that the origin keeps for
 * that daemon is moved, made or left behind, and what the watcher itself needs there dies with its
 * connection.  A lost connection, or an output that stands still, ends it. */
enum {
    LEAT_WATCH_NO = 0,
    LEAT_WATCH_NOW,        /* from now on                                                        */
    LEAT_WATCH_UNCONFIRMED /* from where the daemon's place at the origin is                     */
};

/* growing.  What is known of earlier runs. */
typedef struct leat_source_start {
    uint32_t size;
    uint32_t fact_count;
    const leat_pair *facts; /* of the leat_origin then; borrowed */
    uint64_t position;      /* all up to here is durable everywhere; 0: no earlier run is known */
    uint32_t watch;         /* LEAT_WATCH_...; not NO only where caps has LEAT_SOURCE_WATCHES */
    uint32_t reserved;
} leat_source_start;

typedef struct leat_progress { /* growing */
    uint32_t size;
    uint32_t reserved;
    uint64_t durable_position; /* all up to here is durable everywhere and recorded on disk: the   */
                               /* origin may be told.  0: nothing yet                              */
    uint64_t returned_serial;  /* every batch up to this serial has been given back                */
} leat_progress;

typedef struct leat_source_ops { /* growing */
    uint32_t size;
    uint32_t caps;
    /* [main] as a sink's. */
    leat_status (*create)(const leat_host *, const void *config, leat_source **out, leat_error *);
    /* [worker] Called once before the first poll.  Connecting may be left to poll. */
    leat_status (*start)(leat_source *, const leat_source_start *, leat_error *);
    /* [worker] Connect, read, fill and publish batches; wait at most max_wait_ms (-1: until
     * wake_fd).  A lost connection is the source's own to mend, with back-off.  OK; EOF;
     * ECONFIG, EREJECT, EFATAL: the pipeline stops for the reason in *error; or ERETRY: the origin is
     * not what it was, for the reason in *error: the host makes the source and its sinks anew, and
     * begins where it recorded last. */
    leat_status (*poll)(leat_source *, int32_t max_wait_ms, leat_error *);
    /* [worker] Called between polls when something moved. */
    void (*progress)(leat_source *, const leat_progress *);
    /* [worker] No more poll.  Tell the origin the last durable position, close.  Batches that are
     * still out, and their relations, stay valid until destroy. */
    leat_status (*stop)(leat_source *, uint32_t deadline_ms);
    void (*destroy)(leat_source *);                          /* [main] NULL does nothing */
    const void *(*extension)(leat_source *, const char *id); /* [main] optional */
    /* [main] Optional, as a sink's. */
    void (*check)(const void *config, leat_check *);
    /* [main] Optional: `leat setup`: what an administrator of the origin has to run. */
    leat_status (*setup)(const void *config, leat_output *, leat_error *);
    /* [main] Optional: `leat slot create|drop|show`. */
    leat_status (*slot)(const void *config, const char *verb, leat_output *, leat_error *);
} leat_source_ops;

/* ---- configuration, declared once ----------------------------------------------------------- */

enum {
    LEAT_OPT_STRING = 1,  /* const char *: NULL when absent and without default                  */
    LEAT_OPT_INT,         /* int64_t                                                             */
    LEAT_OPT_BOOL,        /* bool                                                                */
    LEAT_OPT_DURATION_MS, /* int64_t milliseconds, written 250ms, 5s, 10m, 2h, 7d                */
    LEAT_OPT_SIZE,        /* int64_t bytes, written 512, 64KiB, 10MiB, 1GiB, also kB, MB, GB     */
    LEAT_OPT_ENUM,        /* int64_t: the index into choices                                     */
    LEAT_OPT_STRINGS,     /* leat_strings: one scalar or a list of scalars                       */
    LEAT_OPT_PAIRS        /* leat_pairs: a mapping of scalars, names as the user likes           */
};
enum {
    LEAT_OPT_REQUIRED = 1u << 0,
    LEAT_OPT_SECRET = 1u << 1,     /* never logged, never shown                                  */
    LEAT_OPT_RELOADABLE = 1u << 2, /* may change without recreating the instance                 */
    LEAT_OPT_DEPRECATED = 1u << 3, /* help says what replaced it                                 */
    LEAT_OPT_ALONE = 1u << 4,      /* STRING, STRINGS: no two instances of this plugin may have  */
                                   /* the same (of lists: an entry in common), in all options    */
                                   /* with this flag together.  Unset: shared with nobody        */
    LEAT_OPT_PATH = 1u << 5        /* STRING: a path.  With ALONE it is compared by where it     */
                                   /* leads, and one inside the other is the same                */
};

typedef struct leat_option { /* growing, by leat_plugin.option_stride */
    const char *name;           /* "batch.max_delay" is max_delay in the mapping batch */
    const char *dflt;           /* in YAML spelling; shown in the manual exactly so.  NULL: none */
    const char *help;           /* one sentence */
    const char *const *choices; /* NULL-terminated, for ENUM */
    int64_t min, max;           /* both 0: no bound.  STRINGS: of the count */
    uint32_t offset, type, flags, reserved;
} leat_option;

/* The member's C type is checked against the option's type where the language allows. */
#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define LEAT_OFFSET(T, m, C) _Generic(((T *)0)->m, C: (uint32_t)offsetof(T, m))
#else
#define LEAT_OFFSET(T, m, C) ((uint32_t)offsetof(T, m))
#endif
#define LEAT_OPTION_STRING(name_, T, m, dflt_, flags_, help_) \
    { name_, dflt_, help_, NULL, 0, 0, LEAT_OFFSET(T, m, const char *), LEAT_OPT_STRING, flags_, 0 }
#define LEAT_OPTION_INT(name_, T, m, dflt_, min_, max_, flags_, help_) \
    { name_, dflt_, help_, NULL, min_, max_, LEAT_OFFSET(T, m, int64_t), LEAT_OPT_INT, flags_, 0 }
#define LEAT_OPTION_BOOL(name_, T, m, dflt_, flags_, help_) \
    { name_, dflt_, help_, NULL, 0, 0, LEAT_OFFSET(T, m, bool), LEAT_OPT_BOOL, flags_, 0 }
#define LEAT_OPTION_DURATION(name_, T, m, dflt_, min_, max_, flags_, help_) \
    { name_, dflt_, help_, NULL, min_, max_, LEAT_OFFSET(T, m, int64_t), LEAT_OPT_DURATION_MS, flags_, 0 }
#define LEAT_OPTION_SIZE(name_, T, m, dflt_, min_, max_, flags_, help_) \
    { name_, dflt_, help_, NULL, min_, max_, LEAT_OFFSET(T, m, int64_t), LEAT_OPT_SIZE, flags_, 0 }
#define LEAT_OPTION_ENUM(name_, T, m, dflt_, choices_, flags_, help_) \
    { name_, dflt_, help_, choices_, 0, 0, LEAT_OFFSET(T, m, int64_t), LEAT_OPT_ENUM, flags_, 0 }
#define LEAT_OPTION_STRINGS(name_, T, m, dflt_, flags_, help_) \
    { name_, dflt_, help_, NULL, 0, 0, LEAT_OFFSET(T, m, leat_strings), LEAT_OPT_STRINGS, flags_, 0 }
#define LEAT_OPTION_PAIRS(name_, T, m, flags_, help_) \
    { name_, NULL, help_, NULL, 0, 0, LEAT_OFFSET(T, m, leat_pairs), LEAT_OPT_PAIRS, flags_, 0 }

/* ---- the one exported symbol ---------------------------------------------------------------- */

enum { LEAT_KIND_SINK = 1, LEAT_KIND_SOURCE = 2 };

typedef struct leat_plugin {
    /* FROZEN preamble: these 16 bytes mean the same in every major version, for ever. */
    uint32_t magic;
    uint16_t abi_major, abi_minor; /* what the plugin was compiled against             */
    uint32_t size;
    uint16_t abi_minor_needed;     /* the oldest host minor it can live with           */
    uint16_t kind;
    /* growing; all static */
    const char *name, *version, *license, *summary;
    const void *ops; /* leat_sink_ops or leat_source_ops, by kind */
    const leat_option *options;
    uint32_t option_count, option_stride, config_size, reserved;
    /* [main] "libpq 15.10": the libraries it runs with, for `leat version --verbose`.  May be NULL. */
    const char *(*libraries)(void);
} leat_plugin;

extern LEAT_EXPORT const leat_plugin leat_plugin_v1;

/* A note in the file itself: package tools and the loader read it without running code. */
#if defined(__ELF__) && defined(__GNUC__)
#define LEAT_ELF_NOTE(needed)                                                            \
    __attribute__((used, section(".note.leat.abi"), aligned(4))) static const struct {   \
        uint32_t name_size, desc_size, type;                                             \
        char name[8];                                                                    \
        uint32_t major, minor, minor_needed;                                             \
    } leat_elf_note = { 5, 12, 1, "LEAT", LEAT_ABI_MAJOR, LEAT_ABI_MINOR, (needed) }
#endif

#ifdef __cplusplus
}
#endif
#endif /* LEAT_PLUGIN_H */
