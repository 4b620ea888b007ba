/* SPDX-License-Identifier: Apache-2.0
 *
 * replay_walsender.c -- a stand-in walsender: records a real stream, and plays it back as fast as
 * the reader takes it.  One process a connection.
 *
 *   replay_walsender record FILE DSN SLOT PUBLICATION CHANGES
 *   replay_walsender serve FILE DIRECTORY PORT REPEAT [FAULT AFTER]
 *
 * It speaks just enough of protocol 3 for libpq: start-up with trust, the questions that the
 * pgoutput source asks, START_REPLICATION.  Each repeat's LSNs lie behind those of the one before,
 * and a later start position is respected, so that a reader that comes back gets what it lacks.
 * FAULT strikes once, on the first stream, after so many messages: malformed (bytes that are no
 * message), truncated (half a message, then the end), silent (nothing any more, without an end).
 * `serve` prints one line when all was confirmed, and ends when it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITE_SIZE (256u * 1024u)
#define HEADER 25 /* of XLogData */
#define STASH 256 /* relations to be sent again */

static uint64_t get64(const unsigned char *p)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | p[i];
    return value;
}

static void put64(unsigned char *p, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        p[i] = (unsigned char)value;
}

static uint32_t get32(const unsigned char *p)
{
    uint32_t value;
    memcpy(&value, p, 4);
    return ntohl(value);
}

static void put32(unsigned char *p, uint32_t value)
{
    value = htonl(value);
    memcpy(p, &value, 4);
}

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "replay_walsender: %s: %s\n", what, why);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- record ---------------------------------------------------------------------------------- */

static int record(char **argv)
{
    char command[512], dsn[1024];
    unsigned long long wanted = strtoull(argv[6], NULL, 10), seen = 0;
    (void)snprintf(dsn, sizeof dsn, "%s replication=database options='-c TimeZone=UTC'", argv[3]);
    PGconn *conn = PQconnectdb(dsn);
    (void)snprintf(
        command, sizeof command,
        "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (proto_version '1', publication_names "
        "'\"%s\"', messages 'true')",
        argv[4], argv[5]);
    PGresult *result = PQexec(conn, command);
    if (PQresultStatus(result) != PGRES_COPY_BOTH)
        die("START_REPLICATION", PQerrorMessage(conn));
    PQclear(result);
    FILE *file = fopen(argv[2], "wb");
    if (!file)
        die(argv[2], strerror(errno));
    char *data;
    int size;
    while ((size = PQgetCopyData(conn, &data, 0)) > 0) {
        char kind = size > HEADER && data[0] == 'w' ? data[HEADER] : '\0';
        if (kind) {
            unsigned char prefix[4];
            put32(prefix, (uint32_t)size);
            if (fwrite(prefix, 4, 1, file) != 1 || fwrite(data, (size_t)size, 1, file) != 1)
                die(argv[2], strerror(errno));
        }
        PQfreemem(data);
        seen += kind && strchr("IUDT", kind);
        if (kind == 'C' && seen >= wanted)
            break;
    }
    PQfinish(conn);
    if (fclose(file))
        die(argv[2], strerror(errno));
    (void)printf("%llu changes recorded\n", seen);
    return seen >= wanted ? 0 : 1;
}

/* ---- the recorded stream --------------------------------------------------------------------- */

static struct {
    const unsigned char *bytes;
    size_t size;
    uint64_t first, last; /* the first commit's LSN, the last commit's end */
    uint64_t step;        /* from one repeat to the next */
    uint64_t changes;
    unsigned repeat;
} tape;

/* Shared by the processes. */
static struct shared {
    uint64_t confirmed;
    unsigned streams;
} * shared;

static const char *fault = "";
static unsigned long long fault_after;

static void load(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) || info.st_size == 0)
        die(path, "cannot be read, or is empty");
    tape.size = (size_t)info.st_size;
    tape.bytes = mmap(NULL, tape.size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (tape.bytes == MAP_FAILED)
        die(path, strerror(errno));
    (void)close(fd);
    for (size_t at = 0; at < tape.size;) {
        size_t size = tape.size - at >= 4 ? get32(tape.bytes + at) : 0;
        const unsigned char *message = tape.bytes + at + 4 + HEADER;
        if (size < HEADER + 1 || size > tape.size - at - 4)
            die(path, "is not a recording");
        if (message[0] == 'B' && tape.first == 0)
            tape.first = get64(message + 1);
        else if (message[0] == 'C')
            tape.last = get64(message + 10);
        tape.changes += strchr("IUDT", message[0]) != NULL;
        at += 4 + size;
    }
    tape.step = tape.last - tape.first + 4096;
}

