/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_array.c -- the text of an array.  The first byte says of what.
 */
#include "decode_nested.h"

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
    return 0;
}
