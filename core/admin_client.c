/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_client.c -- see admin_client.h.
 */
#include "admin_client.h"

#include "config_peek.h"
#include "config_places.h"
#include "http_client.h"
#include "problems.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define ASK_MS 5000
#define COMMAND_MS 15000 /* the daemon answers within 8 s, done or not */

/* ---- where it answers ----------------------------------------------------------------------- */

static int of_config(struct admin_client *client, const char *path, bool commands)
{
    struct config_peek peek;
    int exit_code = config_peek(path, &peek, stderr);
    const char *found = NULL;

    for (size_t i = 0; exit_code == EX_OK && i < peek.listen.count && !found; i++)
        if (!commands || strncmp(peek.listen.items[i], "unix:", 5) == 0)
            found = peek.listen.items[i];
    if (found) {
        (void)snprintf(client->address, sizeof client->address, "%s", found);
    } else if (exit_code == EX_OK && peek.listen.count > 0) {
        (void)fprintf(
            stderr,
            "leat: commands go through a unix socket, and %s has none in http.listen; add "
            "unix:/PATH to it\n",
            path);
        exit_code = EX_UNAVAILABLE;
    } else if (exit_code == EX_OK) {
        (void)fprintf(stderr,
                      "leat: %s has http.listen: none, so nobody answers; write unix:/PATH there\n",
                      path);
        exit_code = EX_UNAVAILABLE;
    }
    config_peek_fini(&peek);
    return exit_code;
}

int admin_client_find(struct admin_client *client, const char *config, const char *socket,
                      bool commands)
{
    struct config_places places;

    client->config = config;
    if (config)
        return of_config(client, config, commands);
    config_places(NULL, &places);
    (void)snprintf(client->address, sizeof client->address, "%s%s", socket ? "unix:" : "",
                   socket ? socket : places.listen);
    return EX_OK;
}

/* ---- asking --------------------------------------------------------------------------------- */

int admin_client_ask(const struct admin_client *client, const char *method, const char *path,
                     struct text_buffer *body, const char **why)
{
    int timeout_ms = strcmp(method, "POST") == 0 ? COMMAND_MS : ASK_MS;

    return http_request(client->address, method, path, timeout_ms, body, why);
}

int admin_client_explain(const struct admin_client *client, int number, const char *why, char *text,
                         size_t text_size, char *fix, size_t fix_size)
{
    const char *path =
        strncmp(client->address, "unix:", 5) == 0 ? client->address + 5 : client->address;
    const char *config = client->config ? client->config : "FILE";

    if (number == EACCES || number == EPERM) {
        (void)snprintf(text, text_size, "may not talk to the daemon on %s: %s", client->address,
                       why);
        (void)snprintf(
            fix, fix_size,
            "use sudo, or join the group of the socket: sudo usermod -aG \"$(stat -c %%G "
            "%s)\" \"$USER\"",
            path);
        return EX_NOPERM;
    }
    (void)snprintf(text, text_size, "no daemon answers on %s: %s", client->address, why);
    if (number == ETIMEDOUT || number == EAGAIN)
        (void)snprintf(fix, fix_size,
                       "it hangs, or is stopped: systemctl status leat, journalctl -u leat");
    else if (number == 0 || number == EFBIG)
        (void)snprintf(fix, fix_size,
                       "something else than leat answers there: correct http.listen");
    else
        (void)snprintf(fix, fix_size,
                       "start it: systemctl start leat, or leat run -c %s; if it runs, name its "
                       "configuration with -c or its socket with --socket",
                       config);
    return EX_UNAVAILABLE;
}

int admin_client_silent(const struct admin_client *client, const char *why)
{
    char text[ADMIN_ADDRESS + 256], fix[ADMIN_ADDRESS + 256];
    int exit_code = admin_client_explain(client, errno, why, text, sizeof text, fix, sizeof fix);

    (void)fflush(stdout);
    (void)fprintf(stderr, "leat: %s; %s\n", text, fix);
    return exit_code;
}

/* ---- what was answered ---------------------------------------------------------------------- */

const struct tree_node *admin_client_parse(const char *text, size_t length, struct region *region)
{
    struct problems *problems = problems_create("answer");
    const struct tree_node *root = text ? tree_load(text, length, region, problems) : NULL;
    bool good = root && root->kind == TREE_MAPPING && problems_errors(problems) == 0;

    problems_destroy(problems);
    return good ? root : NULL;
}

const char *admin_client_text(const struct tree_node *mapping, const char *dotted)
{
    const struct tree_node *node =
        mapping && mapping->kind == TREE_MAPPING ? tree_find(mapping, dotted) : NULL;

    return node && node->kind == TREE_SCALAR && (node->quoted || !tree_is_null(node)) ? node->text
                                                                                      : "";
}

const struct tree_node *admin_client_status(const struct admin_client *client,
                                            struct region *region, FILE *errors, int *exit_code)
{
    struct text_buffer body = {0};
    const struct tree_node *root = NULL;
    const char *why = "";
    int code = admin_client_ask(client, "GET", "/status", &body, &why);

    *exit_code = EX_UNAVAILABLE;
    if (code == 200)
        root = admin_client_parse(body.text, body.length, region);
    if (root)
        *exit_code = EX_OK;
    else if (code == 0 && errors)
        *exit_code = admin_client_silent(client, why);
    else if (errors)
        (void)fprintf(errors, "leat: %s: the answer (%d) is not leat's\n", client->address, code);
    free(body.text);
    return root;
}
