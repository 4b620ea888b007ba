/* SPDX-License-Identifier: Apache-2.0
 *
 * wal.h -- positions in the WAL, as two types that do not mix.  [any]
 *
 * What was seen on the wire must never be confirmed to PostgreSQL as durable; that mistake lost
 * transactions in several other programs.  So "seen" and "durable" are different C types, and no
 * function here turns the first into the second.
 */
#ifndef LEAT_PGOUTPUT_WAL_H
#define LEAT_PGOUTPUT_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wal_seen {
    uint64_t lsn;
} wal_seen;

typedef struct wal_durable {
    uint64_t lsn;
} wal_durable;

#define WAL_TEXT 24 /* "FFFFFFFF/FFFFFFFF" and its NUL, with room to spare */

/* Writes an LSN as PostgreSQL does; returns out. */
const char *wal_print(uint64_t lsn, char out[WAL_TEXT]);

/* Reads one that fills the whole string.  False leaves *out alone. */
bool wal_parse(const char *text, uint64_t *out);

/* Big-endian, as the protocol has it. */
uint64_t wal_get64(const char *bytes);
void wal_put64(char *bytes, uint64_t value);

#endif
