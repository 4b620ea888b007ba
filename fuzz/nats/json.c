/* SPDX-License-Identifier: Apache-2.0
 *
 * json.c -- fuzzes the look-ups in a NATS server's JSON, the base64 of its messages, and the seeds
 * and JWTs of key files.
 */
#include "json.h"
#include "nkey.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"a", "message.hdrs", "config.subjects", "state.subjects"};
    char *exact = malloc(size ? size : 1), text[64], public_key[NKEY_PUBLIC_SIZE],
         signature[NKEY_SIGNATURE_SIZE];
    leat_bytes doc = {exact, size}, value, name, item;
    size_t len;
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (!json_find(doc, paths[i], &value))
            continue;
        if (value.ptr < exact || value.ptr + value.len > exact + size)
            abort();
        (void)json_string(value, text, sizeof text);
        for (size_t at = 0; json_next_member(value, &at, &name, &item);)
            (void)json_bool(item);
        for (size_t at = 0; json_next_item(value, &at, &item);)
            (void)json_bool(item);
        (void)base64_decode(value, text, sizeof text, &len);
    }
    if (nkey_find_seed(doc, &value))
        (void)nkey_sign(value, "n", public_key, signature);
    (void)nkey_find_jwt(doc, &value);
    free(exact);
    return 0;
}
