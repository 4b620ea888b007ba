/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c -- the NATS sink as a plugin: what it is called, what it wants, how it begins and ends.
 * [main]
 */
#include "sink.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

static const leat_route_rules route_rules = {
    .allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
    .literal = ".",
    .escape = '%',
    .max_length = 1000, /* the server's line (max_control_line) holds 4096 bytes */
    .required = 1,
};

static void sink_destroy(leat_sink *sink)
{
    if (!sink)
        return;
    client_fini(&sink->client);
    window_fini(&sink->window);
    skip_fini(&sink->skip);
    publisher_fini(&sink->publisher);
    free(sink->tail);
    free(sink);
}

static leat_status sink_create(const leat_host *host, const void *config, leat_sink **out,
                               leat_error *error)
{
    const struct nats_options *options = config;
    int64_t hold_ms;
    *out = NULL;
    leat_status status = nats_options_check(options, &hold_ms, error);
    if (status)
        return status;
    leat_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return nats_fail(error, LEAT_EFATAL, "no memory");
    *out = sink;
    sink->host = host;
    sink->options = options;
    sink->hold_option_ms = hold_ms;
    sink->tail = calloc(1, sizeof *sink->tail);
    sink->publisher = (struct publisher){.options = options,
                                         .client = &sink->client,
                                         .window = &sink->window,
                                         .skip = &sink->skip,
                                         .name_space = sink->name_space};
    (void)snprintf(sink->name, sizeof sink->name, "leat %s/%s", host->pipeline, host->instance);
    if (!sink->tail || !client_init(&sink->client, options, sink->name) ||
        !window_init(&sink->window) || !skip_init(&sink->skip) || !publisher_init(&sink->publisher))
        return nats_fail(error, LEAT_EFATAL, "no memory");
    sink->client.events = (struct client_events){sink, sink_message, sink_denied};
    sink->client.host = host;
    return LEAT_OK;
}

static const char *libraries(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

static const leat_sink_ops ops = {
    .size = sizeof ops,
    .caps = LEAT_SINK_WANTS_ID,
    .route = &route_rules,
    .create = sink_create,
    .start = sink_start,
    .submit = sink_submit,
    .poll = sink_poll,
    .stop = sink_stop,
    .destroy = sink_destroy,
    .check = sink_check,
};

LEAT_ELF_NOTE(0);

LEAT_EXPORT const leat_plugin leat_plugin_v1 = {
    .magic = LEAT_ABI_MAGIC,
    .abi_major = LEAT_ABI_MAJOR,
    .abi_minor = LEAT_ABI_MINOR,
    .size = sizeof leat_plugin_v1,
    .abi_minor_needed = 0,
    .kind = LEAT_KIND_SINK,
    .name = "nats",
    .version = LEAT_VERSION,
    .license = "Apache-2.0",
    .summary = "Publishes into a NATS JetStream stream",
    .ops = &ops,
    .options = nats_option_table,
    .option_count = NATS_OPTION_COUNT,
    .option_stride = sizeof(leat_option),
    .config_size = sizeof(struct nats_options),
    .libraries = libraries,
};
