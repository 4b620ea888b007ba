/* SPDX-License-Identifier: Apache-2.0
 *
 * type.h -- what becomes of a value, by its PostgreSQL type.  [worker]
 *
 * Types of oids below 10000 are the same in every database of PostgreSQL 14 to 18 and come from a
 * table; all others are asked of the catalogue when a relation first needs them, and kept in a
 * bounded cache.  A type is immutable and counted: by the cache, by what is made of it, by
 * relations.
 */
#ifndef LEAT_PGOUTPUT_TYPE_H
#define LEAT_PGOUTPUT_TYPE_H

#include "decoder.h"

enum convert {
    CONVERT_TEXT = 0, /* as it came                                                */
    CONVERT_PLAIN,    /* as it came, and worth a look whether it needs no escapes  */
    CONVERT_BOOL,
    CONVERT_INT,
    CONVERT_INT8,
    CONVERT_FLOAT,
    CONVERT_DECIMAL,
    CONVERT_DATE,
    CONVERT_TIME,
    CONVERT_TIMESTAMP,
    CONVERT_TIMESTAMPTZ,
    CONVERT_BYTES,
    CONVERT_JSON,
    CONVERT_INT2VECTOR, /* from here on a value may grow while it is rewritten */
    CONVERT_OIDVECTOR,
    CONVERT_ARRAY,
    CONVERT_COMPOSITE
};

#define TYPE_FIRST_LOOKED_UP 10000u /* FirstGenbkiObjectId: below, oids are fixed for ever */
#define TYPE_NESTING_MAX 12         /* a type made of deeper ones is its text */

struct type_member {
    const struct type *type;
    const char *name; /* as JSON, with quotes and the colon */
    size_t name_len;
};

struct type {
    uint32_t refs; /* 0: static */
    enum convert convert;
    char delimiter;
    uint8_t nesting; /* 0, or one more than that of the deepest below; TYPE_NESTING_MAX at most */
    const struct type *element; /* of an array */
    uint32_t member_count;      /* of a composite */
    struct type_member *members;
};

struct type_builtin {
    uint32_t oid;
    enum convert convert;
    uint32_t element;
    char delimiter;
};

extern const struct type_builtin type_builtin[]; /* ascending oids */
extern const size_t type_builtin_count;

struct types;

struct types *types_create(const struct decoder_options *options,
                           const struct decoder_catalog *catalog); /* [main] NULL: no memory */
void types_destroy(struct types *types);                           /* [main] NULL is allowed */

/* The type of an oid, counted for the caller; give it back with type_give.  ERETRY and EFATAL come
 * from the catalogue. */
leat_status types_take(struct types *types, uint32_t oid, const struct type **out,
                       leat_error *error);
void type_give(const struct type *type);

/* The server has announced the type anew: what was known of it is forgotten, for later takers. */
void types_forget(struct types *types, uint32_t oid);
void types_forget_all(struct types *types);

/* LEAT_VALUE_* of the values that are neither null nor missing. */
uint32_t type_kind(const struct type *type);

#endif
