/* SPDX-License-Identifier: Apache-2.0
 *
 * clauses.h -- the contract in numbered clauses: what docs/plugins.md prints as C-01, C-02, ...
 * [any]
 *
 * A number never changes its meaning and is never used again; new clauses come at the end of a
 * group.
 */
#ifndef CHECK_CLAUSES_H
#define CHECK_CLAUSES_H

enum clause {
    C_DESCRIPTOR = 1,
    C_OPTIONS = 2,
    C_LOADING = 3,
    C_CREATE = 4,
    C_DESTROY = 5,
    C_STATUS = 6,
    C_TEXT = 7,
    C_ONCE = 8,
    C_ANSWER = 9,
    C_DURABLE = 10,
    C_READ_ONLY = 11,
    C_LIFE = 12,
    C_BOUNDS = 13,
    C_FREE = 14,
    C_AGAIN = 15,
    C_ORDER = 16,
    C_COUNT = 17,
    C_RETRY = 18,
    C_STOP = 19,
    C_SILENCE = 20,
    C_WAITING = 21,
    C_RETURN = 22,
    C_ENDING = 23,
    C_PROCESS = 24,
    C_OUTPUT = 25,
    C_DESCRIPTORS = 26,
    C_THREADS = 27,
    C_MEMORY = 28,
    C_SECRETS = 29,
    C_GROWING = 30,
    C_EXTENSION = 31,
    C_BEGIN = 40,
    C_WRITER = 41,
    C_CALLBACK = 42,
    C_IDENTITY = 43,
    C_VALUE = 44,
    C_SAFE = 45,
    C_PRESSURE = 46,
    C_RESUME = 47,
    C_RELATION = 48,
};

/* One sentence; "?" for a number that is none. */
const char *clause_text(enum clause clause);

#endif
