/* SPDX-License-Identifier: Apache-2.0
 *
 * check.h -- what the files of leat-plugin-check share: settings, the page between the judge and
 * the process that is judged, and findings.
 *
 * Each trial runs in a forked child, because what is tried may crash, block, or end the process.
 * The child writes into one shared page which call it is in and what it found; the parent, which
 * never loads the plugin, watches the time and reports.
 */
#ifndef CHECK_H
#define CHECK_H

#include "clauses.h"

#include <leat/plugin.h>

#include <stdatomic.h>

struct plugin;

enum { FINDINGS_MAX = 32, FINDING_TEXT = 480, NOTES_MAX = 8 };

struct settings {
    const char *library, *config; /* config: NULL: none */
    const char *only;             /* one trial's name, or NULL */
    int64_t timeout_ms;           /* for everything that waits for a server */
    bool json, first;             /* first: end behind the first trial that finds something */
};

struct finding {
    enum clause clause;
    char text[FINDING_TEXT];
};

/* Shared with the child.  The counts are written by the child's threads, read by the parent. */
struct page {
    _Atomic uint32_t finding_count;
    struct finding findings[FINDINGS_MAX];
    _Atomic int64_t call_since_ns; /* 0: not inside a call of the plugin */
    _Atomic int64_t call_limit_ns;
    char call[32];      /* the newest call's name */
    _Atomic bool ended; /* the trial has come to its end by itself */
    enum clause crash;  /* what a crash in this trial means */
    char skipped[256];  /* why the trial was not made, or empty */
    /* what the first trial finds out, and what later ones go on from */
    uint32_t kind, abi_major, abi_minor, caps;
    char name[64], version[64];
    uint64_t made;         /* records of the stream that trials have used */
    uint64_t origin;       /* the position where this run's stream begins */
    leat_identity durable; /* the newest that was given back with OK */
    bool has_durable;
    bool held_back; /* some OK came with hold_ms: a sink may hold less than that for a while */
    bool held;      /* the sink said when it started that it has some of the stream */
};

extern struct page *page;
extern struct settings settings;

int64_t check_now_ns(void);

/* [any] One more finding; the same text for the same clause counts once. */
void finding(enum clause clause, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* [any] True when something was found in this trial. */
bool found_any(void);

/* Ends the child at once: whatever follows a broken clause would only be noise.  [any] */
_Noreturn void give_up(void);

#endif
