/* SPDX-License-Identifier: Apache-2.0
 *
 * socket.c -- see the header.  TLS is OpenSSL over a BIO of our own, because OpenSSL's would write
 * without MSG_NOSIGNAL.
 */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t socket_clock_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - socket_clock_ms();
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left < 0 ? 0 : (int)left);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static int connect_one(const struct addrinfo *address, int64_t deadline_ms, int *why)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *why = errno;
        return -1;
    }
    int one = 1;
    struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
    *why = 0;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        *why = errno;
    else if (!wait_for(fd, POLLOUT, deadline_ms))
        *why = ETIMEDOUT;
    else
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, why, &(socklen_t){sizeof *why});
    if (*why) {
        close(fd);
        return -1;
    }
    return fd;
}

leat_status socket_open(struct socket *s, const char *host, const char *port, int64_t deadline_ms,
                        leat_error *error)
{
    *s = (struct socket){.fd = -1};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc)
        return nats_fail(error, LEAT_ERETRY, "cannot resolve %s: %s", host, gai_strerror(rc));
    int why = EHOSTUNREACH;
    for (struct addrinfo *a = list; a && s->fd < 0; a = a->ai_next)
        s->fd = connect_one(a, deadline_ms, &why);
    freeaddrinfo(list);
    if (s->fd >= 0)
        return LEAT_OK;
    error->os_errno = why;
    return nats_fail(error, LEAT_ERETRY, "cannot connect to %s:%s: %s", host, port, strerror(why));
}

void socket_close(struct socket *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct socket){.fd = -1};
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static int bio_write(BIO *bio, const char *data, int len)
{
    int *fd = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(*fd, data, (size_t)len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)n;
}

static int bio_read(BIO *bio, char *data, int len)
{
    int *fd = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(*fd, data, (size_t)len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "leat");
    if (!bio_method)
        return;
    (void)BIO_meth_set_write(bio_method, bio_write);
    (void)BIO_meth_set_read(bio_method, bio_read);
    (void)BIO_meth_set_ctrl(bio_method, bio_control);
}

static const char *ssl_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "the connection was closed";
}

static leat_status load_files(SSL_CTX *context, const struct nats_options *options,
                              leat_error *error)
{
    bool good = options->tls_ca ? SSL_CTX_load_verify_locations(context, options->tls_ca, NULL) == 1
                                : SSL_CTX_set_default_verify_paths(context) == 1;
    if (!good)
        return nats_fail(error, LEAT_ERETRY, "tls.ca: cannot use %s: %s",
                         options->tls_ca ? options->tls_ca : "the system's authorities",
                         ssl_reason());
    if (options->tls_cert && SSL_CTX_use_certificate_chain_file(context, options->tls_cert) != 1)
        return nats_fail(error, LEAT_ERETRY, "tls.cert: cannot use %s: %s", options->tls_cert,
                         ssl_reason());
    if (options->tls_key &&
        (SSL_CTX_use_PrivateKey_file(context, options->tls_key, SSL_FILETYPE_PEM) != 1 ||
         SSL_CTX_check_private_key(context) != 1))
        return nats_fail(error, LEAT_ERETRY, "tls.key: cannot use %s: %s", options->tls_key,
                         ssl_reason());
    return LEAT_OK;
}

static bool expect_name(SSL *ssl, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static leat_status handshake(struct socket *s, const char *name, int64_t deadline_ms,
                             leat_error *error)
{
    for (;;) {
        ERR_clear_error();
        int n = SSL_connect(s->ssl);
        if (n == 1)
            return LEAT_OK;
        int what = SSL_get_error(s->ssl, n);
        if (what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE) {
            long verify = SSL_get_verify_result(s->ssl);
            return nats_fail(error, LEAT_ERETRY, "TLS with %s failed: %s", name,
                             verify != X509_V_OK ? X509_verify_cert_error_string(verify)
                                                 : ssl_reason());
        }
        if (!wait_for(s->fd, what == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms))
            return nats_fail(error, LEAT_ERETRY,
                             "TLS with %s: the server does not answer the handshake in time", name);
    }
}

leat_status socket_start_tls(struct socket *s, const struct nats_options *options, const char *host,
                             int64_t deadline_ms, leat_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    ERR_clear_error();
    s->context = SSL_CTX_new(TLS_client_method());
    if (!s->context || !bio_method)
        return nats_fail(error, LEAT_ERETRY, "TLS: no memory");
    SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION);
    SSL_CTX_set_mode(s->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    leat_status status = load_files(s->context, options, error);
    if (status)
        return status;
    const char *name = options->tls_name ? options->tls_name : host;
    s->ssl = SSL_new(s->context);
    BIO *bio = s->ssl ? BIO_new(bio_method) : NULL;
    if (!bio)
        return nats_fail(error, LEAT_ERETRY, "TLS: no memory");
    BIO_set_data(bio, &s->fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    if (!expect_name(s->ssl, name))
        return nats_fail(error, LEAT_ECONFIG, "tls.name: \"%s\" cannot be a server's name", name);
    return handshake(s, name, deadline_ms, error);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static int64_t tls_result(struct socket *s, int n, bool reading)
{
    if (n > 0)
        return n;
    int what = SSL_get_error(s->ssl, n);
    if (reading)
        s->read_wants_write = what == SSL_ERROR_WANT_WRITE;
    return what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int64_t socket_read(struct socket *s, void *dst, size_t size)
{
    if (s->ssl) {
        ERR_clear_error();
        return tls_result(s, SSL_read(s->ssl, dst, size > INT32_MAX ? INT32_MAX : (int)size), true);
    }
    ssize_t n = recv(s->fd, dst, size, 0);
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int64_t socket_write(struct socket *s, const void *src, size_t len)
{
    if (s->ssl) {
        ERR_clear_error();
        return tls_result(s, SSL_write(s->ssl, src, len > INT32_MAX ? INT32_MAX : (int)len), false);
    }
    ssize_t n = send(s->fd, src, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

bool socket_wait(const struct socket *s, bool for_write, int wake_fd, int64_t timeout_ms)
{
    bool buffered = s->ssl && SSL_pending(s->ssl) > 0;
    struct pollfd fds[2] = {
        {.fd = s->fd, .events = (short)(POLLIN | (for_write || s->read_wants_write ? POLLOUT : 0))},
        {.fd = wake_fd, .events = POLLIN}};
    int ms = timeout_ms < 0 ? -1 : timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
    return poll(fds, 2, buffered ? 0 : ms) > 0 && fds[1].revents != 0;
}
