/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_json.c -- JSON made compact: in one piece and in pieces it comes to the same, and once
 * more to itself.  The first byte is the size of the pieces.
 */
#include "json_compact.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t in_pieces(struct json_compact *json, const char *src, size_t size, size_t piece,
                        char *dst)
{
    size_t kept = 0;
    json_compact_begin(json);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        size_t more = json_compact_feed(json, src + at, n, dst + kept);
        if (more == JSON_INVALID)
            return JSON_INVALID;
        kept += more;
    }
    return json_compact_end(json) ? kept : JSON_INVALID;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_compact json;
    size_t n = size ? size - 1 : 0, whole, pieces;
    char *text, *other;
    if (!size || (!json.objects && !json_compact_init(&json)))
        return 0;
    text = malloc(n + 1);
    other = malloc(n + 1);
    memcpy(text, data + 1, n);
    pieces = in_pieces(&json, text, n, 1 + data[0] % 16u, other);
    whole = in_pieces(&json, text, n, n ? n : 1, text); /* in place */
    if (whole != pieces || (whole != JSON_INVALID && memcmp(text, other, whole) != 0))
        abort();
    if (whole != JSON_INVALID && in_pieces(&json, text, whole, whole, other) != whole)
        abort();
    free(text);
    free(other);
    return 0;
}
