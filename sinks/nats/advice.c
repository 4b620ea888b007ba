/* SPDX-License-Identifier: Apache-2.0
 *
 * advice.c -- see the header.  The texts are those of client_open.c, login.c, socket.c and
 * stream.c, and the errors of the server's protocol, which have been the same since its version 1.
 */
#include "advice.h"
#include "stream.h"

#include <stdio.h>

enum { EX_UNAVAILABLE_ = 69, EX_NOPERM_ = 77, EX_CONFIG_ = 78 };

/* The first that occurs in the error decides; %s is the server's address. */
static const struct {
    const char *part;
    int32_t exit_code;
    const char *fix;
} table[] = {
    {"cannot resolve", EX_UNAVAILABLE_, "correct the host in url, or the name service"},
    {"Connection refused", EX_UNAVAILABLE_,
     "systemctl start nats-server (on the host of %s), or correct host and port in url"},
    {"cannot connect", EX_UNAVAILABLE_,
     "let this host reach %s (route, firewall), or correct host and port in url"},
    {"want tls.first?", EX_UNAVAILABLE_,
     "tls.first: true, where the server's tls block has handshake_first; else correct the port in "
     "url"},
    {"TLS is wanted", EX_CONFIG_,
     "give the server's configuration a block tls { cert_file: FILE, key_file: FILE }, or write "
     "nats:// in url and take tls.* away"},
    {"bytes arrived before TLS", EX_NOPERM_,
     "find out who answers at %s: a NATS server waits for TLS there"},
    {"tls.ca: cannot use", EX_CONFIG_,
     "tls.ca: a PEM file with the authority's certificate that the daemon's user may read"},
    {"tls.cert: cannot use", EX_CONFIG_,
     "tls.cert: a PEM file with the client's certificate that the daemon's user may read"},
    {"tls.key: cannot use", EX_CONFIG_,
     "tls.key: a PEM file with the key of tls.cert that the daemon's user may read"},
    {"mismatch", EX_NOPERM_,
     "tls.name: the name in the server's certificate, or give that name in url"},
    {"expired", EX_NOPERM_, "renew the certificate or the login that has expired, then reload %s"},
    {"not yet valid", EX_NOPERM_, "correct the clock here, or the certificate of %s"},
    {"issuer", EX_NOPERM_,
     "tls.ca: the certificate of the authority that signed the certificate of %s"},
    {"self-signed", EX_NOPERM_,
     "tls.ca: the certificate of the authority that signed the certificate of %s"},
    {"self signed", EX_NOPERM_,
     "tls.ca: the certificate of the authority that signed the certificate of %s"},
    {"certificate", EX_NOPERM_,
     "tls.cert and tls.key: a client certificate that the server's tls block (ca_file) accepts"},
    {"tls.name:", EX_CONFIG_, "tls.name: a host's name or an address, as in the certificate"},
    {"TLS", EX_UNAVAILABLE_,
     "read in the log of the server at %s why TLS failed; tls.first: true where it has "
     "handshake_first"},
    {"headers turned off", EX_CONFIG_,
     "take no_header_support out of the server's configuration and restart it"},
    {"cannot read", EX_CONFIG_,
     "correct the file's name in the options, or let the daemon's user read it"},
    {"too large to be a secret", EX_CONFIG_, "name a file with the secret alone in the options"},
    {" is empty", EX_CONFIG_, "write the secret into the file's first line"},
    {"holds no seed", EX_CONFIG_,
     "write the user's seed (SU...) into the file: nk -gen user, or nsc generate creds"},
    {"holds no user JWT", EX_CONFIG_, "nsc generate creds --account ACCOUNT --name USER > FILE"},
    {"does not fit into", EX_CONFIG_, "shorten the secret, or name a file with it alone"},
    {"maximum connections exceeded", EX_UNAVAILABLE_,
     "raise max_connections in the server's configuration, then nats-server --signal reload"},
    {"maximum account active connections", EX_UNAVAILABLE_,
     "raise the account's limit of connections"},
    {"does not speak the NATS protocol", EX_CONFIG_,
     "correct the port in url: the one for clients (4222 unless changed), not the one for "
     "monitoring"},
    {"the server said: memory", EX_UNAVAILABLE_, "give the server's jetstream more memory"},
    {"not enabled for account", EX_UNAVAILABLE_,
     "accounts { ACCOUNT { jetstream: enabled } } in the server's configuration, then nats-server "
     "--signal reload"},
    {"url", EX_CONFIG_, "url: nats://HOST:4222, or tls://HOST:4222"},
};

