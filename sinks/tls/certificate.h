/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate.h -- when the certificates in use end, as figures of an instance.  [worker]
 *
 * Built into each plugin that speaks TLS.  Never fails: what cannot be read is not told.
 */
#ifndef LEAT_TLS_CERTIFICATE_H
#define LEAT_TLS_CERTIFICATE_H

#include <leat/plugin.h>

/* ssl: an SSL * whose handshake is done; NULL: no TLS, nothing is told.  Of the server's and, where
 * we showed one, of our own certificate. */
void certificate_tell(const leat_host *host, const void *ssl);

/* The same of the first certificate of a PEM file that we show.  NULL: none. */
void certificate_tell_file(const leat_host *host, const char *path);

#endif
