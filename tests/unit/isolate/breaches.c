/* SPDX-License-Identifier: Apache-2.0
 *
 * breaches.c -- see breaches.h.  In the helper's process but for the table, which both sides read.
 */
#include "breaches.h"
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- results -------------------------------------------------------------------------------- */

static void result_unknown(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, 0xdeadbeefcafe0003u, LEAT_OK, 0);
}

static void result_of_no_batch(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, 0, LEAT_OK, 0);
}

static void result_of_another_time(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token + ((uint64_t)1 << 32), LEAT_OK, 0);
}

static void result_twice(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, 0);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, 0);
}

static void result_again(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_AGAIN, 0);
}

static void result_least(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, INT32_MIN, 0);
}

static void result_beyond(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, UINT32_MAX);
}

static void result_none_rejected(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_EREJECT, RIG_RECORDS);
}

static void index_far(struct evil *evil)
{
    evil_started(evil);
    evil->done += ISOLATE_RING;
    evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, 0);
}

static void index_back(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, 0);
    evil->done -= 2;
    evil_result(evil, evil_offer(evil, 1).token, LEAT_OK, 0);
    evil->done -= 2;
    evil_result(evil, evil_offer(evil, 1).token, LEAT_OK, 0);
    evil_linger();
}

/* The text of a failure goes to its last byte, and the same of a log line's. */
static void text_without_end(struct evil *evil)
{
    evil_started(evil);
    memset(evil->shared->texts, 'x', sizeof evil->shared->texts);
    for (uint32_t i = 0; i < RIG_BATCHES; i++)
        evil_result(evil, evil_offer(evil, i).token, LEAT_ERETRY, 1);
    evil->taken = RIG_BATCHES;
    evil_behave(evil);
}

/* What is judged is not what lies there a moment later. */
static void flickers(struct evil *evil)
{
    uint64_t token;

    evil_started(evil);
    token = evil_offer(evil, 0).token;
    evil_result(evil, token, LEAT_OK, 0);
    for (uint32_t i = 0;; i++) {
        volatile struct isolate_result *entry = &evil->shared->results[i % RIG_BATCHES];
        entry->token = evil->shared->offers[i / 7 % RIG_BATCHES].token;
        entry->status = i & 8 ? LEAT_OK : 99;
        entry->durable_count = i & 16 ? 0 : UINT32_MAX;
        if (i % 64 == 0) {
            atomic_store(&evil->shared->done, i / 64 % (RIG_BATCHES + 1));
            isolate_ring_anyway(evil->fds[ISOLATE_FD_BELL]);
        }
    }
}

static void scribbles(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    memset((void *)evil->shared, 0x5a, sizeof *evil->shared);
    isolate_ring_anyway(evil->fds[ISOLATE_FD_BELL]);
}

static void punches_holes(struct evil *evil)
{
    evil_started(evil);
    if (fallocate(evil->fds[ISOLATE_FD_POOL], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  65536) == 0 ||
        ftruncate(evil->fds[ISOLATE_FD_POOL], 0) == 0 ||
        ftruncate(evil->fds[ISOLATE_FD_SHARED], 0) == 0 ||
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, evil->fds[ISOLATE_FD_POOL], 0) !=
            MAP_FAILED ||
        mprotect((void *)(uintptr_t)evil->pool, 4096, PROT_READ | PROT_WRITE) == 0)
        _exit(93);
    evil_behave(evil);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void kind_unknown(struct evil *evil)
{
    evil_say(evil, 77, LEAT_OK, 0, "", 1);
}

static void kind_of_the_daemon(struct evil *evil)
{
    evil_say(evil, ISOLATE_HELLO, LEAT_OK, 0, (const char *)&evil->hello, sizeof evil->hello);
}

static void torn(struct evil *evil)
{
    evil_say_raw(evil, "abc", 3);
}

static void empty(struct evil *evil)
{
    evil_say_raw(evil, "", 0);
}