/* What the server refuses is the way that was configured, or that none was. */
static const char *login_fix(const struct nats_options *options)
{
    if (options->credentials)
        return "nsc push --all, where the server does not know the account; else credentials: a "
               "file of an account that it knows (nsc generate creds)";
    if (options->nkey_file)
        return "authorization { users: [{ nkey: PUBLIC_KEY }] } in the server's configuration with "
               "the public key (U...) of nkey_file, then nats-server --signal reload";
    if (options->token || options->token_file)
        return "correct the token: it is authorization { token: ... } of the server's "
               "configuration";
    if (options->user)
        return "correct user and password: they are authorization { user: ..., password: ... } or "
               "users of the server's configuration";
    return "give user and password_file, token_file, nkey_file or credentials (or user and "
           "password in url): the server wants a login";
}

/* JetStream said nothing, or that nobody is there. */
static void jetstream_fix(const struct client *client, char *fix, size_t size)
{
    const struct nats_options *options = client->options;
    if (options->domain)
        (void)snprintf(fix, size,
                       "correct domain: %s is not the jetstream { domain: ... } of a server that "
                       "is connected, or leave it out",
                       options->domain);
    else if (!client->info.jetstream)
        (void)snprintf(fix, size,
                       "jetstream { store_dir: DIRECTORY } in the configuration of %s, then "
                       "restart it",
                       client->server);
    else
        (void)snprintf(fix, size,
                       "accounts { ACCOUNT { jetstream: enabled } } in the server's configuration; "
                       "in a cluster: nats server report jetstream says whether it has a leader");
}

int32_t advice_on(const struct client *client, const char *error, char *fix, size_t size)
{
    const struct nats_options *options = client->options;
    if (strstr(error, "Permissions Violation")) {
        (void)snprintf(fix, size,
                       "permissions { publish: [\"$JS.API.STREAM.INFO.%.200s\", "
                       "\"$JS.API.STREAM.MSG.GET.%.200s\", \"%.100s.leat-alive.>\", "
                       "\"SUBJECTS OF route\"], subscribe: \"%.100s.>\" } of the user in "
                       "the server's configuration, then nats-server --signal reload; the rest: "
                       "leat-sink-nats(7)",
                       options->stream, options->stream, options->inbox_prefix,
                       options->inbox_prefix);
        return EX_NOPERM_;
    }
    if (strstr(error, "uthorization Violation") || strstr(error, "uthentication Revoked") ||
        strstr(error, "uthentication Timeout")) {
        (void)snprintf(fix, size, "%s", login_fix(options));
        return EX_NOPERM_;
    }
    if (strstr(error, "JetStream is not enabled") || strstr(error, "no answer to $JS.")) {
        jetstream_fix(client, fix, size);
        return EX_UNAVAILABLE_;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!strstr(error, table[i].part))
            continue;
        const char *rest = strstr(table[i].fix, "%s");
        size_t before = rest ? (size_t)(rest - table[i].fix) : strlen(table[i].fix);
        (void)snprintf(fix, size, "%.*s%s%s", (int)before, table[i].fix, rest ? client->server : "",
                       rest ? rest + 2 : "");
        return table[i].exit_code;
    }
    (void)snprintf(fix, size, "look into the log of the server at %s for what it says of us",
                   client->server[0] ? client->server : "url");
    return EX_UNAVAILABLE_;
}

void advice_on_stream(const struct stream_info *info, const struct nats_options *options, char *fix,
                      size_t size)
{
    const char *name = options->stream;
    const char *atomic = options->publish == PUBLISH_ATOMIC ? " --allow-batch" : "";
    if (info->sealed)
        (void)snprintf(fix, size,
                       "a sealed stream stays sealed: nats stream add NEW --subjects 'cdc.>' "
                       "--storage file --defaults%s, and stream: NEW",
                       atomic);
    else if (info->mirror)
        (void)snprintf(fix, size, "stream: the name of the stream that %s mirrors", name);
    else if (info->memory || info->persist_async)
        (void)snprintf(fix, size,
                       "nats stream add NEW --subjects SUBJECTS --storage file --defaults%s, and "
                       "stream: NEW%s",
                       atomic,
                       info->memory && !options->allow_memory_stream
                           ? "; or allow_memory_stream: true, where its loss is no harm"
                           : "");
    else
        (void)snprintf(fix, size, "nats stream edit %s --allow-batch, or publish: single", name);
}
