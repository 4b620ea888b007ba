/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_dump.c -- prints random changes for read_back.py: one line each, JSON, MessagePack with
 * text times and with extension times, in hexadecimal.
 *
 *   encode_dump SEED COUNT
 */
#include "encode.h"
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

static int print(struct encoder *encoder, const leat_change *change, char behind)
{
    size_t room = encoder_bound(encoder, change);
    unsigned char *out = malloc(room);
    if (!out)
        return 1;
    size_t len = encoder_value(encoder, change, out, room);
    for (size_t i = 0; i < len; i++)
        (void)printf("%02x", out[i]);
    (void)putchar(behind);
    free(out);
    return len == 0;
}

int main(int argc, char **argv)
{
    static const struct encode_options options[] = {
        {.format = ENCODE_JSON, .numeric = ENCODE_STRING},
        {.format = ENCODE_MSGPACK},
        {.format = ENCODE_MSGPACK, .timestamp = ENCODE_EXTENSION}};
    if (argc != 3)
        return 64;
    uint64_t seed = strtoull(argv[1], NULL, 10);
    struct encoder *encoders[3];
    int failed = 0;
    for (int i = 0; i < 3; i++)
        encoders[i] = encoder_create(&options[i]);
    for (long count = atol(argv[2]); count > 0; count--) {
        struct sample sample;
        sample_make(&sample, &seed);
        for (int i = 0; i < 3; i++)
            failed |= print(encoders[i], &sample.change, i < 2 ? ' ' : '\n');
        sample_free(&sample);
    }
    for (int i = 0; i < 3; i++)
        encoder_destroy(encoders[i]);
    return failed;
}
