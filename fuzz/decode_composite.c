/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_composite.c -- the text of a composite of a few kinds of attributes, composites among
 * them.
 */
#include "decode_nested.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct type text = {.convert = CONVERT_TEXT},
                             number = {.convert = CONVERT_DECIMAL},
                             json = {.convert = CONVERT_JSON},
                             time = {.convert = CONVERT_TIMESTAMPTZ},
                             vector = {.convert = CONVERT_OIDVECTOR};
    static struct type_member inner_members[] = {
        {&number, "\"n\":", 4}, {&text, "\"t\":", 4}, {&json, "\"j\":", 4}};
    static const struct type inner = {
        .convert = CONVERT_COMPOSITE, .member_count = 3, .members = inner_members};
    static const struct type array = {
        .convert = CONVERT_ARRAY, .delimiter = ',', .element = &inner};
    static struct type_member members[] = {
        {&inner, "\"i\":", 4}, {&array, "\"a\":", 4}, {&time, "\"z\":", 4}, {&vector, "\"v\":", 4}};
    struct type outer = {.convert = CONVERT_COMPOSITE, .members = members};
    if (!size)
        return 0;
    outer.member_count = *data % 5u;
    check_nested(&outer, data + 1, size - 1);
    return 0;
}
