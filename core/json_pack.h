/* SPDX-License-Identifier: Apache-2.0
 *
 * json_pack.h -- a JSON text as MessagePack values.  [any]
 *
 * Objects become maps (duplicate names stay), arrays arrays, numbers integers or doubles where
 * those hold them exactly (number.h) and else strings with their digits.  Takes hostile text:
 * whatever is not JSON, or is nested deeper than JSON_PACK_DEPTH, is refused whole.  Never
 * allocates.
 */
#ifndef LEAT_JSON_PACK_H
#define LEAT_JSON_PACK_H

#include "pack.h"

#include <locale.h>

#define JSON_PACK_DEPTH 512u

/* False: refused, or the pack is full.  Either way pack->at is anywhere behind where it was. */
bool json_pack(struct pack *pack, const char *text, size_t len, locale_t c_locale);

#endif
