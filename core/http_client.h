/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.h -- one request to a daemon's admin endpoint, for the commands.  [main]
 *
 * HTTP/1.0: the answer ends where the connection does.  Bounded in size and in time.
 */
#ifndef LEAT_HTTP_CLIENT_H
#define LEAT_HTTP_CLIENT_H

#include "text_buffer.h"

/* The status code, with the answer's body behind what is in `body`; 0: no answer, and `why` says
 * why (errno's text; or what was wrong, with errno 0). */
int http_request(const char *address, const char *method, const char *path, int timeout_ms,
                 struct text_buffer *body, const char **why);

#endif