static uint64_t end_of_tape(void)
{
    return tape.last + (tape.repeat - 1) * tape.step;
}

/* ---- one connection -------------------------------------------------------------------------- */

static struct {
    int fd;
    unsigned char in[65536];
    size_t in_size;
    unsigned char out[WRITE_SIZE + 65536];
    size_t out_size;
    bool done;
    uint64_t flushed;
} line;

/* Takes what the client sent out of line.in: Standby status updates, CopyDone, Terminate. */
static void hear(void)
{
    size_t at = 0;
    while (line.in_size - at >= 5) {
        size_t size = get32(line.in + at + 1) + 1u;
        if (size > line.in_size - at)
            break;
        const unsigned char *body = line.in + at + 5;
        if (line.in[at] == 'd' && size >= 5 + 34 && body[0] == 'r') {
            line.flushed = get64(body + 9);
            if (line.flushed > shared->confirmed)
                shared->confirmed = line.flushed;
        } else if (line.in[at] == 'c' || line.in[at] == 'X') {
            line.done = true;
        }
        at += size;
    }
    memmove(line.in, line.in + at, line.in_size - at);
    line.in_size -= at;
}

static void receive(void)
{
    ssize_t got = recv(line.fd, line.in + line.in_size, sizeof line.in - line.in_size, 0);
    if (got <= 0)
        _exit(0);
    line.in_size += (size_t)got;
}

