/* SPDX-License-Identifier: Apache-2.0
 *
 * json_check.h -- a strict reader of JSON for the tests: RFC 8259, UTF-8, and no white space.
 */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include "utf8.h"

#include <string.h>

struct json_check {
    const char *at, *end;
};

static inline bool json_check_value(struct json_check *check);

static inline bool json_check_take(struct json_check *check, char c)
{
    if (check->at == check->end || *check->at != c)
        return false;
    check->at++;
    return true;
}

static inline bool json_check_digits(struct json_check *check)
{
    const char *start = check->at;
    while (check->at < check->end && *check->at >= '0' && *check->at <= '9')
        check->at++;
    return check->at > start;
}

static inline bool json_check_string(struct json_check *check)
{
    if (!json_check_take(check, '"'))
        return false;
    while (check->at < check->end && *check->at != '"') {
        if ((unsigned char)*check->at < 0x20)
            return false;
        if (*check->at++ != '\\')
            continue;
        if (check->at == check->end || *check->at == 0 || !strchr("\"\\/bfnrtu", *check->at))
            return false;
        if (*check->at++ != 'u')
            continue;
        for (int i = 0; i < 4; i++, check->at++) {
            if (check->at == check->end || *check->at == 0 ||
                !strchr("0123456789abcdefABCDEF", *check->at))
                return false;
        }
    }
    return json_check_take(check, '"');
}

static inline bool json_check_number(struct json_check *check)
{
    (void)json_check_take(check, '-');
    if (!json_check_take(check, '0') && !json_check_digits(check))
        return false;
    if (json_check_take(check, '.') && !json_check_digits(check))
        return false;
    if (json_check_take(check, 'e') || json_check_take(check, 'E')) {
        if (!json_check_take(check, '-'))
            (void)json_check_take(check, '+');
        return json_check_digits(check);
    }
    return true;
}

static inline bool json_check_container(struct json_check *check, char close, bool map)
{
    check->at++;
    if (json_check_take(check, close))
        return true;
    do {
        if (map && (!json_check_string(check) || !json_check_take(check, ':')))
            return false;
        if (!json_check_value(check))
            return false;
    } while (json_check_take(check, ','));
    return json_check_take(check, close);
}

static inline bool json_check_word(struct json_check *check, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(check->end - check->at) < len || memcmp(check->at, word, len) != 0)
        return false;
    check->at += len;
    return true;
}

static inline bool json_check_value(struct json_check *check)
{
    if (check->at == check->end)
        return false;
    switch (*check->at) {
    case '{':
        return json_check_container(check, '}', true);
    case '[':
        return json_check_container(check, ']', false);
    case '"':
        return json_check_string(check);
    case 't':
        return json_check_word(check, "true");
    case 'f':
        return json_check_word(check, "false");
    case 'n':
        return json_check_word(check, "null");
    default:
        return json_check_number(check);
    }
}

static inline bool json_check(const void *text, size_t len)
{
    struct json_check check = {text, (const char *)text + len};
    return utf8_valid(text, len) && json_check_value(&check) && check.at == check.end;
}

#endif
