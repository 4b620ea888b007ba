/* SPDX-License-Identifier: Apache-2.0
 *
 * test_parts.c -- the NATS sink's parts that need no server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "identity.h"
#include "json.h"
#include "login.h"
#include "nkey.h"
#include "skip.h"
#include "stream.h"
#include "url.h"
#include "window.h"
#include "wire.h"

static leat_bytes view(const char *text)
{
    return (leat_bytes){text, strlen(text)};
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_finds_values_by_path(void **state)
{
    (void)state;
    leat_bytes doc =
        view(" {\"a\":{\"x\":\"}\\\"{\",\"b\":[1,{\"c\":2}],\"n\":-7},\"s\" : \"q\\u00e9\\n\","
             "\"u\":18446744073709551615,\"t\":true}");
    char text[16];
    assert_int_equal(json_find_int(doc, "a.n", 0), -7);
    assert_true(json_find_string(doc, "s", text, sizeof text));
    assert_string_equal(text, "q\xc3\xa9\n");
    assert_true(json_find_uint(doc, "u", 0) == UINT64_MAX);
    assert_true(json_find_bool(doc, "t"));
    assert_int_equal(json_find_int(doc, "c", 5), 5); /* not inside another */
    assert_int_equal(json_find_int(doc, "u", 5), 5); /* does not fit */
    assert_false(json_find_string(doc, "s", text, 4));
    leat_bytes array, item;
    size_t at = 0, count = 0;
    assert_true(json_find(doc, "a.b", &array));
    while (json_next_item(array, &at, &item))
        count++;
    assert_int_equal(count, 2);
}

static void json_finds_what_stands_before_a_cut(void **state)
{
    (void)state;
    leat_bytes doc = view("{\"message\":{\"seq\":12,\"hdrs\":\"abc\",\"data\":\"xxxxx");
    char text[8];
    assert_int_equal(json_find_int(doc, "message.seq", 0), 12);
    assert_true(json_find_string(doc, "message.hdrs", text, sizeof text));
    assert_false(json_find_string(doc, "message.data", text, sizeof text));
}

static void json_reads_no_further_than_its_end(void **state)
{
    (void)state;
    static const char doc[] = "{\"a\":{\"b\":[{\"c\":\"\\u12\",\"d\":1}]},\"e\":\"\\\\\"}";
    for (size_t len = 0; len < sizeof doc; len++) {
        char *exact = malloc(len + 1); /* ASan watches its end */
        char text[8];
        leat_bytes value;
        exact = realloc(exact, len ? len : 1);
        memcpy(exact, doc, len);
        (void)json_find((leat_bytes){exact, len}, "a.b", &value);
        (void)json_find_string((leat_bytes){exact, len}, "e", text, sizeof text);
        free(exact);
    }
}

static void json_quotes_what_would_end_a_string(void **state)
{
    (void)state;
    char dst[32];
    size_t len = json_quote(view("a\"\\\x01"), dst, sizeof dst);
    assert_int_equal(len, 13);
    assert_memory_equal(dst, "\"a\\\"\\\\\\u0001\"", 13);
    assert_int_equal(json_quote(view("abc"), dst, 4), 0);
}

/* ---- the protocol ---------------------------------------------------------------------------- */

static struct wire_event parse(const char *text, size_t *used)
{
    struct wire_event event;
    uint64_t skip;
    size_t need, len = strlen(text);
    char *exact = malloc(len);
    memcpy(exact, text, len);
    *used = wire_parse(exact, len, 1000, &event, &skip, &need);
    free(exact);
    return event;
}

static void wire_knows_every_kind_of_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum wire_kind kind;
        size_t used;
    } lines[] = {
        {"PING\r\nPONG\r\n", WIRE_PING, 6},
        {"PONG\r\n", WIRE_PONG, 6},
        {"+OK\r\n", WIRE_OK, 5},
        {"-ERR 'Stale Connection'\r\n", WIRE_ERR, 25},
        {"INFO {\"a\":1}\r\n", WIRE_INFO, 14},
        {"MSG a.b 1 3\r\nabc\r\n", WIRE_MESSAGE, 18},
        {"MSG a.b 1 reply 0\r\n\r\n", WIRE_MESSAGE, 21},
        {"HMSG a 1 r 12 15\r\nNATS/1.0\r\n\r\nabc\r\n", WIRE_MESSAGE, 35},
        {"", WIRE_MORE, 0},
        {"MSG a.b 1 3\r\nabc", WIRE_MORE, 0},
        {"PIN", WIRE_MORE, 0},
        {"PING\n", WIRE_BROKEN, 0},
        {"MSG a.b 1 3\r\nabcd\r\n", WIRE_BROKEN, 0},
        {"MSG a.b 1\r\n", WIRE_BROKEN, 0},
        {"MSG a.b x 1\r\n\r\n", WIRE_BROKEN, 0},
        {"MSG a.b 1 99999999999999999999\r\n", WIRE_BROKEN, 0},
        {"HMSG a 1 16 15\r\n", WIRE_BROKEN, 0},
        {"PUB a 1\r\n", WIRE_BROKEN, 0},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        size_t used;
        struct wire_event event = parse(lines[i].text, &used);
        if (event.kind != lines[i].kind || used != lines[i].used)
            fail_msg("line %zu: kind %d, used %zu", i, (int)event.kind, used);
    }
}

