/* SPDX-License-Identifier: Apache-2.0
 *
 * nkey.c -- see the header.  Key bytes are wiped from the stack before it is left.
 */
#include "nkey.h"

#include <openssl/evp.h>

enum { RAW_SEED = 36, RAW_PUBLIC = 35, PREFIX_SEED = 18 << 3 };

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const unsigned char *data, size_t len)
{
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000u ? crc << 1 ^ 0x1021u : crc << 1) & 0xffffu;
    }
    return (uint16_t)crc;
}

static bool base32_decode(leat_bytes text, unsigned char *dst, size_t room, size_t *len)
{
    unsigned buffer = 0, bits = 0;
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(base32, text.ptr[i]) : NULL;
        if (!digit)
            return false;
        buffer = (buffer << 5 | (unsigned)(digit - base32)) & 0xffffu;
        bits += 5;
        if (bits >= 8) {
            if (*len == room)
                return false;
            bits -= 8;
            dst[(*len)++] = (unsigned char)(buffer >> bits);
        }
    }
    return true;
}

static void base32_encode(const unsigned char *data, size_t len, char *dst)
{
    unsigned buffer = 0, bits = 0;
    for (size_t i = 0; i < len; i++) {
        buffer = (buffer << 8 | data[i]) & 0xffffu;
        for (bits += 8; bits >= 5; bits -= 5)
            *dst++ = base32[buffer >> (bits - 5) & 31];
    }
    if (bits)
        *dst++ = base32[buffer << (5 - bits) & 31];
    *dst = '\0';
}

static void base64url_encode(const unsigned char *data, size_t len, char *dst)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned buffer = 0, bits = 0;
    for (size_t i = 0; i < len; i++) {
        buffer = (buffer << 8 | data[i]) & 0xffffu;
        for (bits += 8; bits >= 6; bits -= 6)
            *dst++ = digits[buffer >> (bits - 6) & 63];
    }
    if (bits)
        *dst++ = digits[buffer << (6 - bits) & 63];
    *dst = '\0';
}

bool base64_decode(leat_bytes text, char *dst, size_t room, size_t *len)
{
    unsigned buffer = 0, bits = 0;
    *len = 0;
    while (text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned digit;
        if (c >= 'A' && c <= 'Z')
            digit = (unsigned)(c - 'A');
        else if (c >= 'a' && c <= 'z')
            digit = (unsigned)(c - 'a') + 26;
        else if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0') + 52;
        else if (c == '+')
            digit = 62;
        else if (c == '/')
            digit = 63;
        else
            return false;
        buffer = (buffer << 6 | digit) & 0xffffu;
        bits += 6;
        if (bits >= 8) {
            if (*len == room)
                return false;
            bits -= 8;
            dst[(*len)++] = (char)(buffer >> bits);
        }
    }
    return true;
}

/* The 32 bytes of a seed and the prefix of its public key. */
static bool read_seed(leat_bytes text, unsigned char key[32], unsigned char *prefix)
{
    unsigned char raw[RAW_SEED];
    size_t len;
    bool good = base32_decode(text, raw, sizeof raw, &len) && len == sizeof raw &&
                (raw[0] & 0xf8) == PREFIX_SEED &&
                crc16(raw, 34) == (uint16_t)(raw[34] | raw[35] << 8);
    if (good) {
        *prefix = (unsigned char)((raw[0] & 7) << 5 | (raw[1] & 0xf8) >> 3);
        memcpy(key, raw + 2, 32);
    }
    explicit_bzero(raw, sizeof raw);
    return good;
}

static bool sign(EVP_PKEY *key, const char *nonce, unsigned char signature[64])
{
    size_t len = 64;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &len, (const unsigned char *)nonce,
                               strlen(nonce)) == 1 &&
                len == 64;
    EVP_MD_CTX_free(context);
    return good;
}

bool nkey_sign(leat_bytes seed, const char *nonce, char public_key[NKEY_PUBLIC_SIZE],
               char signature[NKEY_SIGNATURE_SIZE])
{
    unsigned char raw[32], public_raw[RAW_PUBLIC], signed_raw[64];
    size_t len = 32;
    if (!read_seed(seed, raw, &public_raw[0]))
        return false;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
    explicit_bzero(raw, sizeof raw);
    bool good = key && EVP_PKEY_get_raw_public_key(key, public_raw + 1, &len) == 1 && len == 32 &&
                sign(key, nonce, signed_raw);
    EVP_PKEY_free(key);
    if (!good)
        return false;
    uint16_t crc = crc16(public_raw, 33);
    public_raw[33] = (unsigned char)crc;
    public_raw[34] = (unsigned char)(crc >> 8);
    base32_encode(public_raw, sizeof public_raw, public_key);
    base64url_encode(signed_raw, sizeof signed_raw, signature);
    return true;
}

/* The first whitespace-separated word of a text that `good` likes, from *at on. */
static bool next_word(leat_bytes text, size_t *at, leat_bytes *word)
{
    while (*at < text.len && (unsigned char)text.ptr[*at] <= ' ')
        (*at)++;
    word->ptr = text.ptr + *at;
    size_t start = *at;
    while (*at < text.len && (unsigned char)text.ptr[*at] > ' ')
        (*at)++;
    word->len = *at - start;
    return word->len != 0;
}

bool nkey_find_seed(leat_bytes text, leat_bytes *seed)
{
    size_t at = 0;
    while (next_word(text, &at, seed)) {
        size_t i = 0;
        if (seed->len != 58 || seed->ptr[0] != 'S')
            continue;
        while (i < seed->len && seed->ptr[i] && strchr(base32, seed->ptr[i]))
            i++;
        if (i == seed->len)
            return true;
    }
    return false;
}

bool nkey_find_jwt(leat_bytes text, leat_bytes *jwt)
{
    static const char marker[] = "-----BEGIN NATS USER JWT-----";
    const char *begin = text.len ? memmem(text.ptr, text.len, marker, sizeof marker - 1) : NULL;
    if (!begin)
        return false;
    size_t at = (size_t)(begin - text.ptr) + sizeof marker - 1;
    return next_word(text, &at, jwt) && jwt->ptr[0] != '-';
}
