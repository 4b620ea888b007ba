/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_print.c -- reads pgoutput messages as lines of hexadecimal digits, decodes them with the
 * real catalogue of the server at DSN, and prints each column of each new row: schema TAB table TAB
 * id TAB column TAB value as a JSON fragment where id is the text of the row's first column.  With
 * "--builtin" it prints the table of fixed types.
 *
 * decode_print DSN text|nested: what becomes of composites.
 */
#include "catalog.h"
#include "decoder.h"
#include "fake_source_host.h"
#include "type.h"

#include <stdio.h>
#include <stdlib.h>

static void print_text(const char *p, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        static const char short_of[0x20] = {
            ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 && short_of[c])
            printf("\\%c", short_of[c]);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_value(const leat_value *value)
{
    bool number = value->kind == LEAT_VALUE_FLOAT || value->kind == LEAT_VALUE_DECIMAL;
    if (value->flags & LEAT_VALUE_PLAIN) {
        for (uint32_t i = 0; i < value->len; i++)
            if (value->ptr[i] < 0x20 || value->ptr[i] == '"' || value->ptr[i] == '\\')
                abort();
    }
    switch (value->kind) {
    case LEAT_VALUE_NULL:
        printf("null");
        break;
    case LEAT_VALUE_MISSING:
        printf("missing");
        break;
    case LEAT_VALUE_BYTES:
        printf("\"\\\\x");
        for (uint32_t i = 0; i < value->len; i++)
            printf("%02x", (unsigned char)value->ptr[i]);
        putchar('"');
        break;
    default:
        if (number && (value->ptr[value->len - 1] == 'N' || value->ptr[value->len - 1] == 'y'))
            number = false;
        if (number || value->kind == LEAT_VALUE_BOOL || value->kind == LEAT_VALUE_INTEGER ||
            value->kind == LEAT_VALUE_JSON)
            printf("%.*s", (int)value->len, value->ptr);
        else
            print_text(value->ptr, value->len);
    }
}

static void print_change(const leat_change *change)
{
    const leat_relation *relation = change->relation;
    if (!relation || !change->u.row.after)
        return;
    for (uint32_t i = 0; i < relation->column_count; i++) {
        const leat_column *column = leat_relation_column(relation, i);
        const leat_value *value = &change->u.row.after[i];
        if (value->kind > LEAT_VALUE_MISSING && value->kind != column->kind)
            abort();
        printf("%.*s\t%.*s\t%.*s\t%.*s\t", (int)relation->schema.len, relation->schema.ptr,
               (int)relation->table.len, relation->table.ptr, (int)change->u.row.after[0].len,
               change->u.row.after[0].ptr, (int)column->name.len, column->name.ptr);
        print_value(value);
        putchar('\n');
    }
}

static int print_builtin(void)
{
    for (size_t i = 0; i < type_builtin_count; i++) {
        if (type_builtin[i].convert == CONVERT_ARRAY)
            printf("%u\t%u\t%c\n", type_builtin[i].oid, type_builtin[i].element,
                   type_builtin[i].delimiter);
    }
    return 0;
}

static size_t from_hex(char *line)
{
    size_t n = 0;
    unsigned byte;
    while (sscanf(line + 2 * n, "%2x", &byte) == 1)
        line[n++] = (char)byte;
    return n;
}

int main(int argc, char **argv)
{
    struct fake_source_host fake;
    struct pgoutput_options options = {0};
    struct decoder_options decoder_options = {.types_max = 1000, .relations_max = 1000};
    struct catalog *catalog;
    struct decoder *decoder;
    char *line = NULL;
    size_t capacity = 0;
    int failed = 0;
    if (argc == 2 && !strcmp(argv[1], "--builtin"))
        return print_builtin();
    if (argc != 3)
        return 64;
    fake_source_host_init(&fake);
    options.dsn = argv[1];
    decoder_options.composite =
        strcmp(argv[2], "nested") ? DECODE_COMPOSITE_TEXT : DECODE_COMPOSITE_NESTED;
    catalog = catalog_create(&fake.host, &options);
    catalog_limit(catalog, 60000);
    decoder = decoder_create(&fake.host, &decoder_options, catalog_functions(catalog));
    while (!failed && getline(&line, &capacity, stdin) > 0) {
        leat_error error = {.size = sizeof(error)};
        size_t size = from_hex(line);
        char *exact = malloc(size); /* so that ASan sees a read behind it */
        memcpy(exact, line, size);
        if (decoder_feed(decoder, exact, size, &error) != LEAT_OK) {
            fprintf(stderr, "%s\n", error.text);
            failed = 1;
        }
        free(exact);
        decoder_flush(decoder);
        for (struct fake_batch *batch = fake.first; batch; batch = batch->next)
            for (const leat_change *change = batch->writer.first; change; change = change->next)
                print_change(change);
        if (fake.first)
            decoder_returned(decoder, fake_source_host_return(&fake, SIZE_MAX));
    }
    decoder_destroy(decoder);
    catalog_destroy(catalog);
    fake_source_host_fini(&fake);
    free(line);
    return failed;
}
