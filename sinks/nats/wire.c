/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.c -- see the header.  Never allocates, never blocks.
 */
#include "wire.h"

/* A space-separated word of a line. */
static bool next_word(const char **p, const char *end, leat_bytes *word)
{
    while (*p < end && (**p == ' ' || **p == '\t'))
        (*p)++;
    word->ptr = *p;
    while (*p < end && **p != ' ' && **p != '\t')
        (*p)++;
    word->len = (size_t)(*p - word->ptr);
    return word->len != 0;
}

static bool number(leat_bytes word, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (!word.len || word.len > 18)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(word.ptr[i] - '0');
    }
    *out = n;
    return n <= max;
}

/* MSG <subject> <sid> [reply] <bytes>, HMSG <subject> <sid> [reply] <header bytes> <all bytes>;
 * line: behind the first word. */
static bool message_line(const char *line, const char *end, bool with_headers,
                         struct wire_event *event, uint64_t *header_len, uint64_t *total)
{
    leat_bytes words[6];
    size_t count = 0, numbers = with_headers ? 2 : 1;
    while (count < 6 && next_word(&line, end, &words[count]))
        count++;
    if (count != 2 + numbers && count != 3 + numbers)
        return false;
    event->subject = words[0];
    event->reply = count == 3 + numbers ? words[2] : (leat_bytes){NULL, 0};
    *header_len = 0;
    return number(words[1], UINT64_MAX, &event->subscription) &&
           number(words[count - 1], (uint64_t)1 << 40, total) &&
           (!with_headers || number(words[count - 2], *total, header_len));
}

static size_t parse_message(const char *data, size_t len, const char *line_end, bool with_headers,
                            size_t limit, struct wire_event *event, uint64_t *skip, size_t *need)
{
    uint64_t header_len, total;
    const char *line = data + (with_headers ? 5 : 4);
    size_t line_len = (size_t)(line_end - data) + 2;
    if (!message_line(line, line_end, with_headers, event, &header_len, &total)) {
        event->kind = WIRE_BROKEN;
        return 0;
    }
    event->cut = total > limit;
    if (event->cut && header_len > limit) {
        event->kind = WIRE_BROKEN;
        return 0;
    }
    size_t body = event->cut ? limit : (size_t)total;
    size_t whole = line_len + body + (event->cut ? 0 : 2);
    if (len < whole) {
        *need = whole;
        return 0;
    }
    const char *p = data + line_len;
    if (!event->cut && (p[total] != '\r' || p[total + 1] != '\n')) {
        event->kind = WIRE_BROKEN;
        return 0;
    }
    event->kind = WIRE_MESSAGE;
    event->headers = (leat_bytes){p, (size_t)header_len};
    event->payload = (leat_bytes){p + header_len, body - (size_t)header_len};
    *skip = event->cut ? total - body + 2 : 0;
    return whole;
}

static bool starts(const char *data, size_t len, const char *word, size_t word_len)
{
    return len >= word_len && memcmp(data, word, word_len) == 0;
}

static void parse_error_text(const char *p, const char *end, struct wire_event *event)
{
    while (p < end && *p == ' ')
        p++;
    if (end - p >= 2 && *p == '\'' && end[-1] == '\'') {
        p++;
        end--;
    }
    event->text = (leat_bytes){p, (size_t)(end - p)};
}

size_t wire_parse(const char *data, size_t len, size_t limit, struct wire_event *event,
                  uint64_t *skip, size_t *need)
{
    memset(event, 0, sizeof *event);
    *skip = 0;
    *need = len + 1;
    const char *newline =
        len ? memchr(data, '\n', len < WIRE_LINE_MAX ? len : WIRE_LINE_MAX) : NULL;
    if (!newline) {
        if (len >= WIRE_LINE_MAX)
            event->kind = WIRE_BROKEN;
        return 0;
    }
    event->kind = WIRE_BROKEN;
    if (newline == data || newline[-1] != '\r')
        return 0;
    const char *end = newline - 1;
    size_t line = (size_t)(end - data), used = line + 2;
    if (starts(data, line, "MSG ", 4) || starts(data, line, "HMSG ", 5)) {
        event->kind = WIRE_MORE;
        return parse_message(data, len, end, data[0] == 'H', limit, event, skip, need);
    }
    if (line == 4 && starts(data, line, "PING", 4)) {
        event->kind = WIRE_PING;
    } else if (line == 4 && starts(data, line, "PONG", 4)) {
        event->kind = WIRE_PONG;
    } else if (line == 3 && starts(data, line, "+OK", 3)) {
        event->kind = WIRE_OK;
    } else if (starts(data, line, "-ERR", 4)) {
        event->kind = WIRE_ERR;
        parse_error_text(data + 4, end, event);
    } else if (starts(data, line, "INFO ", 5)) {
        event->kind = WIRE_INFO;
        event->text = (leat_bytes){data + 5, line - 5};
    } else {
        used = 0;
    }
    return used;
}

bool wire_header(leat_bytes headers, const char *name, leat_bytes *value)
{
    size_t name_len = strlen(name);
    const char *p = headers.ptr, *end = headers.ptr ? headers.ptr + headers.len : NULL;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        if ((size_t)(stop - p) > name_len && memcmp(p, name, name_len) == 0 && p[name_len] == ':') {
            p += name_len + 1;
            while (p < stop && *p == ' ')
                p++;
            *value = (leat_bytes){p, (size_t)(stop - p)};
            return true;
        }
        if (!newline)
            break;
        p = newline + 1;
    }
    return false;
}

int wire_status(leat_bytes headers)
{
    const char *p = headers.ptr;
    if (headers.len < 12 || memcmp(p, "NATS/1.0 ", 9) != 0)
        return 0;
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (p[i] < '0' || p[i] > '9')
            return 0;
        status = status * 10 + (p[i] - '0');
    }
    return status;
}

size_t wire_decimal(char *dst, uint64_t n)
{
    char digits[20];
    size_t len = 0;
    do {
        digits[sizeof digits - ++len] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    memcpy(dst, digits + sizeof digits - len, len);
    return len;
}
