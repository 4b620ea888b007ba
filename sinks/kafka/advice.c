/* SPDX-License-Identifier: Apache-2.0
 *
 * advice.c -- see the header.  A text that is not known, of a later librdkafka, gets the general
 * advice.
 */
#include "advice.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_UNREACHABLE = 69, EXIT_PERMISSION = 77, EXIT_CONFIG = 78 };

struct advice {
    const char *part; /* the first that occurs in the text decides */
    int32_t exit_code;
    const char *fix;
};

static int32_t choose(const struct advice *table, size_t count, const char *text, char *fix,
                      size_t size)
{
    size_t i = 0;
    while (i + 1 < count && !strstr(text, table[i].part))
        i++;
    (void)snprintf(fix, size, "%s", table[i].fix);
    return table[i].exit_code;
}

#define CHOOSE(table, text, fix, size)                                                             \
    choose(table, sizeof(table) / sizeof(table)[0], text, fix, size)

const char *advice_broker(const struct kafka_options *options)
{
    return options->brokers.count ? options->brokers.items[0] : "HOST:PORT";
}

int32_t advice_on_options(const char *error, char *fix, size_t size)
{
    static const struct advice table[] = {
        {"is refused", EXIT_CONFIG, "take the property out of properties"},
        {"sasl.password_file", EXIT_CONFIG,
         "sasl.password_file: a file that the daemon's user may read"},
        {"brokers:", EXIT_CONFIG, "name three or so of the brokers: the others are learned"},
        {"ssl.ca.location", EXIT_CONFIG,
         "tls.ca: a PEM file with the authorities' certificates that the daemon's user may read"},
        {"ssl.certificate.location", EXIT_CONFIG,
         "tls.certificate: a PEM file with our certificate that the daemon's user may read"},
        {"ssl.key", EXIT_CONFIG,
         "tls.key: a PEM file with the key of tls.certificate that the daemon's user may read, and "
         "tls.key_password where it has one"},
        {"sasl.", EXIT_CONFIG,
         "give sasl.mechanism, sasl.username and sasl.password_file together"},
        {"", EXIT_CONFIG, "correct the option; leat plugins kafka says what each takes"},
    };
    return CHOOSE(table, error, fix, size);
}

int32_t advice_on_login(const struct kafka_options *options, char *fix, size_t size)
{
    const char *user = options->sasl_username ? options->sasl_username : "USER";
    const char *mechanism = kafka_mechanisms[options->sasl_mechanism];
    if (options->sasl_mechanism == KAFKA_SASL_NONE)
        (void)snprintf(fix, size,
                       "give sasl.mechanism, sasl.username and sasl.password_file, or "
                       "tls.certificate and tls.key: the brokers want a login");
    else if (strcmp(mechanism, "PLAIN") == 0)
        (void)snprintf(fix, size,
                       "correct sasl.username and the password: the brokers know user_%.100s=... "
                       "in their plain.sasl.jaas.config",
                       user);
    else
        (void)snprintf(fix, size,
                       "correct sasl.username and the password, or set it: kafka-configs.sh "
                       "--bootstrap-server %.200s --alter --entity-type users --entity-name %.100s "
                       "--add-config '%s=[password=...]'",
                       advice_broker(options), user, mechanism);
    return EXIT_PERMISSION;
}

int32_t advice_on_reach(const struct kafka_options *options, const char *trouble, char *fix,
                        size_t size)
{
    static const struct advice table[] = {
        {"esolve", EXIT_UNREACHABLE, "correct the host in brokers, or the name service"},
        {"ssl.ca.location", EXIT_PERMISSION,
         "tls.ca: the certificate of the authority that signed the brokers' certificates"},
        {"certificate verify failed", EXIT_PERMISSION,
         "tls.ca: the certificate of the authority that signed the brokers' certificates; and name "
         "the brokers as their certificates do"},
        {"certificate", EXIT_PERMISSION,
         "tls.certificate and tls.key: a certificate that the brokers' ssl.truststore accepts"},
        {"connecting to a PLAINTEXT", EXIT_UNREACHABLE,
         "tls.enable: false, or name the brokers' port for TLS (listeners in server.properties)"},
        {"SSL", EXIT_UNREACHABLE,
         "tls.enable: false, or name the brokers' port for TLS (listeners in server.properties)"},
        {"Connection refused", EXIT_UNREACHABLE, ""},
        {"security.protocol", EXIT_UNREACHABLE,
         "tls.enable: true, or sasl.mechanism, as the listener of that port wants it "
         "(listener.security.protocol.map in server.properties)"},
        {"Disconnected", EXIT_UNREACHABLE,
         "tls.enable: true, or sasl.mechanism, as the listener of that port wants it "
         "(listener.security.protocol.map in server.properties)"},
        {"", EXIT_UNREACHABLE, ""},
    };
    int32_t exit_code = CHOOSE(table, trouble, fix, size);
    if (!fix[0])
        (void)snprintf(fix, size,
                       "start the broker (systemctl status kafka on the host of %.200s), let this "
                       "host reach it (firewall, advertised.listeners), or correct brokers",
                       advice_broker(options));
    return exit_code;
}
