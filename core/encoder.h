/* SPDX-License-Identifier: Apache-2.0
 *
 * encoder.h -- what the files encode_*.c share: the encoder itself and the table of a format.
 *
 * [worker], but for create and destroy.  See encode.h for what it is.
 */
#ifndef LEAT_ENCODER_H
#define LEAT_ENCODER_H

#include "encode.h"
#include "relation_cache.h"

#include <locale.h>

/* One format.  value and bound as in encode.h; header writes what is equal in all records of one
 * transaction, from "lsn" up to the place of seq's digits, at most ENCODE_HEADER bytes. */
#define ENCODE_HEADER 160u
struct encode_format_ops {
    const struct relation_style *style;
    size_t (*value)(struct encoder *, const leat_change *, unsigned char *dst, size_t room);
    size_t (*bound)(struct encoder *, const leat_change *);
    unsigned char *(*header)(const struct encoder *, const leat_change *, unsigned char *dst);
};

/* The header of the last transaction, kept for its next record.  Its text depends on nothing but
 * these numbers, so that an arena which is used again cannot fool it. */
struct encode_header {
    bool set, has_transaction;
    uint32_t xid;
    uint64_t position;
    int64_t commit_us;
    size_t len;
    unsigned char text[ENCODE_HEADER];
};

struct encoder {
    struct encode_options options;
    const struct encode_format_ops *format;
    struct relation_cache *cache;      /* in the format's style */
    struct relation_cache *json_cache; /* for keys, which are JSON in any format; may be cache */
    struct encode_header header;
    locale_t c_locale; /* numbers have points, whatever the process's locale says */
};

extern const struct encode_format_ops encode_json_ops, encode_msgpack_ops;

const struct encode_header *encode_header_make(struct encoder *encoder, const leat_change *change);

static inline const struct encode_header *encode_header_get(struct encoder *encoder,
                                                            const leat_change *change)
{
    const struct encode_header *header = &encoder->header;
    const leat_transaction *transaction = change->transaction;
    if (header->set && header->position == change->identity.position &&
        header->has_transaction == (transaction != NULL) &&
        (!transaction ||
         (header->xid == transaction->xid && header->commit_us == transaction->commit_us)))
        return header;
    return encode_header_make(encoder, change);
}

/* Is there a row at all?  A message has no relation, a truncate no row. */
static inline bool encode_has_row(const leat_change *change)
{
    return change->relation != NULL && change->op != LEAT_MESSAGE && change->op != LEAT_TRUNCATE;
}

static inline const leat_value *encode_key_row(const leat_change *change)
{
    return change->relation->key_count != 0 ? change->u.row.key : NULL;
}

/* The row whose missing columns the record names. */
static inline const leat_value *encode_missing_row(const leat_change *change)
{
    return change->u.row.after ? change->u.row.after : change->u.row.before;
}

/* Microseconds since 1970 as 2026-11-22T10:00:00.123456Z; at most ENCODE_TIME bytes.  A year above
 * 9999 has more digits, one before 1 a minus sign (ISO 8601's year 0 is 1 BC). */
#define ENCODE_TIME 32u
size_t encode_time(int64_t us, char *dst);

/* {"id":7}: the columns of the relation's key, out of row.  Returns the end, NULL where the room
 * ends too early. */
unsigned char *encode_json_key(const struct encoder *encoder, const struct relation_text *text,
                               const leat_relation *relation, const leat_value *row,
                               unsigned char *at, const unsigned char *end);

/* A room with which it cannot fail. */
size_t encode_json_key_bound(const struct encoder *encoder, const struct relation_text *text,
                             const leat_relation *relation, const leat_value *row);

#endif
