/* SPDX-License-Identifier: Apache-2.0
 *
 * test_power.c -- what a server's disk can do: fill up, or lose with the power what was not synced.
 * On file systems of its own (needs root; skipped by name without).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "fake_sink_host.h"
#include "stage.h"

struct disk {
    char folder[64]; /* holds `image` and the mount point `m` */
    bool mounted;
};

static bool can_mount(void)
{
    return geteuid() == 0 && system("command -v xfs_io mkfs.ext4 losetup >/dev/null 2>&1") == 0 &&
           system("d=$(mktemp -d) && mount -t tmpfs -o size=1m none $d 2>/dev/null && umount $d && "
                  "rmdir $d") == 0;
}

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[600];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    bus_run(command);
}

static void disk_make(struct disk *disk)
{
    *disk = (struct disk){.folder = "/tmp/leat-nats-disk-XXXXXX"};
    assert_non_null(mkdtemp(disk->folder));
    shell("mkdir %s/m", disk->folder);
}

static void disk_remove(struct disk *disk)
{
    if (disk->mounted)
        shell("umount %s/m", disk->folder);
    shell("rm -rf %s", disk->folder);
}

/* A server whose store lies on the disk. */
static void start_on(struct stage *stage, const struct disk *disk, const char *more)
{
    char config[300];
    snprintf(config, sizeof config,
             "jetstream { store_dir: \"%s/m/store\", max_file_store: 10GB %s }", disk->folder,
             more);
    bus_start(&stage->bus, program, config);
    rig_init(&stage->rig, &stage->bus);
}

#define NEED_DISK()                                                                                \
    struct stage *stage = *state;                                                                  \
    struct bus *bus = &stage->bus;                                                                 \
    struct rig *rig = &stage->rig;                                                                 \
    struct disk disk;                                                                              \
    if (!program || !can_mount()) {                                                                \
        print_message("no such server here, or no right to mount\n");                              \
        skip();                                                                                    \
    }                                                                                              \
    disk_make(&disk)

static void a_full_disk_waits_and_goes_on(void **state)
{
    NEED_DISK();
    shell("mount -t tmpfs -o size=2m none %s/m", disk.folder);
    disk.mounted = true;
    start_on(stage, &disk, "");
    rig->value_size = 2000;
    rig->options.ack_timeout_ms = 500;
    bus_stream(bus, "S", "\"duplicate_window\":100000000");
    rig_create(rig);
    /* The server refuses, or turns JetStream off: whichever, the sink waits and never gives up. */
    time_t moved = time(NULL);
    for (uint64_t durable = 0; durable == 0 || time(NULL) < moved + 5;) {
        assert_true(rig_step(rig, 4000));
        if (rig->durable > durable)
            moved = time(NULL);
        durable = rig->durable;
    }
    assert_in_range(rig->durable, 1, 3999);
    bus_kill(bus);
    shell("mount -o remount,size=64m %s/m", disk.folder);
    bus_begin(bus);
    assert_true(rig_run(rig, 4000, 60000));
    assert_honest(stage);
    assert_stream(stage, 4000);
    bus_kill(bus);
    disk_remove(&disk);
}

static void disk_format(struct disk *disk)
{
    shell("truncate -s 256M %s/image && mkfs.ext4 -q -F %s/image && mount -o loop %s/image %s/m",
          disk->folder, disk->folder, disk->folder, disk->folder);
    disk->mounted = true;
}

/* Pulls the plug: what was not synced is gone (SERVERS' way, also of ext4). */
static void cut_power(struct bus *bus, struct disk *disk)
{
    shell("xfs_io -x -c shutdown %s/m", disk->folder);
    bus_kill(bus);
    shell("umount %s/m && mount -o loop %s/image %s/m", disk->folder, disk->folder, disk->folder);
    bus_begin(bus);
}

/* What was acknowledged and is lost is offered again, because nothing of it was confirmed: the
 * hold had not passed. */
static void a_power_cut_loses_nothing_within_the_hold(void **state)
{
    NEED_DISK();
    disk_format(&disk);
    start_on(stage, &disk, "");
    bus_stream(bus, "S", "\"duplicate_window\":100000000");
    rig->held = true;
    rig_create(rig);
    assert_true(rig_run(rig, 500, 20000));
    shell("sync -f %s/m", disk.folder);
    assert_true(rig_run(rig, 3000, 20000));
    cut_power(bus, &disk);
    assert_true(bus_last_sequence(bus, "S") < 3000); /* else this would prove nothing */
    assert_true(rig_run(rig, 4000, 60000));
    assert_honest(stage);
    assert_stream(stage, 4000);
    bus_kill(bus);
    disk_remove(&disk);
}

/* A server that syncs always has what it acknowledged, and the sink holds nothing back. */
static void cut_power_where_it_syncs_always(struct stage *stage, struct disk *disk,
                                            const char *stream)
{
    struct bus *bus = &stage->bus;
    struct rig *rig = &stage->rig;
    char monitor[64];
    snprintf(monitor, sizeof monitor, "http://127.0.0.1:%d", bus->monitor_port);
    rig->options.monitor_url = monitor;
    bus_stream(bus, "S", stream);
    rig_create(rig);
    assert_true(rig_run(rig, 600, 30000));
    assert_non_null(strstr(fake_host_log(rig->fake, "connected")->fields, "confirm_hold_ms=0"));
    cut_power(bus, disk);
    assert_true(bus_last_sequence(bus, "S") >= 600);
    assert_true(rig_run(rig, 1200, 60000));
    assert_int_equal(fake_host_logged(rig->fake, "the stream went backwards: what it had "
                                                 "acknowledged and lost is offered again"),
                     0);
    assert_stream(stage, 1200);
    bus_kill(bus);
    disk_remove(disk);
}

static void a_power_cut_takes_nothing_that_was_synced(void **state)
{
    NEED_DISK();
    disk_format(&disk);
    start_on(stage, &disk, ", sync_interval: always");
    if (!bus_at_least(bus, 2, 10))
        skip();
    cut_power_where_it_syncs_always(stage, &disk, "\"duplicate_window\":100000000");
    (void)rig;
}

static void a_power_cut_takes_no_atomic_batch_that_was_synced(void **state)
{
    NEED_DISK();
    disk_format(&disk);
    start_on(stage, &disk, ", sync_interval: always");
    if (!bus_at_least(bus, 2, 12))
        skip();
    rig->options.publish = PUBLISH_ATOMIC;
    cut_power_where_it_syncs_always(stage, &disk,
                                    "\"allow_atomic\":true,\"duplicate_window\":100000000");
}

int main(int argc, char **argv)
{
    if (stage_main(argc, argv))
        return 1;
    bool current = argc > 1 && strcmp(argv[1], "current") == 0;
#define T(name) cmocka_unit_test_setup_teardown(name, begin_without_server, end)
    const struct CMUnitTest tests[] = {
        T(a_full_disk_waits_and_goes_on),
        T(a_power_cut_loses_nothing_within_the_hold),
    };
    /* Debian's server does not know sync_interval: it would not start. */
    const struct CMUnitTest synced[] = {
        T(a_power_cut_takes_nothing_that_was_synced),
        T(a_power_cut_takes_no_atomic_batch_that_was_synced),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (current)
        failed += cmocka_run_group_tests(synced, NULL, NULL);
    nats_CloseAndWait(2000);
    return failed;
}
