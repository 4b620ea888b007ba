/* SPDX-License-Identifier: Apache-2.0
 *
 * bus.c -- see the header.
 */
#include "bus.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "bus: %s: %s\n", what, strerror(errno));
    abort();
}

const char *bus_program(const char *which)
{
    static char path[600];
    const char *given = getenv("LEAT_NATS_SERVER");
    if (strcmp(which, "debian") == 0)
        return access("/usr/sbin/nats-server", X_OK) == 0 ? "/usr/sbin/nats-server" : NULL;
    if (given)
        return given;
    snprintf(path, sizeof path, "%s/bin/nats-server", LEAT_NATS_CURRENT);
    return access(path, X_OK) == 0 ? path : NULL;
}

/* As tests/integration/leat_harness/places.py: none of those that the kernel gives to clients, since
 * a server is killed and comes back to it, and whoever knocks there meanwhile could be given it as its
 * own; and a name that goes away with this process keeps other tests from it. */
static bool port_is_ours(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "leat-test-port-%d", port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int held = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ours;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || held < 0)
        fail("no free port");
    ours = bind(held, (struct sockaddr *)&name,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0 &&
           bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    if (!ours)
        close(held); /* else it is held to the end */
    return ours;
}

int bus_free_port(void)
{
    uint16_t random;
    int port;

    do {
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            fail("no free port");
        port = 8000 + random % 24000;
    } while (!port_is_ours(port));
    return port;
}

void bus_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file))
        fail(path);
}

void bus_run(const char *command)
{
    int rc = system(command);
    if (rc != 0) {
        fprintf(stderr, "bus: failed: %s\n", command);
        abort();
    }
}

static void wait_ready(struct bus *bus)
{
    for (int i = 0; i < 1000; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)bus->port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (good)
            return;
        poll(NULL, 0, 10); /* the server has no event for "listening" */
    }
    fail("the server does not come up");
}

void bus_begin(struct bus *bus)
{
    char path[200], log[200];
    snprintf(path, sizeof path, "%s/server.conf", bus->folder);
    snprintf(log, sizeof log, "%s/server.log", bus->folder);
    bus->pid = fork();
    if (bus->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execl(bus->program, "nats-server", "-c", path, (char *)NULL);
        _exit(127);
    }
    if (bus->pid < 0)
        fail("fork");
    wait_ready(bus);
}

void bus_start(struct bus *bus, const char *program, const char *config)
{
    char path[200], command[600], folder[] = "/tmp/leat-nats-XXXXXX";
    memset(bus, 0, sizeof *bus);
    if (!mkdtemp(folder))
        fail("mkdtemp");
    snprintf(bus->folder, sizeof bus->folder, "%s", folder);
    snprintf(bus->program, sizeof bus->program, "%s", program);
    bus->port = bus_free_port();
    bus->monitor_port = bus_free_port();
    snprintf(bus->url, sizeof bus->url, "nats://127.0.0.1:%d", bus->port);
    snprintf(path, sizeof path, "%s/server.conf", bus->folder);
    FILE *file = fopen(path, "we");
    if (!file)
        fail(path);
    fprintf(file, "listen: 127.0.0.1:%d\nhttp: 127.0.0.1:%d\n%s\n", bus->port, bus->monitor_port,
            config ? config : "");
    if (!config || !strstr(config, "jetstream"))
        fprintf(file, "jetstream { store_dir: \"%s/store\" }\n", bus->folder);
    fclose(file);
    snprintf(command, sizeof command, "%s --version", program);
    FILE *version = popen(command, "r");
    if (!version || fscanf(version, "nats-server: v%31s", bus->version) != 1)
        fail("nats-server --version");
    pclose(version);
    bus_begin(bus);
}

bool bus_at_least(const struct bus *bus, int major, int minor)
{
    int a = 0, b = 0;
    (void)!sscanf(bus->version, "%d.%d", &a, &b);
    return a > major || (a == major && b >= minor);
}

static void forget_reader(struct bus *bus)
{
    natsConnection_Destroy(bus->reader);
    bus->reader = NULL;
}

void bus_kill(struct bus *bus)
{
    forget_reader(bus);
    if (bus->pid > 0) {
        kill(bus->pid, SIGKILL);
        waitpid(bus->pid, NULL, 0);
    }
    bus->pid = 0;
}

void bus_freeze(struct bus *bus)
{
    kill(bus->pid, SIGSTOP);
}

void bus_thaw(struct bus *bus)
{
    kill(bus->pid, SIGCONT);
}

void bus_stop(struct bus *bus)
{
    char command[200];
    if (!bus->folder[0])
        return;
    bus_kill(bus);
    natsOptions_Destroy(bus->options);
    snprintf(command, sizeof command, "rm -rf '%s'", bus->folder);
    bus_run(command);
    memset(bus, 0, sizeof *bus);
}

static natsConnection *reader(struct bus *bus)
{
    for (int i = 0; !bus->reader && i < 200; i++) {
        if (!bus->options) {
            natsOptions_Create(&bus->options);
            natsOptions_SetURL(bus->options, bus->url);
        }
        if (natsConnection_Connect(&bus->reader, bus->options) != NATS_OK) {
            bus->reader = NULL;
            poll(NULL, 0, 20);
        }
    }
    if (!bus->reader)
        fail("the reader cannot connect");
    return bus->reader;
}

