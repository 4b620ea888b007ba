/* SPDX-License-Identifier: Apache-2.0
 *
 * stage.h -- what every test program against a real server shares: a server and a rig a test, and
 * the judgement of what the stream holds.  Include once, behind cmocka.h.
 */
#ifndef STAGE_H
#define STAGE_H

#include "rig.h"

struct stage {
    struct bus bus;
    struct rig rig;
};

static const char *program; /* NULL: there is no such server here */

static inline int begin(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    *state = stage;
    if (!program)
        return 0;
    bus_start(&stage->bus, program, NULL);
    rig_init(&stage->rig, &stage->bus);
    return 0;
}

static inline int begin_without_server(void **state)
{
    *state = calloc(1, sizeof(struct stage));
    return 0;
}

static int end(void **state)
{
    struct stage *stage = *state;
    if (stage->rig.sink)
        rig_destroy(&stage->rig);
    bus_stop(&stage->bus);
    free(stage);
    return 0;
}

#define NEED_SERVER()                                                                              \
    struct stage *stage = *state;                                                                  \
    struct bus *bus = &stage->bus;                                                                 \
    struct rig *rig = &stage->rig;                                                                 \
    (void)bus;                                                                                     \
    (void)rig;                                                                                     \
    if (!program) {                                                                                \
        print_message("no such server here\n");                                                    \
        skip();                                                                                    \
    }

#define NEED_VERSION(major, minor)                                                                 \
    NEED_SERVER();                                                                                 \
    if (!bus_at_least(bus, (major), (minor))) {                                                    \
        print_message("server %s cannot do it\n", bus->version);                                   \
        skip();                                                                                    \
    }

/* The stream holds changes [0, count) once each, in order, with the right ids: whether a message
 * carries one or a packed lot. */
static inline void assert_stream(struct stage *stage, uint64_t count)
{
    struct bus_messages all = bus_read(&stage->bus, "S");
    uint64_t expected = 0;
    for (size_t i = 0; i < all.count; i++) {
        unsigned long long n = 0;
        if (!all.items[i].id || strncmp(all.items[i].id, "slot:", 5) != 0)
            continue; /* somebody else's */
        for (const char *p = all.items[i].data; p; p = strchr(p, '\n')) {
            p += *p == '\n';
            assert_int_equal(sscanf(p, "{\"n\":%llu", &n), 1);
            assert_int_equal(n, expected);
            expected++;
        }
        leat_identity identity = rig_identity(&stage->rig, n);
        char id[80];
        snprintf(id, sizeof id, "slot:%llX/%llX:%lld", (unsigned long long)identity.position >> 32,
                 (unsigned long long)(identity.position & 0xffffffffu), (long long)identity.seq);
        assert_string_equal(all.items[i].id, id);
    }
    assert_int_equal(expected, count);
    bus_messages_free(&all);
}

static inline void assert_honest(struct stage *stage)
{
    if (fake_host_breaches(stage->rig.fake))
        fail_msg("%s", fake_host_breach(stage->rig.fake));
}

/* Until the server has forgotten the ids of everything that was published so far into streams with
 * this duplicate window. */
static inline void outlive_window(struct bus *bus)
{
    bus_stream(bus, "W", "\"duplicate_window\":100000000");
    bus_publish_id(bus, "W.x", "once");
    while (!bus_publish_id(bus, "W.x", "once"))
        ;
    free(bus_api(bus, "STREAM.DELETE.W", NULL));
}

static inline int stage_main(int argc, char **argv)
{
    program = bus_program(argc > 1 ? argv[1] : "debian");
    return nats_Open(-1) != NATS_OK;
}

#endif
