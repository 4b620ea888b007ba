/* SPDX-License-Identifier: Apache-2.0
 *
 * tail.h -- finds out what of a segment is whole after a crash, and mends the rest.
 *
 * Scanning reads only.  It begins near the end of the file, in bounded memory, also when one record
 * fills it: for JSON lines at the start of the last line, and when that is newer than what is
 * known durable, as far back as bytes can be that were never synced; for zstd at the last frame,
 * and so on; for MessagePack, which cannot be read backwards, at the start.
 *
 * Mending is safe at every step, because it only ever cuts what no record that counts stands in,
 * and then appends the end of a frame that was left open: done again after a crash it does the
 * same, or the part that was missing.
 *
 * [worker]; leat check only scans [main].
 */
#ifndef FILE_TAIL_H
#define FILE_TAIL_H

#include "frame.h"
#include "record.h"

struct tail {           /* Invariant: keep <= size */
    uint64_t size;      /* of the file */
    uint64_t keep;      /* bytes of it that hold whole records that count */
    leat_identity last; /* the highest of them; with any */
    bool any;
    bool overlap;     /* what is cut begins with a whole record past the bound */
    bool damaged;     /* what is cut holds a record that was known durable */
    uint8_t close[7]; /* zstd: what ends the frame that is open at keep */
    uint8_t close_len;
};

struct tail_scanner; /* the memory for it */

struct tail_scanner *tail_scanner_create(void);          /* NULL: no memory */
void tail_scanner_destroy(struct tail_scanner *scanner); /* NULL is allowed */

/* `unsynced`: bytes that can stand behind the last sync.  0; or -1 with errno: a read failed. */
int tail_scan(struct tail_scanner *scanner, const struct io *io, int fd,
              const struct segment_name *name, const struct record_limits *limits,
              uint64_t unsynced, struct tail *tail);

/* Cuts and closes; then the file has *size bytes.  Does not sync.  0, or -1 with errno. */
int tail_mend(const struct io *io, int fd, const struct tail *tail, uint64_t *size);

#endif
