/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>

static leat_status ask_type(void *context, uint32_t oid, struct type_info *out, leat_error *error)
{
    struct fixture *f = context;
    (void)error;
    f->type_asked++;
    if (f->answer != LEAT_OK)
        return f->answer;
    *out = oid >= 20000 && oid < 20032 ? f->types[oid - 20000]
                                       : (struct type_info){.class = TYPE_GONE};
    return LEAT_OK;
}

static leat_status ask_relation(void *context, uint32_t oid, struct relation_info *out,
                                leat_error *error)
{
    struct fixture *f = context;
    (void)error;
    (void)oid;
    f->relation_asked++;
    if (f->answer != LEAT_OK)
        return f->answer;
    *out = f->relation;
    out->key_names = (const char(*)[64])f->key_names;
    return LEAT_OK;
}

void fixture_restart(struct fixture *f)
{
    struct decoder_catalog catalog = {f, ask_type, ask_relation};
    decoder_destroy(f->decoder);
    f->decoder = decoder_create(&f->fake.host, &f->options, &catalog);
    assert_non_null(f->decoder);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    fake_source_host_init(&f->fake);
    f->options.types_max = 100;
    f->options.relations_max = 100;
    f->error.size = sizeof(f->error);
    fixture_restart(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    decoder_destroy(f->decoder);
    fake_source_host_fini(&f->fake);
    free(f);
    return 0;
}

leat_status fixture_try(struct fixture *f, struct wire *wire)
{
    /* Exactly as long as it is, so that ASan sees a read behind it. */
    char *exact = malloc(wire->len ? wire->len : 1);
    leat_status status;
    memcpy(exact, wire->bytes ? wire->bytes : "", wire->len);
    status = decoder_feed(f->decoder, exact, wire->len, &f->error);
    free(exact);
    free(wire->bytes);
    *wire = (struct wire){0};
    return status;
}

void fixture_ok(struct fixture *f, struct wire *wire)
{
    leat_status status = fixture_try(f, wire);
    if (status != LEAT_OK)
        print_error("status %d: %s\n", status, f->error.text);
    assert_int_equal(status, LEAT_OK);
}

void fixture_fatal(struct fixture *f, struct wire *wire, const char *text)
{
    assert_int_equal(fixture_try(f, wire), LEAT_EFATAL);
    assert_int_equal(f->error.status, LEAT_EFATAL);
    if (!strstr(f->error.text, text))
        print_error("%s\n", f->error.text);
    assert_non_null(strstr(f->error.text, text));
}

void feed_begin_ok(struct fixture *f, uint64_t lsn)
{
    struct wire w = {0};
    wire_begin(&w, lsn, 741);
    fixture_ok(f, &w);
}

void feed_commit_ok(struct fixture *f, uint64_t lsn, uint64_t end)
{
    struct wire w = {0};
    wire_commit(&w, lsn, end);
    fixture_ok(f, &w);
}

void feed_relation_ok(struct fixture *f, uint32_t oid, char identity, const char *columns)
{
    struct wire w = {0};
    wire_relation(&w, oid, "public", "t", identity, columns);
    fixture_ok(f, &w);
}

void feed_insert_ok(struct fixture *f, uint32_t oid, uint32_t count, const char *const *values)
{
    struct wire w = {0};
    wire_row(&w, 'I', oid);
    wire_tuple(&w, 'N', count, values);
    fixture_ok(f, &w);
}

const leat_change *fixture_change(struct fixture *f, size_t n)
{
    decoder_flush(f->decoder);
    for (struct fake_batch *batch = f->fake.first; batch; batch = batch->next) {
        for (const leat_change *change = batch->writer.first; change; change = change->next) {
            if (!n--)
                return change;
        }
    }
    return NULL;
}

size_t fixture_count(struct fixture *f)
{
    decoder_flush(f->decoder);
    return f->fake.changes;
}

void assert_value(const leat_value *value, uint32_t kind, const char *text)
{
    if (value->kind != kind ||
        (text && (value->len != strlen(text) || memcmp(value->ptr, text, value->len))))
        print_error("kind %u, not %u; %.*s, not %s\n", value->kind, kind, (int)value->len,
                    value->len ? value->ptr : "", text ? text : "-");
    assert_int_equal(value->kind, kind);
    if (!text)
        return;
    assert_int_equal(value->len, strlen(text));
    assert_memory_equal(value->ptr, text, value->len);
}
