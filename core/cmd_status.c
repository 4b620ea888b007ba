/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_status.c -- leat status: asks a running daemon over its admin endpoint.  [main]
 */
#include "commands.h"

#include "http_client.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DEFAULT_ADDRESS "unix:/run/leat/leat.sock"
#define TIMEOUT_MS 5000
#define WATCH_MS 1000

static const char usage[] =
    "Usage: leat status [-c FILE | --socket PATH] [--json] [--watch]\n"
    "Asks the daemon that answers on the first address of http.listen in FILE, on the unix socket\n"
    "PATH, or on /run/leat/leat.sock.  Ends with 0 when it is ready, 1 when it is not, 69 when no\n"
    "daemon answers.\n";

struct request {
    const char *config, *socket;
    char address[512];
    bool json, watch;
};

/* 0: go on; else the exit code plus 1. */
static int parse(int argc, char **argv, struct request *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},         {"watch", no_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return EX_OK + 1;
        }
        if (option == '?') {
            (void)fputs(usage, stderr);
            return EX_USAGE + 1;
        }
        if (option == 'c')
            out->config = optarg;
        else if (option == 's')
            out->socket = optarg;
        out->json = out->json || option == 'j';
        out->watch = out->watch || option == 'w';
    }
    if (optind == argc && !(out->config && out->socket))
        return 0;
    (void)fprintf(stderr, "%sleat: status: %s\n", usage,
                  optind < argc ? "an argument too many" : "either -c or --socket");
    return EX_USAGE + 1;
}

/* 0, or the exit code plus 1. */
static int find_address(struct request *request)
{
    struct config *config;
    int exit_code = 0;

    if (!request->config) {
        (void)snprintf(request->address, sizeof request->address, "%s%s",
                       request->socket ? "unix:" : "",
                       request->socket ? request->socket : DEFAULT_ADDRESS);
        return 0;
    }
    config = config_load(request->config, stderr, &exit_code);
    if (!config)
        return exit_code + 1;
    if (config->http_listen.count == 0) {
        (void)fprintf(stderr, "leat: %s has http.listen: none, so nobody answers\n",
                      request->config);
        exit_code = EX_UNAVAILABLE + 1;
    } else {
        (void)snprintf(request->address, sizeof request->address, "%s",
                       config->http_listen.items[0]);
    }
    config_destroy(config);
    return exit_code;
}

static int show(const struct request *request)
{
    struct text_buffer body = {0}, ready = {0};
    const char *why = "";
    int code = http_request(request->address, "GET", request->json ? "/status" : "/status.txt",
                            TIMEOUT_MS, &body, &why);
    int exit_code = EX_UNAVAILABLE;

    if (code == 200 && body.text) {
        if (request->watch && isatty(STDOUT_FILENO))
            (void)fputs("\033[H\033[2J", stdout);
        (void)fwrite(body.text, 1, body.length, stdout);
        (void)fflush(stdout);
        exit_code =
            http_request(request->address, "GET", "/readyz", TIMEOUT_MS, &ready, &why) == 200 ? 0
                                                                                              : 1;
    } else if (code != 0) {
        (void)fprintf(stderr, "leat: %s answers with %d\n", request->address, code);
    } else {
        (void)fprintf(stderr, "leat: no daemon answers on %s: %s\n", request->address, why);
    }
    free(body.text);
    free(ready.text);
    return exit_code;
}

int cmd_status(int argc, char **argv)
{
    struct request request = {0};
    int exit_code = parse(argc, argv, &request);

    if (exit_code == 0)
        exit_code = find_address(&request);
    if (exit_code != 0)
        return exit_code - 1;
    exit_code = show(&request);
    while (request.watch && exit_code != EX_UNAVAILABLE && !ferror(stdout)) {
        (void)poll(NULL, 0, WATCH_MS);
        exit_code = show(&request);
    }
    return exit_code;
}
