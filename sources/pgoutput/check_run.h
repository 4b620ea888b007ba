/* SPDX-License-Identifier: Apache-2.0
 *
 * check_run.h -- one run of `leat check`, for its parts: check.c (the server and the role),
 * check_slot.c, check_tables.c.  [main]
 */
#ifndef LEAT_PGOUTPUT_CHECK_RUN_H
#define LEAT_PGOUTPUT_CHECK_RUN_H

#include "inquiry.h"
#include "text.h"

struct check_run {
    leat_check *check;
    const struct pgoutput_options *options;
    PGconn *conn; /* owned */
    int64_t deadline_ns;
    struct origin_facts facts;
    struct text *sql, *fix; /* owned; of the step that runs */
    char names[2048];       /* the publications as a list of SQL strings */
};

void check_report(const struct check_run *run, int32_t severity, int32_t exit_code, const char *fix,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What run->sql asks: rows of that many columns, owned by the caller.  NULL: reported. */
PGresult *check_query(const struct check_run *run, int columns);

/* check_slot.c: whether the server's timeline is the recorded one's heir, where it is another; and
 * what is to be said of the slot. */
void check_history(struct check_run *run);
void check_slot(struct check_run *run);

/* check_tables.c: the publications and what is in them. */
void check_publications(struct check_run *run);
void check_tables(struct check_run *run);

#endif