static void length_too_long(struct evil *evil)
{
    struct isolate_message *message = &evil->message;

    memset(message, 0, sizeof *message);
    message->kind = ISOLATE_LOG;
    message->length = UINT32_MAX;
    evil_say_raw(evil, message, 200);
}

static void length_too_short(struct evil *evil)
{
    struct isolate_message *message = &evil->message;

    memset(message, 0, sizeof *message);
    message->kind = ISOLATE_STARTED;
    message->length = 1;
    evil_say_raw(evil, message, 200);
}

static void largest(struct evil *evil)
{
    struct isolate_message *message = &evil->message;

    memset(message, 'x', sizeof *message);
    message->kind = ISOLATE_LOG;
    message->length = ISOLATE_MESSAGE_TEXT;
    evil_say_raw(evil, message, sizeof *message);
}

static void started_twice(struct evil *evil)
{
    evil_started(evil);
    evil_started(evil);
}

static void started_with_nonsense(struct evil *evil)
{
    evil_say(evil, ISOLATE_STARTED, LEAT_OK, 99, "", 1);
}

static void started_with_less(struct evil *evil)
{
    evil_say(evil, ISOLATE_STARTED, LEAT_OK, -1, "", 1);
}

static void started_again(struct evil *evil)
{
    evil_say(evil, ISOLATE_STARTED, LEAT_AGAIN, 0, "", 1);
}

static void down_with_ok(struct evil *evil)
{
    evil_started(evil);
    evil_say(evil, ISOLATE_DOWN, LEAT_OK, 0, "", 1);
}

/* No NUL in it at all, and an exit code that is none. */
static void down_without_text(struct evil *evil)
{
    char text[600];

    evil_started(evil);
    memset(text, '\n', sizeof text);
    evil_say(evil, ISOLATE_DOWN, LEAT_ERETRY, 0, text, sizeof text);
    evil_linger();
}

static void down_with_control_characters(struct evil *evil)
{
    static const char text[] = "gone\n<3>error forged\x1b[31m";

    evil_started(evil);
    evil_say(evil, ISOLATE_DOWN, LEAT_ERETRY, 0, text, sizeof text);
    evil_linger();
}

static void odd_lines(struct evil *evil)
{
    char many[4096];
    uint32_t length = 0;

    evil_started(evil);
    evil_say(evil, ISOLATE_LOG, 0, INT64_MAX, "", 0);
    evil_say(evil, ISOLATE_LOG, 0, INT64_MIN, "no end", 6);
    evil_say(evil, ISOLATE_LOG, 0, 2,
             "half\0name\0"
             "0",
             11);
    evil_say(evil, ISOLATE_LOG, 0, 2,
             "line\nforged\0na me\0"
             "00\0x\0",
             23);
    evil_say(evil, ISOLATE_LOG, 0, 2,
             "kind\0name\0"
             "90\0x\0number\0"
             "1999999999999999999999999\0\0",
             50);
    for (int i = 0; i < 100; i++)
        length +=
            (uint32_t)snprintf(many + length, sizeof many - length, "n%d%c00%cv%c", i, 0, 0, 0);
    evil_say(evil, ISOLATE_LOG, 0, 2, many, length);
    evil_behave(evil);
}

static void odd_figures(struct evil *evil)
{
    static const double values[] = {1.0 / 0.0, 3.0};

    evil_started(evil);
    evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_GAUGE, "a b\0\0\0help\0", 11);
    evil_say(evil, ISOLATE_METRIC, 0, 77, "kind\0\0\0help\0", 12);
    evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_COUNTER, "helper_breaches_total\0\0\0help\0", 29);
    evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_GAUGE, "forged\0\0\0help\n# TYPE x counter\0",
             32);
    evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_GAUGE, "infinite\0\0\0help\0", 16);
    evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_GAUGE, "good\0l\0v\0help\0", 14);
    for (int i = 0; i < 6; i++) {
        memcpy((void *)&evil->shared->metric_bits[i], &values[i != 4], sizeof values[0]);
        atomic_store(&evil->shared->metric_set[i], 1);
    }
    evil_behave(evil);
}

