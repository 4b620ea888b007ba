/* SPDX-License-Identifier: Apache-2.0
 *
 * bus.h -- a real nats-server for a test: its own folder, a free port of 127.0.0.1, a configuration
 * of the test's, and the ways to hurt it.  Looks at streams through nats.c, so that what the sink
 * wrote is read by somebody else's code.  One thread.  Aborts where the machine is at fault.
 */
#ifndef BUS_H
#define BUS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bus {
    char program[512], folder[128], url[64], version[32];
    char *config; /* what the test adds */
    int port, monitor_port;
    pid_t pid;
    natsOptions *options; /* how the reader logs in */
    natsConnection *reader;
};

struct bus_message {
    char *subject, *id, *data, *headers;
    uint64_t sequence;
};

struct bus_messages {
    struct bus_message *items;
    size_t count;
};

/* The program of `which`: "debian" (nats-server of the distribution) or "current" (2.12 or newer:
 * LEAT_NATS_SERVER, or what get-server put under the build folder).  NULL: there is none here. */
const char *bus_program(const char *which);
void bus_start(struct bus *bus, const char *program, const char *config);
void bus_stop(struct bus *bus);  /* and removes its folder; forgives a zeroed one */
void bus_kill(struct bus *bus);  /* -9 */
void bus_begin(struct bus *bus); /* again, same port, same store */
void bus_freeze(struct bus *bus);
void bus_thaw(struct bus *bus);
bool bus_at_least(const struct bus *bus, int major, int minor);
int bus_free_port(void);
void bus_write_file(const char *path, const char *text);
void bus_run(const char *command); /* a shell command that must succeed */

/* A request to the JetStream API: the answer, owned by the caller. */
char *bus_api(struct bus *bus, const char *verb_and_stream, const char *json);
void bus_stream(struct bus *bus, const char *name, const char *more); /* file storage, "name.>" */
uint64_t bus_last_sequence(struct bus *bus, const char *stream);
struct bus_messages bus_read(struct bus *bus, const char *stream);
void bus_messages_free(struct bus_messages *messages);
void bus_publish(struct bus *bus, const char *subject, const char *data); /* a foreign message */
/* The same with an id: false when the stream called it a duplicate. */
bool bus_publish_id(struct bus *bus, const char *subject, const char *id);
/* Where the messages lie; and a copy of it, as a power cut would leave it, put back later. */
void bus_save_store(struct bus *bus);
void bus_restore_store(struct bus *bus); /* the server must be down */

#endif