static void wire_cuts_a_message_that_is_too_large(void **state)
{
    (void)state;
    char text[2100];
    struct wire_event event;
    uint64_t skip;
    size_t need;
    int head = sprintf(text, "MSG a 1 5000\r\n");
    memset(text + head, 'x', 2000);
    size_t used = wire_parse(text, (size_t)head + 2000, 1000, &event, &skip, &need);
    assert_int_equal(event.kind, WIRE_MESSAGE);
    assert_true(event.cut);
    assert_int_equal(used, (size_t)head + 1000);
    assert_int_equal(skip, 4002);
    assert_int_equal(event.payload.len, 1000);
}

static void wire_finds_headers(void **state)
{
    (void)state;
    leat_bytes block = view("NATS/1.0 503\r\nNats-Msg-Id: a:b\r\nleat-id:c\r\nX:\r\n\r\n"), value;
    assert_int_equal(wire_status(block), 503);
    assert_int_equal(wire_status(view("NATS/1.0\r\n\r\n")), 0);
    assert_true(wire_header(block, "Nats-Msg-Id", &value));
    assert_int_equal(value.len, 3);
    assert_true(wire_header(block, "leat-id", &value));
    assert_memory_equal(value.ptr, "c", 1);
    assert_false(wire_header(block, "Nats-Msg", &value));
}

/* ---- identities and what is skipped
 * -------------------------------------------------------------- */