static void figures_too_many(struct evil *evil)
{
    char text[64];

    evil_started(evil);
    for (int i = 0; i < 65; i++) {
        int length = snprintf(text, sizeof text, "figure_%d%c%c%chelp%c", i, 0, 0, 0, 0);
        evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_GAUGE, text, (uint32_t)length);
    }
    evil_linger();
}

static void figure_without_help(struct evil *evil)
{
    evil_say(evil, ISOLATE_METRIC, 0, LEAT_METRIC_GAUGE, "a\0b\0c", 5);
}

static void asks_for_secrets(struct evil *evil)
{
    static const char *const names[] = {"secret", "another", ""};

    for (int i = 0; i < 3; i++) {
        evil_say(evil, ISOLATE_SECRET, 0, 0, names[i], (uint32_t)strlen(names[i]) + 1);
        while (isolate_receive(ISOLATE_FD, &evil->message, NULL, 0) > 0 &&
               evil->message.kind != ISOLATE_VALUE)
            ;
        if ((evil->message.status == LEAT_OK) != (i == 0) ||
            (strcmp(evil->message.text, "a-very-secret-word") == 0) != (i == 0))
            _exit(94);
    }
    evil_started(evil);
    evil_behave(evil);
}

static void asks_and_does_not_read(struct evil *evil)
{
    for (;;)
        evil_say(evil, ISOLATE_SECRET, 0, 0, "secret", 7);
}

static void sends_descriptors(struct evil *evil)
{
    int fds[ISOLATE_FDS] = {0, 0, 0, 0, 0};
    struct isolate_message *message = &evil->message;

    evil_started(evil);
    for (int i = 0; i < 20; i++) {
        memset(message, 0, offsetof(struct isolate_message, text));
        message->kind = ISOLATE_LOG;
        (void)isolate_send(ISOLATE_FD, message, fds, ISOLATE_FDS, 0);
    }
    evil_behave(evil);
}

static void floods_the_log(struct evil *evil)
{
    char text[64];

    evil_started(evil);
    (void)evil_offer(evil, 0);
    for (int i = 0; i < 5000; i++)
        evil_say(evil, ISOLATE_LOG, 0, 2, text,
                 (uint32_t)snprintf(text, sizeof text, "line %d", i) + 1);
    evil_behave(evil);
}

/* Lines that nobody wants do not count: the one behind them is logged. */
static void says_much_for_nobody(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    for (int i = 0; i < 3000; i++)
        evil_say(evil, ISOLATE_LOG, 0, LEAT_LOG_DEBUG, "detail", 7);
    if (atomic_load(&evil->shared->log_level) != LEAT_LOG_INFO)
        _exit(96);
    evil_say(evil, ISOLATE_LOG, 0, LEAT_LOG_WARN, "what matters", 13);
    evil_behave(evil);
}

static void floods_its_voice(struct evil *evil)
{
    static char text[1 << 20];

    evil_started(evil);
    memset(text, 'x', sizeof text);
    (void)!write(2, text, sizeof text); /* a line without an end */
    for (int i = 0; i < 5000; i++)
        (void)!write(1, "a\n", 2);
    evil_behave(evil);
}

static void last_words(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    (void)!write(2, "free(): invalid pointer\nand half a line", 39);
    (void)raise(SIGABRT);
    _exit(95);
}

static void stops_unasked(struct evil *evil)
{
    evil_started(evil);
    evil_say(evil, ISOLATE_STOPPED, LEAT_OK, 0, "", 0);
    evil_linger();
}

/* ---- what it does with what it has ------------------------------------------------------------ */

static void closes_the_socket(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    (void)close(ISOLATE_FD);
    evil_linger();
}

static void closes_the_bells(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    (void)close(evil->fds[ISOLATE_FD_BELL]);
    (void)close(evil->fds[ISOLATE_FD_OWN_BELL]);
    evil_linger();
}

static void closes_its_voice(struct evil *evil)
{
    evil_started(evil);
    (void)close(1);
    (void)close(2);
    evil_behave(evil);
}

