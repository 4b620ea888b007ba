/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.h -- a decoder with a fake host and a fake catalogue, and shorthands to feed it.
 */
#ifndef LEAT_TESTS_DECODE_FIXTURE_H
#define LEAT_TESTS_DECODE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decoder.h"
#include "fake_source_host.h"
#include "wire.h"

struct fixture {
    struct fake_source_host fake;
    struct decoder_options options;
    struct decoder *decoder;
    leat_error error;
    /* the catalogue */
    struct type_info types[32]; /* of oid 20000 + index */
    struct relation_info relation;
    char key_names[4][64];
    uint32_t type_asked, relation_asked;
    leat_status answer; /* of the next question, if not OK */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A new decoder with the fixture's options. */
void fixture_restart(struct fixture *f);

/* Feeds and frees the message. */
leat_status fixture_try(struct fixture *f, struct wire *wire);
void fixture_ok(struct fixture *f, struct wire *wire);
void fixture_fatal(struct fixture *f, struct wire *wire, const char *text);

void feed_begin_ok(struct fixture *f, uint64_t lsn);
void feed_commit_ok(struct fixture *f, uint64_t lsn, uint64_t end);
void feed_relation_ok(struct fixture *f, uint32_t oid, char identity, const char *columns);
void feed_insert_ok(struct fixture *f, uint32_t oid, uint32_t count, const char *const *values);

/* Publishes, and gives the n-th change of all that was published. */
const leat_change *fixture_change(struct fixture *f, size_t n);
size_t fixture_count(struct fixture *f);

void assert_value(const leat_value *value, uint32_t kind, const char *text);

/* Where in its transaction a change stands: of no interest to most tests. */
#define FIXTURE_TX (LEAT_CHANGE_TX_FIRST | LEAT_CHANGE_TX_LAST)

#define ROW(...)                                                                                   \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

#endif