char *bus_api(struct bus *bus, const char *verb_and_stream, const char *json)
{
    char subject[200];
    natsMsg *answer = NULL;
    snprintf(subject, sizeof subject, "$JS.API.%s", verb_and_stream);
    natsStatus status = NATS_OK;
    for (int i = 0; i < 100; i++) { /* JetStream comes up a little later than the port */
        status =
            natsConnection_RequestString(&answer, reader(bus), subject, json ? json : "", 5000);
        if (status != NATS_NO_RESPONDERS && status != NATS_CONNECTION_CLOSED &&
            (status != NATS_TIMEOUT || i >= 90))
            break;
        if (status == NATS_TIMEOUT)
            i += 10; /* a cluster that elects */
        poll(NULL, 0, 20);
    }
    if (status != NATS_OK) {
        fprintf(stderr, "bus: %s: %s\n", subject, natsStatus_GetText(status));
        abort();
    }
    char *text = strndup(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer));
    natsMsg_Destroy(answer);
    return text;
}

void bus_stream(struct bus *bus, const char *name, const char *more)
{
    char verb[100], json[1000];
    snprintf(verb, sizeof verb, "STREAM.CREATE.%s", name);
    snprintf(json, sizeof json,
             "{\"name\":\"%s\",\"subjects\":[\"%s.>\"],\"retention\":\"limits\",%s%s}", name, name,
             more && strstr(more, "storage") ? "" : "\"storage\":\"file\",",
             more ? more : "\"num_replicas\":1");
    char *answer = bus_api(bus, verb, json);
    if (strstr(answer, "\"error\"")) {
        fprintf(stderr, "bus: %s\n%s\n", json, answer);
        abort();
    }
    free(answer);
}

uint64_t bus_last_sequence(struct bus *bus, const char *stream)
{
    char verb[100];
    snprintf(verb, sizeof verb, "STREAM.INFO.%s", stream);
    char *answer = bus_api(bus, verb, NULL);
    const char *p = strstr(answer, "\"last_seq\":");
    uint64_t last = p ? strtoull(p + 11, NULL, 10) : 0;
    free(answer);
    return last;
}

static char *copy_header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? strdup(value) : NULL;
}

/* "$JS.ACK.<stream>.<consumer>.<times>.<sequence>.<number>.<time>.<left>" of what a consumer is
 * given: the sequence, and how many are left. */
static uint64_t delivered(const natsMsg *message, uint64_t *left)
{
    unsigned long long sequence = 0, pending = 0;
    if (sscanf(natsMsg_GetReply(message), "$JS.ACK.%*[^.].%*[^.].%*u.%llu.%*u.%*u.%llu", &sequence,
               &pending) != 2)
        fail("a reply subject of a consumer");
    *left = pending;
    return sequence;
}

struct bus_messages bus_read(struct bus *bus, const char *stream)
{
    struct bus_messages all = {0};
    natsSubscription *sub = NULL;
    char verb[100], body[300];
    uint64_t last = bus_last_sequence(bus, stream), left = 1;
    all.items = calloc(last ? last : 1, sizeof *all.items);
    if (!last)
        return all;
    if (natsConnection_SubscribeSync(&sub, reader(bus), "bus.read") != NATS_OK ||
        natsSubscription_SetPendingLimits(sub, -1, -1) != NATS_OK)
        fail("subscribe");
    snprintf(verb, sizeof verb, "CONSUMER.DURABLE.CREATE.%s.bus", stream);
    snprintf(body, sizeof body,
             "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"bus\",\"deliver_subject\":"
             "\"bus.read\",\"ack_policy\":\"none\",\"deliver_policy\":\"all\","
             "\"replay_policy\":\"instant\"}}",
             stream);
    free(bus_api(bus, verb, body));
    natsMsg *message = NULL;
    while (left && natsSubscription_NextMsg(&message, sub, 3000) == NATS_OK) {
        struct bus_message *m = &all.items[all.count++];
        m->sequence = delivered(message, &left);
        m->subject = strdup(natsMsg_GetSubject(message));
        m->data = strndup(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
        m->id = copy_header(message, "Nats-Msg-Id");
        if (!m->id)
            m->id = copy_header(message, "leat-id");
        m->headers = copy_header(message, "leat-part");
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(sub);
    snprintf(verb, sizeof verb, "CONSUMER.DELETE.%s.bus", stream);
    free(bus_api(bus, verb, NULL));
    return all;
}

void bus_messages_free(struct bus_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        free(messages->items[i].subject);
        free(messages->items[i].id);
        free(messages->items[i].data);
        free(messages->items[i].headers);
    }
    free(messages->items);
    *messages = (struct bus_messages){0};
}

void bus_publish(struct bus *bus, const char *subject, const char *data)
{
    natsMsg *answer = NULL;
    if (natsConnection_RequestString(&answer, reader(bus), subject, data, 5000) != NATS_OK)
        fail("publish");
    natsMsg_Destroy(answer);
}

bool bus_publish_id(struct bus *bus, const char *subject, const char *id)
{
    natsMsg *message = NULL, *answer = NULL;
    natsMsg_Create(&message, subject, NULL, "x", 1);
    natsMsgHeader_Set(message, "Nats-Msg-Id", id);
    if (natsConnection_RequestMsg(&answer, reader(bus), message, 5000) != NATS_OK)
        fail("publish");
    char *text = strndup(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer));
    bool fresh = !strstr(text, "\"duplicate\"");
    free(text);
    natsMsg_Destroy(answer);
    natsMsg_Destroy(message);
    return fresh;
}

void bus_save_store(struct bus *bus)
{
    char command[500];
    bus_freeze(bus);
    snprintf(command, sizeof command, "rm -rf '%s/saved' && cp -a '%s/store' '%s/saved'",
             bus->folder, bus->folder, bus->folder);
    bus_run(command);
    bus_thaw(bus);
}

void bus_restore_store(struct bus *bus)
{
    char command[500];
    snprintf(command, sizeof command, "rm -rf '%s/store' && mv '%s/saved' '%s/store'", bus->folder,
             bus->folder, bus->folder);
    bus_run(command);
}