/* Were they eventfds, whose flags both sides share, the daemon would now wait for ever. */
static void jams_the_bells(struct evil *evil)
{
    static const int which[] = {ISOLATE_FD_BELL, ISOLATE_FD_OWN_BELL};

    for (int i = 0; i < 2; i++) {
        (void)fcntl(evil->fds[which[i]], F_SETFL, 0);
        while (send(evil->fds[which[i]], "x", 1, MSG_DONTWAIT) == 1)
            ;
    }
    atomic_store(&evil->shared->helper_asleep, 1);
    evil_started(evil);
    for (uint32_t i = 0; i < RIG_BATCHES; i++) {
        while (atomic_load(&evil->shared->offered) <= i)
            atomic_store(&evil->shared->helper_asleep, 1);
        evil_result(evil, evil->shared->offers[i].token, LEAT_OK, 0);
    }
    evil_linger();
}

static void does_not_start(struct evil *evil)
{
    (void)evil;
    evil_linger();
}

static void hangs(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    evil_linger();
}

static void is_stopped(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    (void)raise(SIGSTOP);
    evil_behave(evil);
}

static void spins(struct evil *evil)
{
    evil_started(evil);
    for (;;)
        atomic_store(&evil->shared->told, evil->done);
}

static void answers_wrongly(struct evil *evil)
{
    evil_started(evil);
    for (;;)
        atomic_store(&evil->shared->answered, atomic_load(&evil->shared->asked) + 1);
}

static void ends_at_once(struct evil *evil)
{
    (void)evil;
    _exit(3);
}

static void crashes(struct evil *evil)
{
    evil_started(evil);
    evil_result(evil, evil_offer(evil, 0).token, LEAT_OK, 0);
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would have its own word */
    (void)raise(SIGSEGV);
    (void)kill(getpid(), SIGKILL);
}

static void grows(struct evil *evil)
{
    size_t size = (size_t)192 << 20;
    char *much = malloc(size);

    evil_started(evil);
    if (much)
        memset(much, 'x', size);
    for (;; (void)poll(NULL, 0, 5))
        atomic_store(&evil->shared->answered, atomic_load(&evil->shared->asked));
}

static void leaves_a_child(struct evil *evil)
{
    evil_started(evil);
    (void)evil_offer(evil, 0);
    if (fork() == 0)
        evil_linger(); /* with all that its parent had */
    _exit(4);
}

static void does_not_stop(struct evil *evil)
{
    evil_started(evil);
    for (uint32_t i = 0; i < RIG_BATCHES; i++)
        evil_result(evil, evil_offer(evil, i).token, LEAT_OK, 0);
    evil_linger();
}

/* ---- all of them ------------------------------------------------------------------------------ */

