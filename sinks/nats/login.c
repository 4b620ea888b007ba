/* SPDX-License-Identifier: Apache-2.0
 *
 * login.c -- see the header.  Secrets live in buffers that are wiped; none reaches an error text.
 */
#include "login.h"
#include "json.h"
#include "nkey.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { SECRET_MAX = 16 * 1024 };

struct text { /* a string being built; `full` once something did not fit */
    char *dst;
    size_t len;
    bool full;
};

static void add(struct text *text, const char *piece)
{
    size_t len = strlen(piece);
    if (text->full || text->len + len > LOGIN_MAX) {
        text->full = true;
        return;
    }
    memcpy(text->dst + text->len, piece, len);
    text->len += len;
}

static void add_member(struct text *text, const char *name, leat_bytes value)
{
    add(text, ",\"");
    add(text, name);
    add(text, "\":");
    size_t len = text->full ? 0 : json_quote(value, text->dst + text->len, LOGIN_MAX - text->len);
    text->full |= len == 0;
    text->len += len;
}

static leat_bytes view(const char *text)
{
    return (leat_bytes){text, strlen(text)};
}

/* Reads a whole small file. */
static leat_status read_file(const char *path, char *dst, leat_bytes *out, leat_error *error)
{
    size_t len = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd >= 0 && len < SECRET_MAX && (n = read(fd, dst + len, SECRET_MAX - len)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    int why = fd < 0 || n < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (why) {
        error->os_errno = why;
        return nats_fail(error, LEAT_ERETRY, "cannot read %s: %s", path, strerror(why));
    }
    if (len == SECRET_MAX)
        return nats_fail(error, LEAT_ERETRY, "%s is too large to be a secret", path);
    *out = (leat_bytes){dst, len};
    return LEAT_OK;
}

/* The file's first line. */
static leat_status read_line(const char *path, char *dst, leat_bytes *out, leat_error *error)
{
    leat_status status = read_file(path, dst, out, error);
    if (status)
        return status;
    size_t len = 0;
    while (len < out->len && dst[len] != '\n' && dst[len] != '\r')
        len++;
    out->len = len;
    if (!len)
        return nats_fail(error, LEAT_ERETRY, "%s is empty", path);
    return LEAT_OK;
}

static leat_status add_key(struct text *text, const struct login *login, char *secret,
                           leat_error *error)
{
    const struct nats_options *options = login->options;
    const char *path = options->nkey_file ? options->nkey_file : options->credentials;
    char public_key[NKEY_PUBLIC_SIZE], signature[NKEY_SIGNATURE_SIZE];
    leat_bytes file, seed, jwt = {NULL, 0};
    leat_status status = read_file(path, secret, &file, error);
    if (status)
        return status;
    if (!nkey_find_seed(file, &seed) || !nkey_sign(seed, login->nonce, public_key, signature))
        return nats_fail(error, LEAT_ERETRY, "%s holds no seed of an nkey", path);
    if (options->credentials && !nkey_find_jwt(file, &jwt))
        return nats_fail(error, LEAT_ERETRY, "%s holds no user JWT", path);
    if (jwt.ptr)
        add_member(text, "jwt", jwt);
    else
        add_member(text, "nkey", view(public_key));
    add_member(text, "sig", view(signature));
    return LEAT_OK;
}

/* The option as it is now: its ${file:...} may have changed since the configuration was read. */
static leat_bytes current(const struct login *login, const char *name, const char *value,
                          char *secret)
{
    const leat_secrets *secrets = login->host && login->host->extension
                                      ? login->host->extension(login->host, LEAT_EXTENSION_SECRETS)
                                      : NULL;
    if (secrets && secrets->current(login->host, name, secret, SECRET_MAX) == LEAT_OK)
        return view(secret);
    return view(value);
}

static void add_user(struct text *text, const char *user, leat_bytes password)
{
    add_member(text, "user", view(user));
    add_member(text, "pass", password);
}

static leat_status add_secret(struct text *text, const struct login *login, char *secret,
                              leat_error *error)
{
    const struct nats_options *options = login->options;
    leat_bytes word;
    if (options->nkey_file || options->credentials)
        return add_key(text, login, secret, error);
    if (options->user) {
        leat_status status = LEAT_OK;
        word = view("");
        if (options->password_file)
            status = read_line(options->password_file, secret, &word, error);
        else if (options->password)
            word = current(login, "password", options->password, secret);
        add_user(text, options->user, word);
        return status;
    }
    if (options->token_file) {
        leat_status status = read_line(options->token_file, secret, &word, error);
        if (!status)
            add_member(text, "auth_token", word);
        return status;
    }
    if (options->token)
        add_member(text, "auth_token", current(login, "token", options->token, secret));
    else if (login->user && login->password)
        add_user(text, login->user, view(login->password));
    else if (login->user)
        add_member(text, "auth_token", view(login->user));
    return LEAT_OK;
}

leat_status login_write(const struct login *login, char *dst, size_t *len, leat_error *error)
{
    char secret[SECRET_MAX];
    struct text text = {.dst = dst};
    add(&text, "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"headers\":true,"
               "\"no_responders\":true,\"lang\":\"c\",\"version\":\"" LEAT_VERSION "\"");
    add(&text, login->tls ? ",\"tls_required\":true" : ",\"tls_required\":false");
    add_member(&text, "name", view(login->name));
    leat_status status = add_secret(&text, login, secret, error);
    explicit_bzero(secret, sizeof secret);
    add(&text, "}\r\n");
    *len = text.len;
    if (!status && text.full)
        return nats_fail(error, LEAT_ECONFIG, "the login does not fit into %d bytes", LOGIN_MAX);
    return status;
}
