/* SPDX-License-Identifier: Apache-2.0
 *
 * decoder.h -- pgoutput messages in, changes of the neutral value model out.  [worker]
 *
 * The decoder owns the open batch, the relations, the transaction it is in, and the identity of the
 * last change it handed over, so that a stream which begins again earlier (a reconnection) is
 * skipped up to there.  It knows no socket: it is fed one CopyData payload's pgoutput message at a
 * time, and asks the catalogue through the functions of decoder_catalog.
 */
#ifndef LEAT_PGOUTPUT_DECODER_H
#define LEAT_PGOUTPUT_DECODER_H

#include <leat/plugin.h>

/* A transactional message of ours, which moves an idle database's slot.  It is counted like every
 * message and never handed over. */
#define HEARTBEAT_PREFIX "leat"
#define HEARTBEAT_CONTENT "heartbeat"

enum type_class {
    TYPE_GONE = 0,  /* no such type any more: its text                  */
    TYPE_BASE,      /* its text, unless a kind is known for the oid      */
    TYPE_DOMAIN,    /* as `element`                                      */
    TYPE_ARRAY,     /* of `element`, separated by `delimiter`            */
    TYPE_COMPOSITE, /* of `attributes`                                   */
    TYPE_ENUM,      /* its text                                          */
    TYPE_OTHER      /* ranges, multiranges, pseudo: its text             */
};

#define TYPE_ATTRIBUTES_MAX 1664 /* MaxTupleAttributeNumber */

struct type_attribute {
    char name[64]; /* NAMEDATALEN, NUL-terminated */
    uint32_t type;
};

/* What the catalogue says of one type.  The attributes are the callee's memory, valid until the
 * next call into the catalogue: copy what is kept. */
struct type_info {
    enum type_class class;
    uint32_t element;
    char delimiter;
    const struct type_attribute *attributes;
    uint32_t attribute_count;
};

/* What the catalogue says of one relation, asked for when its replica identity is FULL. */
struct relation_info {
    const char (
        *key_names)[64]; /* primary key columns, in column order; callee's memory, as above */
    uint32_t key_count;  /* 0: none */
    bool old_row_untrue; /* a partitioned root over leaves of another identity: the old
                                  * row's other columns are falsely null */
};

struct decoder_catalog {
    void *context;
    /* OK; ERETRY with *error: the catalogue cannot be reached now (the stream has to be begun
     * again later); EFATAL with *error. */
    leat_status (*type)(void *context, uint32_t oid, struct type_info *out, leat_error *error);
    leat_status (*relation)(void *context, uint32_t oid, struct relation_info *out,
                            leat_error *error);
};

enum { DECODE_JSON_NESTED = 0, DECODE_JSON_TEXT };
enum { DECODE_ARRAY_NESTED = 0, DECODE_ARRAY_TEXT };
enum { DECODE_COMPOSITE_TEXT = 0, DECODE_COMPOSITE_NESTED };

struct decoder_options {
    int64_t json, array, composite;
    int64_t types_max;     /* types kept in the cache of looked-up types */
    int64_t relations_max; /* relations of one connection; more is EFATAL with a text */
};

struct decoder;

struct decoder *decoder_create(const leat_host *host, const struct decoder_options *options,
                               const struct decoder_catalog *catalog);
void decoder_destroy(struct decoder *decoder); /* NULL is allowed; frees all relations */

/* A connection begins to stream: relations and types will be sent anew, what comes again up to the
 * last change that was handed over is skipped. */
void decoder_begin_stream(struct decoder *decoder);

/* One pgoutput message.  OK: taken.  AGAIN: nothing was taken, no memory: feed the same again after
 * a wake-up (the open batch has been published, if it held a change).  ERETRY: the catalogue, see above, nothing taken.
 * EREJECT: a row that can never fit: error names table, LSN, size and what to do.  EFATAL: the
 * message is not pgoutput (offset and first 32 bytes in hex): end the connection. */
leat_status decoder_feed(struct decoder *decoder, const char *message, size_t size,
                         leat_error *error);

/* Publishes what is open, if there is anything.  Its safe position is the end of the last whole
 * transaction; a Commit that finds nothing open tells the host's idle_position by itself. */
void decoder_flush(struct decoder *decoder);

/* True when the open batch holds something, and when its first change was taken (now_ns). */
bool decoder_pending(const struct decoder *decoder, int64_t *since_ns);

bool decoder_in_transaction(const struct decoder *decoder);

/* The end LSN of the last whole transaction that was handed over (or passed without a change for
 * us); 0: none yet.  A reconnection starts there. */
uint64_t decoder_restart_position(const struct decoder *decoder);

/* The serial of the last batch that was published; 0: none yet. */
uint64_t decoder_published(const struct decoder *decoder);

/* Every batch up to the serial was given back: retired relations are freed. */
void decoder_returned(struct decoder *decoder, uint64_t serial);

/* Changes handed over since create. */
uint64_t decoder_change_count(const struct decoder *decoder);

#endif
