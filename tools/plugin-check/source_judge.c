/* SPDX-License-Identifier: Apache-2.0
 *
 * source_judge.c -- see source_judge.h.
 */
#include "source_judge.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t add(uint64_t sum, const void *p, size_t len)
{
    const unsigned char *bytes = p;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static uint64_t add_number(uint64_t sum, uint64_t number)
{
    return add(sum, &number, sizeof number);
}

/* In the batch, or a constant of the plugin's own. */
static bool lies_well(const struct out *out, const void *p, size_t len)
{
    for (uint32_t i = 0; i < out->piece_count; i++)
        if (lend_holds(out->pieces[i], p, len))
            return true;
    return p >= subject.code_begin && p < subject.code_end;
}

static bool is_integer(const char *text, uint32_t len)
{
    char copy[32], *end;
    if (len == 0 || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    (void)strtoll(copy, &end, 10);
    return *end == '\0' && copy[0] != '+' && copy[0] != ' ';
}

static bool is_number(const char *text, uint32_t len)
{
    if ((len == 3 && memcmp(text, "NaN", 3) == 0) ||
        (len == 8 && memcmp(text, "Infinity", 8) == 0) ||
        (len == 9 && memcmp(text, "-Infinity", 9) == 0))
        return true;
    bool digit = false;
    for (uint32_t i = 0; i < len; i++) {
        digit = digit || (text[i] >= '0' && text[i] <= '9');
        if (!memchr("0123456789+-.eE", text[i], 15))
            return false;
    }
    return digit;
}

static bool is_plain(const char *text, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f || text[i] == '"' ||
            text[i] == '\\')
            return false;
    return true;
}

static const char *what_is_wrong(const leat_value *value)
{
    const char *text = value->ptr;
    uint32_t len = value->len;
    switch (value->kind) {
    case LEAT_VALUE_BOOL:
        if (!(len == 4 && memcmp(text, "true", 4) == 0) &&
            !(len == 5 && memcmp(text, "false", 5) == 0))
            return "a BOOL that is neither \"true\" nor \"false\"";
        break;
    case LEAT_VALUE_INTEGER:
        if (!is_integer(text, len))
            return "an INTEGER that is no decimal number";
        break;
    case LEAT_VALUE_FLOAT:
    case LEAT_VALUE_DECIMAL:
        if (!is_number(text, len))
            return "a FLOAT or DECIMAL that is no number";
        break;
    case LEAT_VALUE_BYTES:
        return NULL;
    default:
        if (value->kind > LEAT_VALUE_JSON)
            return "a value of an unknown kind";
        if (!utf8_valid(text, len))
            return "text that is not UTF-8";
        if (value->kind != LEAT_VALUE_TEXT && len == 0)
            return "an empty text for a kind that has none";
    }
    if ((value->flags & LEAT_VALUE_PLAIN) && !is_plain(text, len))
        return "LEAT_VALUE_PLAIN on a text that has to be escaped";
    return NULL;
}

static uint64_t judge_row(const struct out *out, const leat_relation *relation,
                          const leat_value *values, const char *which, uint64_t sum)
{
    if (!values)
        return add_number(sum, 0);
    if (!lies_well(out, values, relation->column_count * sizeof *values)) {
        finding(C_VALUE, "the row \"%s\" of a change lies outside of its batch", which);
        return sum;
    }
    bool key_only = strcmp(which, "key") == 0;
    for (uint32_t i = 0; i < relation->column_count; i++) {
        bool counts = !key_only;
        for (uint32_t k = 0; key_only && k < relation->key_count; k++)
            counts = counts || relation->key[k] == i;
        if (!counts)
            continue;
        sum = add_number(sum, values[i].kind);
        if (values[i].kind == LEAT_VALUE_NULL || values[i].kind == LEAT_VALUE_MISSING)
            continue;
        if (values[i].len && !lies_well(out, values[i].ptr, values[i].len)) {
            finding(C_VALUE, "column %u of the row \"%s\" points outside of its batch", i, which);
            continue;
        }
        const char *wrong = what_is_wrong(&values[i]);
        if (wrong)
            finding(C_VALUE, "column %u of the row \"%s\": %s", i, which, wrong);
        sum = add(sum, values[i].ptr, values[i].len);
    }
    return sum;
}

static uint64_t judge_relation(const leat_relation *relation)
{
    uint64_t sum = add_number(14695981039346656037u, relation->id);
    if (relation->size < offsetof(leat_relation, key) + sizeof relation->key)
        finding(C_GROWING, "a leat_relation has the size %u", relation->size);
    if (relation->id == 0)
        finding(C_RELATION, "a relation has the id 0");
    if (relation->column_count &&
        (!relation->columns || relation->column_stride < sizeof(leat_column)))
        finding(C_RELATION, "a relation has %u columns with a stride of %u", relation->column_count,
                relation->column_stride);
    else
        for (uint32_t i = 0; i < relation->column_count; i++) {
            const leat_column *column = leat_relation_column(relation, i);
            sum = add(sum, column->name.ptr, column->name.len);
            if (!utf8_valid(column->name.ptr, column->name.len))
                finding(C_RELATION, "the name of column %u is not UTF-8", i);
        }
    if (!relation->table.len)
        finding(C_RELATION, "a relation has no table name");
    for (uint32_t i = 0; i < relation->key_count; i++)
        if (relation->key[i] >= relation->column_count ||
            (i && relation->key[i] <= relation->key[i - 1]))
            finding(C_RELATION, "the key's column numbers do not ascend within the columns");
    sum = add(sum, relation->schema.ptr, relation->schema.len);
    return add(sum, relation->table.ptr, relation->table.len);
}

void judge_relation_again(const struct out *out)
{
    if (out->relation && judge_relation(out->relation) != out->relation_sum)
        finding(C_RELATION, "a relation has changed while batches refer to it");
}

/* Where a change stands: behind the one before it, and in its transaction. */
static void judge_place(struct source_host *host, const leat_change *change)
{
    leat_identity id = change->identity;
    bool outside = !change->transaction;
    if (host->count > 0 && leat_identity_compare(id, host->last) <= 0)
        finding(C_IDENTITY, "the identity %llX:%lld comes behind %llX:%lld",
                (unsigned long long)id.position, (long long)id.seq,
                (unsigned long long)host->last.position, (long long)host->last.seq);
    if (outside && (change->op != LEAT_MESSAGE || id.seq != -1))
        finding(C_IDENTITY, "a change without a transaction is no message with seq -1");
    if (!outside && change->transaction->position != id.position)
        finding(C_IDENTITY, "a change's position is not that of its transaction");
    if (outside)
        return;
    bool first = host->open_transaction != id.position;
    if (host->open_transaction && first)
        finding(C_IDENTITY, "the transaction %llX had no change with LEAT_CHANGE_TX_LAST",
                (unsigned long long)host->open_transaction);
    if (first != ((change->flags & LEAT_CHANGE_TX_FIRST) != 0))
        finding(C_IDENTITY,
                first ? "the first change of %llX has no LEAT_CHANGE_TX_FIRST"
                      : "a later change of %llX has LEAT_CHANGE_TX_FIRST",
                (unsigned long long)id.position);
    host->open_transaction = change->flags & LEAT_CHANGE_TX_LAST ? 0 : id.position;
}

static uint64_t judge_change(struct source_host *host, struct out *out, const leat_change *change)
{
    uint64_t sum = add_number(add_number(14695981039346656037u, change->identity.position),
                              (uint64_t)change->identity.seq);
    if (change->transaction &&
        !lies_well(out, change->transaction, offsetof(leat_transaction, commit_us) + 8))
        finding(C_VALUE, "a change's transaction lies outside of its batch");
    else
        judge_place(host, change);
    if (change->op < LEAT_INSERT || change->op > LEAT_READ)
        finding(C_VALUE, "a change has the operation %u", change->op);
    if ((change->op == LEAT_MESSAGE) != (change->relation == NULL)) {
        finding(C_VALUE, "a change of operation %u %s", change->op,
                change->relation ? "is a message with a relation" : "has no relation");
        return sum;
    }
    sum = add_number(sum, change->op);
    if (change->op == LEAT_MESSAGE) {
        leat_bytes parts[2] = {change->u.message.prefix, change->u.message.content};
        for (int i = 0; i < 2; i++)
            if (parts[i].len && !lies_well(out, parts[i].ptr, parts[i].len))
                finding(C_VALUE, "a message points outside of its batch");
            else
                sum = add(sum, parts[i].ptr, parts[i].len);
        return sum;
    }
    if (change->relation != out->relation) {
        out->relation = change->relation;
        out->relation_sum = judge_relation(change->relation);
    }
    if (change->op == LEAT_TRUNCATE)
        return sum;
    if ((change->op == LEAT_INSERT || change->op == LEAT_READ || change->op == LEAT_UPDATE) &&
        !change->u.row.after)
        finding(C_VALUE, "an insert or update has no new row");
    sum = judge_row(out, change->relation, change->u.row.before, "before", sum);
    sum = judge_row(out, change->relation, change->u.row.after, "after", sum);
    return judge_row(out, change->relation, change->u.row.key, "key", sum);
}

void judge_batch(struct source_host *host, struct out *out, const leat_writer *writer)
{
    uint32_t count = 0;
    if (writer->arena.cur > writer->arena.end)
        finding(C_WRITER, "more was taken of a batch than was reserved");
    for (const leat_change *change = writer->first; change; change = change->next) {
        if (!lies_well(out, change, sizeof *change)) {
            finding(C_WRITER, "a change lies outside of its batch");
            give_up();
        }
        uint64_t sum = judge_change(host, out, change);
        if (host->count < SEEN_MAX)
            host->seen[host->count] = (struct seen){change->identity, sum, 0};
        host->last = change->identity;
        host->count++;
        count++;
    }
    if (count != writer->change_count)
        finding(C_WRITER, "change_count is %u, and the batch has %u changes", writer->change_count,
                count);
    if (writer->safe_position < host->last_safe)
        finding(C_SAFE, "safe_position went back from %llX to %llX",
                (unsigned long long)host->last_safe, (unsigned long long)writer->safe_position);
    if (host->open_transaction && writer->safe_position >= host->open_transaction)
        finding(C_SAFE, "safe_position %llX passes the transaction %llX, which is not whole",
                (unsigned long long)writer->safe_position,
                (unsigned long long)host->open_transaction);
    if (count > 0 && !host->open_transaction && host->count <= SEEN_MAX)
        host->seen[host->count - 1].safe = writer->safe_position;
}