const struct breach breaches[] = {
    {"result_unknown", result_unknown, LEAT_ERETRY, "a batch that it does not have",
     "broke the contract"},
    {"result_of_no_batch", result_of_no_batch, LEAT_ERETRY, "a batch that it does not have", NULL},
    {"result_of_another_time", result_of_another_time, LEAT_ERETRY, "a batch that it does not have",
     NULL},
    {"result_twice", result_twice, LEAT_ERETRY, "a batch that it does not have", NULL},
    {"result_again", result_again, LEAT_ERETRY, "a status that there is not", NULL},
    {"result_least", result_least, LEAT_ERETRY, "a status that there is not", NULL},
    {"result_beyond", result_beyond, LEAT_ERETRY, "more records are durable", NULL},
    {"result_none_rejected", result_none_rejected, LEAT_ERETRY, "more records are durable", NULL},
    {"index_far", index_far, LEAT_ERETRY, "out of bounds", NULL},
    {"index_back", index_back, LEAT_ERETRY, "was killed: ", NULL},
    {"text_without_end", text_without_end, LEAT_OK, "", NULL},
    {"flickers", flickers, LEAT_ERETRY, "was killed: ", NULL},
    {"scribbles", scribbles, LEAT_ERETRY, "out of bounds", NULL},
    {"punches_holes", punches_holes, LEAT_OK, "", NULL},
    {"kind_unknown", kind_unknown, LEAT_ERETRY, "a message that there is not", NULL},
    {"kind_of_the_daemon", kind_of_the_daemon, LEAT_ERETRY, "a message that there is not", NULL},
    {"torn", torn, LEAT_ERETRY, "a message that is none", NULL},
    {"empty", empty, LEAT_ERETRY, "was killed by signal 9", NULL}, /* as if it had closed it */
    {"length_too_long", length_too_long, LEAT_ERETRY, "a message that is none", NULL},
    {"length_too_short", length_too_short, LEAT_ERETRY, "a message that is none", NULL},
    {"largest", largest, LEAT_ERETRY, "a message that is none", NULL},
    {"started_twice", started_twice, LEAT_ERETRY, "makes no sense", NULL},
    {"started_with_nonsense", started_with_nonsense, LEAT_ERETRY, "makes no sense", NULL},
    {"started_with_less", started_with_less, LEAT_ERETRY, "makes no sense", NULL},
    {"started_again", started_again, LEAT_ERETRY, "a status that there is not", NULL},
    {"down_with_ok", down_with_ok, LEAT_ERETRY, "a status that there is not", NULL},
    {"down_without_text", down_without_text, LEAT_ERETRY, "", NULL},
    {"down_with_control_characters", down_with_control_characters, LEAT_ERETRY,
     "gone?<3>error forged?[31m", NULL},
    {"odd_lines", odd_lines, LEAT_OK, "", "line?forged\n"},
    {"odd_figures", odd_figures, LEAT_OK, "", NULL},
    {"figures_too_many", figures_too_many, LEAT_ERETRY, "a figure that is none", NULL},
    {"figure_without_help", figure_without_help, LEAT_ERETRY, "a figure that is none", NULL},
    {"asks_for_secrets", asks_for_secrets, LEAT_OK, "", NULL},
    {"asks_and_does_not_read", asks_and_does_not_read, LEAT_ERETRY, "does not read the answers",
     NULL},
    {"sends_descriptors", sends_descriptors, LEAT_OK, "", NULL},
    {"floods_the_log", floods_the_log, LEAT_OK, "", NULL},
    {"says_much_for_nobody", says_much_for_nobody, LEAT_OK, "", "what matters\n"},
    {"floods_its_voice", floods_its_voice, LEAT_OK, "", "wrote to its standard error"},
    {"last_words", last_words, LEAT_ERETRY, "killed by signal 6", "text=free(): invalid pointer\n"},
    {"stops_unasked", stops_unasked, LEAT_ERETRY, "did not answer", NULL},
    {"closes_the_socket", closes_the_socket, LEAT_ERETRY, "was killed by signal 9", NULL},
    {"closes_the_bells", closes_the_bells, LEAT_ERETRY, "was killed by signal 9", NULL},
    {"closes_its_voice", closes_its_voice, LEAT_OK, "", NULL},
    {"jams_the_bells", jams_the_bells, LEAT_OK, "", NULL},
    {"does_not_start", does_not_start, LEAT_ERETRY, "did not answer", NULL},
    {"hangs", hangs, LEAT_ERETRY, "did not answer", NULL},
    {"is_stopped", is_stopped, LEAT_ERETRY, "did not answer for 1 s and was killed", NULL},
    {"spins", spins, LEAT_ERETRY, "did not answer", NULL},
    {"answers_wrongly", answers_wrongly, LEAT_ERETRY, "did not answer", NULL},
    {"ends_at_once", ends_at_once, LEAT_ERETRY, "ended by itself with status 3", NULL},
    {"crashes", crashes, LEAT_ERETRY, "was killed by signal", NULL},
    {"grows", grows, LEAT_ERETRY, "had more memory than isolate_memory, 128 MiB", NULL},
    {"leaves_a_child", leaves_a_child, LEAT_ERETRY, "ended by itself with status 4", NULL},
    {"does_not_stop", does_not_stop, LEAT_OK, "", "did not stop in time and is killed"},
};

const size_t breach_count = sizeof breaches / sizeof *breaches;
