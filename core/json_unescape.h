/* SPDX-License-Identifier: Apache-2.0
 *
 * json_unescape.h -- what a JSON string means (RFC 8259, section 7).  [any]  Takes hostile text,
 * and gives valid UTF-8; never allocates.
 */
#ifndef LEAT_JSON_UNESCAPE_H
#define LEAT_JSON_UNESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* What stands between the quotes, from `at` to `end`, without its escapes; bytes that are no UTF-8
 * are replaced as utf8.h says.  Written at dst, which has room for all of it, or only counted when
 * dst is NULL: *size is set either way.  False: a wrong escape. */
bool json_unescape(const char *at, const char *end, unsigned char *dst, size_t *size);

#endif