static void identities_are_read_as_they_are_written(void **state)
{
    (void)state;
    leat_identity id;
    assert_true(identity_parse(view("a:b:16/B374D848:-1"), "a:b", &id));
    assert_true(id.position == 0x16b374d848u && id.seq == -1);
    static const char *const bad[] = {"a:b:16/B374D848",
                                      "a:b:G/1:0",
                                      "a:b:1/123456789:0",
                                      "a:c:1/1:0",
                                      "a:b:1/1:",
                                      "a:b:/1:0",
                                      "a:b",
                                      "",
                                      "a:b:1/1:0x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(identity_parse(view(bad[i]), "a:b", &id));
    struct range range;
    assert_true(identity_of_headers(
        view("NATS/1.0\r\nNats-Msg-Id: s:0/2:5\r\nleat-first: s:0/2:1\r\n"), "s", &range));
    assert_true(range.first.seq == 1 && range.last.seq == 5);
    assert_false(identity_of_headers(
        view("NATS/1.0\r\nNats-Msg-Id: s:0/2:5\r\nleat-first: s:0/2:6\r\n"), "s", &range));
}

static struct range range(uint64_t position, int64_t first, int64_t last)
{
    return (struct range){{position, first}, {position, last}};
}

static void what_is_held_is_skipped_and_nothing_else(void **state)
{
    (void)state;
    struct skip skip;
    assert_true(skip_init(&skip));
    skip_add(&skip, range(5, 7, 9));
    skip_add(&skip, range(3, 0, 2));
    skip_add(&skip, range(5, 8, 8));
    skip_add(&skip, range(2, 0, 9));
    skip_seal(&skip, (leat_identity){2, 9});
    assert_int_equal(skip.count, 2);
    for (uint64_t position = 3; position < 7; position++)
        for (int64_t seq = 0; seq < 10; seq++) {
            bool held = (position == 3 && seq <= 2) || (position == 5 && seq >= 7);
            assert_int_equal(skip_holds(&skip, (leat_identity){position, seq}), held);
        }
    skip_fini(&skip);
}

/* ---- the window
 * ---------------------------------------------------------------------------------- */

static void a_batch_is_finished_when_its_last_message_and_all_before_are(void **state)
{
    (void)state;
    struct window window;
    leat_record records[3] = {{.reserved = 0}};
    leat_batch batch = {
        .record_count = 3, .record_stride = sizeof(leat_record), .records = records};
    struct flight flight = {.messages = 1};
    struct place place;
    assert_true(window_init(&window));
    assert_true(window_accept(&window, &batch));
    uint64_t first = window_launch(&window, &flight);
    window_pass(&window, first);
    window_pass(&window, first); /* packed together */
    uint64_t second = window_launch(&window, &flight);
    window_pass(&window, second);
    assert_false(window_next(&window, &place));
    window_flight(&window, second)->state = FLIGHT_STORED;
    window.answered++;
    assert_false(window_advance(&window));
    assert_null(window_finished(&window));
    window_flight(&window, first)->state = FLIGHT_STORED;
    window.answered++;
    assert_true(window_advance(&window));
    assert_non_null(window_finished(&window));
    assert_true(window_settled(&window));
    assert_int_equal(window.messages, 0);
    window_fini(&window);
}

/* ---- addresses, keys, options
 * --------------------------------------------------------------------- */

static void urls_are_taken_apart(void **state)
{
    (void)state;
    struct url url;
    assert_null(url_parse("tls://u%40x:p%3aw@[::1]:4333", &url));
    assert_true(url.tls && url.has_user && url.has_password);
    assert_string_equal(url.host, "::1");
    assert_string_equal(url.port, "4333");
    assert_string_equal(url.user, "u@x");
    assert_string_equal(url.password, "p:w");
    assert_null(url_parse("bus.example", &url));
    assert_string_equal(url.port, "4222");
    static const char *const bad[] = {"ws://a",         "nats://",      "nats://a:0",
                                      "nats://a:70000", "nats://a:x",   "nats://a/b",
                                      "nats://[::1",    "nats://%zz@a", "nats://[::1]x:1",
                                      "nats://a:",      "nats://%00@a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!url_parse(bad[i], &url))
            fail_msg("taken: %s", bad[i]);
}

static void keys_are_spelled_as_nats_spells_them(void **state)
{
    (void)state;
    /* A pair from the documentation's own format, checked by a server in the tests of logins. */
    static const char seed[] = "SUAGCYTDMRSWMZ3INFVGW3DNNZXXA4LSON2HK5TXPB4XU634PV7H7ABRGU";
    char public_key[NKEY_PUBLIC_SIZE], signature[NKEY_SIGNATURE_SIZE], damaged[sizeof seed];
    assert_true(nkey_sign(view(seed), "nonce", public_key, signature));
    assert_int_equal(strlen(public_key), 56);
    assert_int_equal(public_key[0], 'U');
    assert_int_equal(strlen(signature), 86);
    for (size_t i = 0; i < sizeof seed - 1; i++) {
        memcpy(damaged, seed, sizeof seed);
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        assert_false(nkey_sign(view(damaged), "nonce", public_key, signature));
    }
    leat_bytes found;
    assert_true(
        nkey_find_seed(view("-----BEGIN USER NKEY SEED-----\nSUAGCYTDMRSWMZ3INFVGW3DNNZXXA4LS"
                            "ON2HK5TXPB4XU634PV7H7ABRGU\n---"),
                       &found));
    assert_int_equal(found.len, 58);
    assert_false(nkey_find_jwt(view("-----BEGIN NATS USER JWT-----\n------END"), &found));
}

static struct nats_options usual(void)
{
    static const char *const urls[] = {"nats://a"};
    return (struct nats_options){.url = {urls, 1},
                                 .stream = "S",
                                 .confirm_hold = "auto",
                                 .inbox_prefix = "_INBOX",
                                 .pack_records = 1};
}

static void options_that_contradict_are_refused(void **state)
{
    (void)state;
    leat_error error = {.size = sizeof error};
    struct nats_options o = usual();
    int64_t hold;
    assert_int_equal(nats_options_check(&o, &hold, &error), LEAT_OK);
    assert_int_equal(hold, -1);
    o.confirm_hold = "150s";
    assert_int_equal(nats_options_check(&o, &hold, &error), LEAT_OK);
    assert_int_equal(hold, 150000);
#define REFUSED(...)                                                                               \
    do {                                                                                           \
        o = usual();                                                                               \
        __VA_ARGS__;                                                                               \
        assert_int_equal(nats_options_check(&o, &hold, &error), LEAT_ECONFIG);                     \
    } while (0)
    REFUSED(o.confirm_hold = "5");
    REFUSED(o.confirm_hold = "-1s");
    REFUSED(o.confirm_hold = "99999999999999999999s");
    REFUSED(o.stream = "a.b");
    REFUSED(o.stream = "a b");
    REFUSED(o.stream = "");
    REFUSED(o.inbox_prefix = "a.*");
    REFUSED(o.password = "x");
    REFUSED(o.user = "u", o.token = "t");
    REFUSED(o.tls_cert = "c");
    REFUSED(o.create_stream = true);
    REFUSED(o.publish = PUBLISH_ATOMIC, o.pack_records = 2);
    REFUSED(o.monitor_url = "https://a");
}

static void no_secret_reaches_an_error(void **state)
{
    (void)state;
    leat_error error = {.size = sizeof error};
    struct nats_options o = usual();
    char *line = malloc(LOGIN_MAX), *large = malloc(40000);
    size_t len;
    memset(large, 's', 39999);
    large[39999] = '\0';
    o.token = large;
    struct login login = {.options = &o, .nonce = "", .name = "n"};
    assert_int_equal(login_write(&login, line, &len, &error), LEAT_ECONFIG);
    assert_null(strstr(error.text, "ssss"));
    free(line);
    free(large);
}

/* ---- acknowledgements
 * ---------------------------------------------------------------------------- */

static struct publish_ack ack(const char *headers, const char *payload, bool *good)
{
    struct wire_event event = {.headers = view(headers), .payload = view(payload)};
    struct publish_ack result;
    *good = stream_parse_ack(&event, "S", &result);
    return result;
}

static void acknowledgements_are_told_from_everything_else(void **state)
{
    (void)state;
    bool good;
    struct publish_ack a = ack("", "{\"stream\":\"S\", \"seq\":12}", &good);
    assert_true(good && a.sequence == 12 && !a.duplicate);
    a = ack("", "{\"stream\":\"S\",\"seq\":13}", &good);
    assert_true(good && a.sequence == 13);
    a = ack("", "{\"stream\":\"S\",\"domain\":\"d\",\"seq\":14}", &good);
    assert_true(good && a.sequence == 14);
    a = ack("", "{\"stream\":\"S\", \"seq\":12,\"duplicate\": true}", &good);
    assert_true(good && a.sequence == 12 && a.duplicate);
    a = ack("", "{\"domain\":\"d\",\"seq\":3,\"stream\":\"S\",\"batch\":\"b\",\"count\":7}", &good);
    assert_true(good && a.sequence == 3 && a.count == 7);
    a = ack("",
            "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"x\"},\"stream\":\"S\","
            "\"seq\":0}",
            &good);
    assert_true(good && a.code == 10071);
    a = ack("",
            "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"x\"},\"stream\":\"T\","
            "\"seq\":0}",
            &good);
    assert_true(!good && a.code == STREAM_IS_ANOTHER);
    a = ack("NATS/1.0 503\r\n\r\n", "", &good);
    assert_true(good && a.status == 503);
    static const char *const bad[] = {"",
                                      "{",
                                      "{}",
                                      "{\"stream\":\"T\", \"seq\":12}",
                                      "{\"stream\":\"S\", \"seq\":}",
                                      "{\"stream\":\"S\", \"seq\":0}",
                                      "{\"stream\":\"S\",\"domain\":\"d",
                                      "{\"stream\":\"SS\",\"seq\":1}",
                                      "{\"stream\":\"S\"}",
                                      "[]",
                                      "{\"stream\":\"S\", \"seq\":-1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)ack("", bad[i], &good);
        if (good)
            fail_msg("taken: %s", bad[i]);
    }
}

static void a_stream_covers_what_its_subjects_match(void **state)
{
    (void)state;
    static struct stream_info info = {.subjects = "[\"cdc.*.orders.>\",\"plain\",\"a.*\"]"};
    char subject[100];
    assert_true(stream_covers(&info, "cdc.public.orders.insert"));
    assert_true(stream_covers(&info, "cdc.x.orders.a.b"));
    assert_true(stream_covers(&info, "plain"));
    assert_true(stream_covers(&info, "a.*"));
    assert_false(stream_covers(&info, "cdc.public.orders"));
    assert_false(stream_covers(&info, "plain.x"));
    assert_false(stream_covers(&info, "a.b.c"));
    assert_false(stream_covers(&info, "a.>"));
    assert_true(stream_any_subject(&info, subject, sizeof subject));
    assert_string_equal(subject, "cdc.leat-fence.orders.leat-fence");
    assert_false(stream_any_subject(&info, subject, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_finds_values_by_path),
        cmocka_unit_test(json_finds_what_stands_before_a_cut),
        cmocka_unit_test(json_reads_no_further_than_its_end),
        cmocka_unit_test(json_quotes_what_would_end_a_string),
        cmocka_unit_test(wire_knows_every_kind_of_line),
        cmocka_unit_test(wire_cuts_a_message_that_is_too_large),
        cmocka_unit_test(wire_finds_headers),
        cmocka_unit_test(identities_are_read_as_they_are_written),
        cmocka_unit_test(what_is_held_is_skipped_and_nothing_else),
        cmocka_unit_test(a_batch_is_finished_when_its_last_message_and_all_before_are),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(keys_are_spelled_as_nats_spells_them),
        cmocka_unit_test(options_that_contradict_are_refused),
        cmocka_unit_test(no_secret_reaches_an_error),
        cmocka_unit_test(acknowledgements_are_told_from_everything_else),
        cmocka_unit_test(a_stream_covers_what_its_subjects_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
