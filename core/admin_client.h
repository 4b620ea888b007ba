/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_client.h -- the daemon as the commands reach it: its address, questions, commands.  [main]
 *
 * Every failure is said once, on standard error, with what to do about it.
 */
#ifndef LEAT_ADMIN_CLIENT_H
#define LEAT_ADMIN_CLIENT_H

#include "region.h"
#include "text_buffer.h"
#include "tree.h"

#include <stdio.h>

#define ADMIN_ADDRESS 4200

struct admin_client {
    char address[ADMIN_ADDRESS]; /* "unix:/PATH", "HOST:PORT" */
    const char *config;          /* borrowed; NULL: found without one */
};

/* Of -c FILE (config), --socket PATH, or neither: the daemon that has no other name.  commands:
 * only a unix socket takes them.  EX_OK or the exit code. */
int admin_client_find(struct admin_client *client, const char *config, const char *socket,
                      bool commands);

/* The answer's HTTP code, with its body; 0: there was none, errno says why and *why in words. */
int admin_client_ask(const struct admin_client *client, const char *method, const char *path,
                     struct text_buffer *body, const char **why);

/* Why nobody answered, and what to do: two texts for people.  number: errno of then.  Returns 69,
 * or 77 where only the right to talk to it is missing. */
int admin_client_explain(const struct admin_client *client, int number, const char *why, char *text,
                         size_t text_size, char *fix, size_t fix_size);

/* Both of them on standard error; the exit code. */
int admin_client_silent(const struct admin_client *client, const char *why);

/* GET /status as a tree; NULL: said on `errors` (NULL: in silence), *exit_code says how to end. */
const struct tree_node *admin_client_status(const struct admin_client *client,
                                            struct region *region, FILE *errors, int *exit_code);

/* A JSON text as a tree (JSON is YAML); NULL: it is none. */
const struct tree_node *admin_client_parse(const char *text, size_t length, struct region *region);

/* The text of a member, or "" where it is missing or no scalar. */
const char *admin_client_text(const struct tree_node *mapping, const char *dotted);

#endif
