/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_request.c -- see tail_request.h.
 */
#include "tail_request.h"
#include "commands.h"
#include "encode.h"
#include "suggest.h"
#include "usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "Usage: leat tail -c FILE [--pipeline NAME] [--table GLOB]... [--op OP]... [--count N]\n"
    "                 [--from now|slot] [--route SINK] [--format json|msgpack]\n"
    "Shows records as they pass, one a line, until Ctrl-C: without a sink, and without moving the\n"
    "slot.  A temporary slot is used, which dies with the connection; a running daemon is not\n"
    "disturbed.  --from slot begins where the pipeline's own slot stands: what is not confirmed "
    "yet.\n"
    "--table is SCHEMA.TABLE or TABLE with * and ? in it; --op a list of insert, update, delete,\n"
    "truncate, message.  --route shows records as that sink gets them, each behind its route.\n";

static bool refuse(const char *what, const char *text, const char *best)
{
    (void)fprintf(stderr, "leat: tail: %s \"%s\"%s%s%s\n", what, text,
                  best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
    return false;
}

static bool read_one_op(const char *text, uint32_t *ops)
{
    struct suggestion best = {0};

    for (uint32_t op = LEAT_INSERT; op <= LEAT_MESSAGE; op++) {
        const char *name = encode_op_name(op);
        if (strcmp(text, name) == 0) {
            *ops |= 1u << op;
            return true;
        }
        suggest_offer(&best, text, name);
    }
    return refuse("--op: no operation", text, best.word);
}

/* "insert,update": cut up in place. */
static bool read_ops(char *text, uint32_t *ops)
{
    char *rest = NULL;

    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
        if (!read_one_op(word, ops))
            return false;
    return *ops != 0 || refuse("--op: no operation", text, NULL);
}

/* "SCHEMA.TABLE" is divided at its first dot; without one it is a table of any schema. */
static bool read_table(char *text, struct tail_filter *filter)
{
    char *dot = strchr(text, '.');
    struct tail_table *more =
        realloc(filter->tables, (filter->table_count + 1) * sizeof *filter->tables);

    if (!more)
        return refuse("no memory for", text, NULL);
    filter->tables = more;
    if (dot)
        *dot = '\0';
    more[filter->table_count++] = (struct tail_table){dot ? text : "*", dot ? dot + 1 : text};
    return true;
}

static bool read_count(const char *text, uint64_t *count)
{
    char *end;

    errno = 0;
    *count = strtoull(text, &end, 10);
    return (errno == 0 && *end == '\0' && *text >= '0' && *text <= '9' && *count > 0) ||
           refuse("--count: no number from 1 on", text, NULL);
}

static bool read_option(int option, struct tail_request *out)
{
    switch (option) {
    case 'c':
        out->config = optarg;
        return true;
    case 'p':
        out->pipeline = optarg;
        return true;
    case 'r':
        out->route = optarg;
        return true;
    case 't':
        return read_table(optarg, &out->filter);
    case 'o':
        return read_ops(optarg, &out->filter.ops);
    case 'n':
        return read_count(optarg, &out->filter.count);
    case 'f':
        out->format = strcmp(optarg, "json") == 0      ? ENCODE_JSON
                      : strcmp(optarg, "msgpack") == 0 ? ENCODE_MSGPACK
                                                       : -1;
        return out->format >= 0 || refuse("--format: json or msgpack, not", optarg, NULL);
    case 'b':
        out->watch = strcmp(optarg, "now") == 0    ? LEAT_WATCH_NOW
                     : strcmp(optarg, "slot") == 0 ? LEAT_WATCH_UNCONFIRMED
                                                   : LEAT_WATCH_NO;
        return out->watch != LEAT_WATCH_NO || refuse("--from: now or slot, not", optarg, NULL);
    default:
        return false;
    }
}

/* 0: go on; else the exit code plus 1. */
int tail_request_parse(int argc, char **argv, struct tail_request *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"pipeline", required_argument, NULL, 'p'},
        {"table", required_argument, NULL, 't'},  {"op", required_argument, NULL, 'o'},
        {"count", required_argument, NULL, 'n'},  {"from", required_argument, NULL, 'b'},
        {"route", required_argument, NULL, 'r'},  {"format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, ":c:n:h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return EX_OK + 1;
        }
        if (option == '?' || option == ':')
            return usage_option(usage, argv, options, option) + 1;
        if (!read_option(option, out))
            return EX_USAGE + 1;
    }
    if (optind < argc)
        return usage_wrong(usage, argv[0], "unexpected \"%s\"", argv[optind]) + 1;
    if (out->config && *out->config)
        return 0;
    command_needs_config(usage, argv[0]);
    return EX_USAGE + 1;
}
