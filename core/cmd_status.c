/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_status.c -- leat status: asks a running daemon over its admin endpoint.  [main]
 */
#include "commands.h"

#include "admin_client.h"
#include "usage.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define EX_NOT_READY 1

static const char usage[] =
    "Usage: leat status [-c FILE | --socket PATH] [--json] [--watch [SECONDS]]\n"
    "Asks the daemon that answers on the first address of http.listen in FILE, on the unix socket\n"
    "PATH, or on /run/leat/leat.sock.  Ends with 0 when it is ready, 1 when it is not, 69 when no\n"
    "daemon answers, 77 when it may not be asked.  --watch shows it again and again, until "
    "Ctrl-C.\n";

struct request {
    const char *config, *socket;
    struct admin_client client;
    bool json;
    int watch_ms; /* 0: once */
};

/* ---- the command line ----------------------------------------------------------------------- */

static bool read_seconds(const char *text, int *out_ms)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds >= 0.1 && seconds <= 86400)) {
        (void)usage_wrong(usage, "status", "--watch: \"%s\" is not 0.1 to 86400 seconds", text);
        return false;
    }
    *out_ms = (int)(seconds * 1000);
    return true;
}

static bool read_option(int option, struct request *out)
{
    if (option == 'c')
        out->config = optarg;
    else if (option == 's')
        out->socket = optarg;
    else if (option == 'j')
        out->json = true;
    else if (option == 'w')
        return read_seconds(optarg ? optarg : "1", &out->watch_ms);
    return true;
}

/* 0: go on; else the exit code plus 1. */
static int parse(int argc, char **argv, struct request *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},         {"watch", optional_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return EX_OK + 1;
        }
        if (option == '?' || option == ':')
            return usage_option(usage, argv, options, option) + 1;
        if (!read_option(option, out))
            return EX_USAGE + 1;
    }
    /* "--watch 5": an optional argument is written with a sign of equality, which nobody expects.
     */
    if (optind == argc - 1 && out->watch_ms && strspn(argv[optind], "0123456789.") > 0) {
        if (!read_seconds(argv[optind++], &out->watch_ms))
            return EX_USAGE + 1;
    }
    if (optind == argc && !(out->config && out->socket))
        return 0;
    return usage_wrong(usage, "status", "%s",
                       optind < argc ? "an argument too many" : "either -c or --socket") +
           1;
}

/* ---- showing it ----------------------------------------------------------------------------- */

/* On a terminal the new picture is written over the old one, line by line, so that it stands still.
 */
static void put_over(const char *text, size_t length)
{
    const char *end = text + length;

    (void)fputs("\033[H", stdout);
    while (text < end) {
        const char *line = memchr(text, '\n', (size_t)(end - text));
        size_t size = line ? (size_t)(line - text) : (size_t)(end - text);
        (void)fwrite(text, 1, size, stdout);
        (void)fputs("\033[K\n", stdout);
        text += size + 1;
    }
    (void)fputs("\033[J", stdout);
}

static int is_ready(const struct request *request)
{
    struct text_buffer body = {0};
    const char *why = "";
    int code = admin_client_ask(&request->client, "GET", "/readyz", &body, &why);

    free(body.text);
    return code == 200 ? EX_OK : EX_NOT_READY;
}

/* again: over what was shown before; what goes wrong stands there too. */
static int show(const struct request *request, bool again)
{
    struct text_buffer body = {0};
    const char *why = "";
    const char *path = request->json ? "/status" : "/status.txt";
    int code = admin_client_ask(&request->client, "GET", path, &body, &why);
    bool over = request->watch_ms && !request->json && isatty(STDOUT_FILENO);
    int exit_code = EX_UNAVAILABLE;

    if (code == 200 && body.text) {
        if (over)
            put_over(body.text, body.length);
        else
            (void)fwrite(body.text, 1, body.length, stdout);
        exit_code = is_ready(request);
    } else if (again && over) {
        char text[ADMIN_ADDRESS + 256];
        int length = snprintf(text, sizeof text, "leat: nobody answers on %s: %s\n",
                              request->client.address, code ? "not leat's answer" : why);
        put_over(text, (size_t)length);
    } else if (code != 0) {
        (void)fprintf(stderr, "leat: %s answers with %d\n", request->client.address, code);
    } else {
        exit_code = admin_client_silent(&request->client, why);
    }
    (void)fflush(stdout);
    free(body.text);
    return exit_code;
}

/* ---- watching ------------------------------------------------------------------------------- */

static int open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* A daemon that goes away and comes back is what one watches for, at a terminal; whoever reads may
 * go away, too. */
static int watch(const struct request *request)
{
    struct pollfd fds[] = {{.fd = open_signals(), .events = POLLIN},
                           {.fd = STDOUT_FILENO, .events = 0}};
    bool terminal = isatty(STDOUT_FILENO) != 0;
    int exit_code = show(request, false);

    if (exit_code == EX_OK || exit_code == EX_NOT_READY) {
        if (terminal && !request->json) {
            (void)fputs("\033[H\033[2J\033[?25l", stdout); /* clear, hide the cursor */
            exit_code = show(request, true);
        }
        while ((terminal || exit_code == EX_OK || exit_code == EX_NOT_READY) && !ferror(stdout) &&
               poll(fds, 2, request->watch_ms) == 0)
            exit_code = show(request, true);
        if (terminal && !request->json)
            (void)fputs("\033[?25h", stdout);
        (void)fflush(stdout);
        __fpurge(stdout); /* whoever reads may have had enough: no fault */
        clearerr(stdout);
    }
    (void)close(fds[0].fd);
    return exit_code;
}

int cmd_status(int argc, char **argv)
{
    struct request request = {0};
    int exit_code = parse(argc, argv, &request);

    if (exit_code != 0)
        return exit_code - 1;
    exit_code = admin_client_find(&request.client, request.config, request.socket, false);
    if (exit_code != EX_OK)
        return exit_code;
    return request.watch_ms ? watch(&request) : show(&request, false);
}
