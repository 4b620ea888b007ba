/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate.c -- see certificate.h.
 */
#include "certificate.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void tell(const leat_host *host, const char *whose, const X509 *certificate)
{
    const leat_metrics *metrics =
        host && host->extension ? host->extension(host, LEAT_EXTENSION_METRICS) : NULL;
    struct tm end;

    if (!metrics || !certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return;
    metrics->set(host,
                 metrics->declare(host, LEAT_METRIC_GAUGE, LEAT_METRIC_CERTIFICATE, "certificate",
                                  whose, LEAT_METRIC_CERTIFICATE_HELP),
                 (double)timegm(&end));
}

void certificate_tell(const leat_host *host, const void *ssl)
{
    X509 *server;

    if (!ssl)
        return;
    server = SSL_get1_peer_certificate(ssl);
    tell(host, "server", server);
    X509_free(server);
    tell(host, "client", SSL_get_certificate(ssl));
}

void certificate_tell_file(const leat_host *host, const char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    X509 *certificate = NULL;

    if (file) {
        certificate = PEM_read_X509(file, NULL, NULL, NULL);
        (void)fclose(file);
    } else if (fd >= 0) {
        (void)close(fd);
    }
    tell(host, "client", certificate);
    X509_free(certificate);
}
