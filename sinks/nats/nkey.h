/* SPDX-License-Identifier: Apache-2.0
 *
 * nkey.h -- NATS' Ed25519 keys: a seed in base32 becomes a public key and signatures.  [any]
 * The arithmetic is OpenSSL's; here is only the spelling (NATS documentation, ADR-14 "JWT library
 * free jwt files", and the nkeys format: prefix bytes, key, CRC-16 little-endian, in base32).
 */
#ifndef NATS_NKEY_H
#define NATS_NKEY_H

#include <leat/plugin.h>

enum {
    NKEY_PUBLIC_SIZE = 57,   /* 56 characters and a zero */
    NKEY_SIGNATURE_SIZE = 87 /* 64 bytes in base64url without padding, and a zero */
};

/* False when the text is no seed (SU..., SA... and so on: 58 characters). */
bool nkey_sign(leat_bytes seed, const char *nonce, char public_key[NKEY_PUBLIC_SIZE],
               char signature[NKEY_SIGNATURE_SIZE]);

/* The first word that looks like a seed, as in a .nk file or in a .creds file behind its marker. */
bool nkey_find_seed(leat_bytes text, leat_bytes *seed);

/* What stands between "-----BEGIN NATS USER JWT-----" and the next dashes. */
bool nkey_find_jwt(leat_bytes text, leat_bytes *jwt);

/* Standard base64 (padding allowed, as Go writes it) into dst; false: not base64, or no room. */
bool base64_decode(leat_bytes text, char *dst, size_t room, size_t *len);

#endif