/* Writes all of line.out, hearing meanwhile. */
static void deliver(void)
{
    size_t sent = 0;
    while (sent < line.out_size) {
        struct pollfd fd = {.fd = line.fd, .events = POLLIN | POLLOUT};
        if (poll(&fd, 1, -1) < 0)
            continue;
        if (fd.revents & (POLLIN | POLLHUP)) {
            receive();
            hear();
        }
        if (fd.revents & POLLOUT) {
            ssize_t wrote =
                send(line.fd, line.out + sent, line.out_size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (wrote > 0)
                sent += (size_t)wrote;
            else if (wrote < 0 && errno != EAGAIN && errno != EINTR)
                _exit(0);
        }
    }
    line.out_size = 0;
}

static unsigned char *message_begin(char type, size_t body)
{
    if (line.out_size + body + 5 > sizeof line.out)
        deliver();
    if (body + 5 > sizeof line.out)
        die("a recorded message", "is too large");
    unsigned char *p = line.out + line.out_size;
    p[0] = (unsigned char)type;
    put32(p + 1, (uint32_t)body + 4);
    line.out_size += body + 5;
    return p + 5;
}

static void answer_text(char type, const char *body, size_t size)
{
    memcpy(message_begin(type, size), body, size);
}

static void ready(void)
{
    answer_text('Z', "I", 1);
    deliver();
}

/* One row of text values: RowDescription, DataRow, CommandComplete. */
static void answer_row(const char *const *values, size_t count, bool row)
{
    unsigned char body[4096];
    size_t used = 2;
    body[0] = 0;
    body[1] = (unsigned char)count;
    for (size_t i = 0; i < count; i++) {
        body[used++] = 'c'; /* its name */
        body[used++] = 0;
        put32(body + used, 0);
        used += 4; /* table */
        body[used++] = 0;
        body[used++] = 0; /* attribute */
        put32(body + used, 25);
        used += 4;
        body[used++] = 0xff;
        body[used++] = 0xff;
        put32(body + used, 0xffffffffu);
        used += 4;
        body[used++] = 0;
        body[used++] = 0;
    }
    memcpy(message_begin('T', used), body, used);
    used = 2; /* the count is still there */
    for (size_t i = 0; row && i < count; i++) {
        size_t length = values[i] ? strlen(values[i]) : 0;
        put32(body + used, values[i] ? (uint32_t)length : 0xffffffffu);
        memcpy(body + used + 4, values[i] ? values[i] : "", length);
        used += 4 + length;
    }
    if (row)
        memcpy(message_begin('D', used), body, used);
    answer_text('C', "SELECT 1", 9);
    ready();
}

static const char *lsn_text(uint64_t lsn, char out[32])
{
    (void)snprintf(out, 32, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
    return out;
}

static void answer_slot(void)
{
    char at[32], end[32];
    uint64_t confirmed = shared->confirmed ? shared->confirmed : tape.first - 1;
    (void)lsn_text(confirmed, at);
    (void)lsn_text(end_of_tape(), end);
    const char *const row[29] = {"pgoutput", "logical", "replay", "f",  "f",  NULL, "reserved",
                                 NULL,       at,        at,       NULL, "0",  end,  "f",
                                 "-1",       NULL,      NULL,     "f",  NULL, NULL};
    answer_row(row, 29, true);
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void keepalive(uint64_t end, bool ask)
{
    unsigned char *p = message_begin('d', 18);
    p[0] = 'k';
    put64(p + 1, end);
    put64(p + 9, 0);
    p[17] = ask;
    deliver();
}

static void strike(const unsigned char *payload, size_t size)
{
    if (strcmp(fault, "malformed") == 0) {
        memset(message_begin('d', HEADER + 40), 0xee, HEADER + 40);
        line.out[line.out_size - HEADER - 40] = 'w';
        deliver();
    } else if (strcmp(fault, "truncated") == 0) {
        memcpy(message_begin('d', size), payload, size);
        line.out_size -= size / 2;
        deliver();
        _exit(0);
    } else {
        deliver();
        /* Until the reader goes. */
        for (;; line.in_size = 0)
            receive();
    }
}

/* A message with its LSNs moved. */
static void play(const unsigned char *payload, size_t size, uint64_t move)
{
    unsigned char *p = message_begin('d', size);
    memcpy(p, payload, size);
    put64(p + 1, get64(p + 1) + move);
    put64(p + 9, get64(p + 9) + move);
    unsigned char *message = p + HEADER;
    if (message[0] == 'B') {
        put64(message + 1, get64(message + 1) + move);
    } else if (message[0] == 'C') {
        put64(message + 2, get64(message + 2) + move);
        put64(message + 10, get64(message + 10) + move);
    } else if (message[0] == 'M' && size >= HEADER + 10) {
        put64(message + 2, get64(message + 2) + move);
    }
    if (line.out_size >= WRITE_SIZE)
        deliver();
}

static void stream(uint64_t start)
{
    const unsigned char *stash[STASH];
    size_t stashed = 0;
    unsigned long long sent = 0;
    bool skip = false, first = __atomic_fetch_add(&shared->streams, 1, __ATOMIC_SEQ_CST) == 0;
    double begun = now_s();
    answer_text('W', "\0\0", 3);
    for (unsigned round = 0; round < tape.repeat; round++) {
        uint64_t move = round * tape.step;
        for (size_t at = 0; at < tape.size;) {
            size_t size = get32(tape.bytes + at);
            const unsigned char *payload = tape.bytes + at + 4;
            char kind = (char)payload[HEADER];
            at += 4 + size;
            if (kind == 'B')
                skip = get64(payload + HEADER + 1) + move < start;
            if (skip) {
                /* Relations are sent once a connection, before they are needed. */
                if (kind == 'R' && stashed < STASH)
                    stash[stashed++] = payload;
                continue;
            }
            if (*fault && first && sent++ == fault_after)
                strike(payload, size);
            play(payload, size, move);
            for (; kind == 'B' && stashed; stashed--)
                play(stash[stashed - 1], get32(stash[stashed - 1] - 4), move);
        }
    }
    deliver();
    double delivered = now_s() - begun;
    bool told = false;
    while (!line.done) {
        struct pollfd fd = {.fd = line.fd, .events = POLLIN};
        if (poll(&fd, 1, 100) > 0) {
            receive();
            hear();
        } else {
            keepalive(end_of_tape(), true);
        }
        if (!told && line.flushed >= end_of_tape()) {
            told = true;
            double changes = (double)tape.changes * tape.repeat, took = now_s() - begun;
            (void)printf("%.0f changes sent in %.3f s, confirmed in %.3f s: %.0f changes/s\n",
                         changes, delivered, took, changes / took);
            (void)fflush(stdout);
        }
    }
    answer_text('c', "", 0);
    answer_text('C', "COPY 0", 7);
    ready();
}

static void answer_query(const char *sql)
{
    char at[32];
    unsigned high, low;
    const char *position = strstr(sql, " LOGICAL ");
    if (strcmp(sql, "IDENTIFY_SYSTEM") == 0) {
        const char *const row[] = {"7000000000000000001", "1", lsn_text(end_of_tape(), at),
                                   "replay"};
        answer_row(row, 4, true);
    } else if (strstr(sql, "server_version_num")) {
        const char *const row[] = {"150000", "logical", "60000", "f", "", "", "", "", "", "", ""};
        answer_row(row, 11, true);
    } else if (strstr(sql, "JOIN pg_replication_slots s")) {
        answer_slot();
    } else if (strncmp(sql, "START_REPLICATION", 17) == 0 && position &&
               sscanf(position, " LOGICAL %X/%X", &high, &low) == 2) {
        stream((uint64_t)high << 32 | low);
    } else {
        answer_row(NULL, 1, false);
    }
}

/* Simple queries, and enough of the extended ones to say "nothing found". */
static void answer(char type, const char *body)
{
    switch (type) {
    case 'Q':
        answer_query(body);
        break;
    case 'P':
        answer_text('1', "", 0);
        break;
    case 'B':
        answer_text('2', "", 0);
        break;
    case 'D':
        answer_text('n', "", 0);
        break;
    case 'E':
        answer_text('C', "SELECT 0", 9);
        break;
    case 'S':
        ready();
        break;
    case 'X':
        _exit(0);
    default:
        break;
    }
}

static void start_up(void)
{
    static const char status[] = "server_version\0"
                                 "15.0";
    static const char encoding[] = "client_encoding\0UTF8";
    static const char strings[] = "standard_conforming_strings\0on";
    for (;;) {
        while (line.in_size < 8 || line.in_size < get32(line.in))
            receive();
        uint32_t size = get32(line.in), code = get32(line.in + 4);
        memmove(line.in, line.in + size, line.in_size - size);
        line.in_size -= size;
        if (code == 196608)
            break;
        if (send(line.fd, "N", 1, MSG_NOSIGNAL) != 1) /* neither TLS nor GSS */
            _exit(0);
    }
    answer_text('R', "\0\0\0", 4);
    answer_text('S', status, sizeof status);
    answer_text('S', encoding, sizeof encoding);
    answer_text('S', strings, sizeof strings);
    answer_text('K', "\0\0\0\1\0\0\0", 8);
    ready();
}

static void serve_one(int fd)
{
    line.fd = fd;
    start_up();
    for (;;) {
        while (line.in_size < 5 || line.in_size < get32(line.in + 1) + 1u) {
            if (line.in_size == sizeof line.in)
                die("a query", "is too long");
            receive();
        }
        char type = (char)line.in[0];
        size_t size = get32(line.in + 1) + 1u;
        static char body[sizeof line.in + 1];
        memcpy(body, line.in + 5, size - 5);
        body[size - 5] = '\0';
        memmove(line.in, line.in + size, line.in_size - size);
        line.in_size -= size;
        answer(type, body);
    }
}

static int serve(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    load(argv[2]);
    tape.repeat = (unsigned)strtoul(argv[5], NULL, 10);
    if (tape.repeat == 0)
        die("REPEAT", "must be at least 1");
    if (argc == 8) {
        fault = argv[6];
        fault_after = strtoull(argv[7], NULL, 10);
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%s", argv[3], argv[4]);
    (void)unlink(address.sun_path);
    if (shared == MAP_FAILED || listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16))
        die(address.sun_path, strerror(errno));
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        pid_t child = fork();
        if (child == 0) {
            (void)close(listener);
            serve_one(fd);
            _exit(0);
        }
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "record") == 0)
        return record(argv);
    if ((argc == 6 || argc == 8) && strcmp(argv[1], "serve") == 0)
        return serve(argc, argv);
    (void)fprintf(stderr,
                  "usage: replay_walsender record FILE DSN SLOT PUBLICATION CHANGES\n"
                  "       replay_walsender serve FILE DIRECTORY PORT REPEAT [FAULT AFTER]\n");
    return 64;
}
