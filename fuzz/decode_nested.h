/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_nested.h -- writes one text as JSON, twice, and checks what both came to.
 */
#ifndef LEAT_FUZZ_DECODE_NESTED_H
#define LEAT_FUZZ_DECODE_NESTED_H

#include "nested.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check_nested(const struct type *type, const uint8_t *data, size_t size)
{
    static struct json_compact json;
    struct out count = {0}, out = {0};
    char *text = malloc(size ? size : 1);
    bool ok, again;
    if (!json.objects && !json_compact_init(&json))
        abort();
    memcpy(text, data, size);
    ok = nested_write(&count, &json, type, text, size);
    out.room = count.len;
    out.base = malloc(count.len ? count.len : 1);
    again = nested_write(&out, &json, type, text, size);
    if (ok != again || out.len != count.len)
        abort(); /* the measure is not what it takes */
    json_compact_begin(&json);
    if (ok &&
        (json_compact_feed(&json, out.base, out.len, NULL) != out.len || !json_compact_end(&json)))
        abort(); /* not JSON, or not compact */
    free(out.base);
    free(text);
}

#endif
