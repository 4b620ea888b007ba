/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_array.c -- the text of an array.  The first byte says of what.  Quoted inside of a
 * composite, where no element lies in memory as it is, it has to come to the same.
 */
#include "decode_nested.h"

static void check_quoted(const struct type *array, const uint8_t *data, size_t size)
{
    static struct json_compact json;
    struct type_member member = {array, "", 0};
    const struct type composite = {
        .convert = CONVERT_COMPOSITE, .member_count = 1, .members = &member};
    char *text = malloc(2 * size + 4), *p = text;
    size_t room = 6 * size + 2;
    struct out plain = {malloc(room), 0, room}, quoted = {malloc(room + 2), 0, room + 2};
    if (!json.objects && !json_compact_init(&json))
        abort();
    *p++ = '(';
    *p++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"' || data[i] == '\\')
            *p++ = (char)data[i];
        *p++ = (char)data[i];
    }
    *p++ = '"';
    *p++ = ')';
    bool ok = nested_write(&plain, &json, array, (const char *)data, size);
    bool same = nested_write(&quoted, &json, &composite, text, (size_t)(p - text));
    /* What is no array makes the composite one of another time's attributes: its text. */
    if (ok && !same)
        abort();
    if (!ok && same && quoted.len && *quoted.base != '"')
        abort();
    if (ok && !out_overflowed(&plain) &&
        (quoted.len != plain.len + 2 || memcmp(quoted.base + 1, plain.base, plain.len) != 0))
        abort();
    free(plain.base);
    free(quoted.base);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct type json = {.convert = CONVERT_JSON};
    static const struct type array_of_json = {
        .convert = CONVERT_ARRAY, .delimiter = ';', .element = &json};
    struct type element = {0}, array = {.convert = CONVERT_ARRAY, .delimiter = ','};
    if (!size)
        return 0;
    element.convert = *data % CONVERT_ARRAY;
    array.element = *data & 0x80 ? &array_of_json : &element;
    check_nested(&array, data + 1, size - 1);
    check_quoted(&array, data + 1, size - 1);
    return 0;
}
