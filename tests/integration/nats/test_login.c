/* SPDX-License-Identifier: Apache-2.0
 *
 * test_login.c -- every way to a server: user, token, nkey, credentials, TLS in its kinds, several
 * servers, a cluster; and what happens when a way is closed.  Argument: "debian" or "current".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <openssl/evp.h>
#include <signal.h>
#include <unistd.h>

#include "nkey.h"
#include "stage.h"

/* Made for this test; they open nothing. */
static const char operator_seed[] = "SOAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6IHCVI";
static const char account_seed[] = "SAACCIRDEQSSMJZIFEVCWLBNFYXTAMJSGM2DKNRXHA4TUOZ4HU7D6QEKY4";
static const char system_seed[] = "SAAECQSDIRCUMR2IJFFEWTCNJZHVAUKSKNKFKVSXLBMVUW24LVPF6YDOO4";
static const char user_seed[] = "SUAGCYTDMRSWMZ3INFVGW3DNNZXXA4LSON2HK5TXPB4XU634PV7H7ABRGU";

static char *in_folder(const struct bus *bus, const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", bus->folder, name);
    return path;
}

static void public_key(const char *seed, char out[NKEY_PUBLIC_SIZE])
{
    char signature[NKEY_SIGNATURE_SIZE];
    assert_true(nkey_sign((leat_bytes){seed, strlen(seed)}, "", out, signature));
}

/* Stops the server and begins again with another configuration. */
static void reconfigure(struct bus *bus, const char *config)
{
    char text[8000];
    bus_kill(bus);
    snprintf(text, sizeof text, "listen: 127.0.0.1:%d\njetstream { store_dir: \"%s/store\" }\n%s\n",
             bus->port, bus->folder, config);
    bus_write_file(in_folder(bus, "server.conf"), text);
    bus_begin(bus);
}

static void reload(struct bus *bus, const char *config)
{
    char text[8000];
    snprintf(text, sizeof text, "listen: 127.0.0.1:%d\njetstream { store_dir: \"%s/store\" }\n%s\n",
             bus->port, bus->folder, config);
    bus_write_file(in_folder(bus, "server.conf"), text);
    kill(bus->pid, SIGHUP);
}

static void assert_delivers(struct stage *stage)
{
    struct rig *rig = &stage->rig;
    if (!rig->sink)
        rig_create(rig);
    uint64_t until = rig->durable + 300;
    if (!rig_run(rig, until, 20000))
        fail_msg("%s", rig->error.text);
    assert_honest(stage);
}

static void assert_refused(struct stage *stage, const char *text)
{
    struct rig *rig = &stage->rig;
    if (!rig->sink)
        rig_create(rig);
    assert_int_equal(rig_start(rig, 300), LEAT_ERETRY);
    if (!strstr(rig->error.text, text))
        fail_msg("%s", rig->error.text);
}

/* ---- logins ---------------------------------------------------------------------------------- */

static void logs_in_with_a_password(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    reconfigure(bus, "authorization { user: leat, password: \"p\\\"w\" }");
    rig->options.user = "leat";
    rig->options.password = "wrong";
    assert_refused(stage, "Authorization Violation");
    rig->options.password = "p\"w";
    assert_delivers(stage);
}

static void logs_in_with_the_password_of_the_url(void **state)
{
    NEED_SERVER();
    char url[100];
    bus_stream(bus, "S", NULL);
    reconfigure(bus, "authorization { user: leat, password: \"p@w\" }");
    snprintf(url, sizeof url, "nats://leat:p%%40w@127.0.0.1:%d", bus->port);
    rig->url[0] = url;
    assert_delivers(stage);
}

static void logs_in_with_a_token(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    reconfigure(bus, "authorization { token: secret1 }");
    rig->options.token = "secret1";
    assert_delivers(stage);
}

static void reads_a_changed_password_at_the_next_connection(void **state)
{
    NEED_SERVER();
    char *path = strdup(in_folder(bus, "password"));
    bus_stream(bus, "S", NULL);
    reconfigure(bus, "authorization { user: leat, password: first1 }");
    bus_write_file(path, "first1\n");
    rig->options.user = "leat";
    rig->options.password_file = path;
    assert_delivers(stage);
    reload(bus, "authorization { user: leat, password: second2 }"); /* revokes us */
    while (rig->up)
        assert_true(rig_step(rig, rig->durable + 100));
    assert_refused(stage, "Authorization Violation");
    bus_write_file(path, "second2\n");
    assert_delivers(stage);
    free(path);
}

static void logs_in_with_an_nkey(void **state)
{
    NEED_SERVER();
    char config[200], key[NKEY_PUBLIC_SIZE], *path = strdup(in_folder(bus, "user.nk"));
    bus_stream(bus, "S", NULL);
    public_key(user_seed, key);
    snprintf(config, sizeof config, "authorization { users = [ { nkey: %s } ] }", key);
    reconfigure(bus, config);
    bus_write_file(path, user_seed);
    rig->options.nkey_file = path;
    assert_delivers(stage);
    free(path);
}

static size_t base64url(const char *text, char *dst)
{
    int len = EVP_EncodeBlock((unsigned char *)dst, (const unsigned char *)text, (int)strlen(text));
    while (len && dst[len - 1] == '=')
        len--;
    for (int i = 0; i < len; i++)
        dst[i] = dst[i] == '+' ? '-' : dst[i] == '/' ? '_' : dst[i];
    dst[len] = '\0';
    return (size_t)len;
}

/* A NATS JWT: claims signed by an nkey. */
static void make_jwt(const char *issuer_seed, const char *subject_seed, const char *nats, char *out)
{
    char claims[1500], signed_part[3000], issuer[NKEY_PUBLIC_SIZE], subject[NKEY_PUBLIC_SIZE],
        signature[NKEY_SIGNATURE_SIZE];
    public_key(issuer_seed, issuer);
    public_key(subject_seed, subject);
    snprintf(claims, sizeof claims,
             "{\"jti\":\"x\",\"iat\":1700000000,\"iss\":\"%s\",\"name\":\"n\",\"sub\":\"%s\","
             "\"nats\":%s}",
             issuer, subject, nats);
    size_t len = base64url("{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}", signed_part);
    signed_part[len++] = '.';
    base64url(claims, signed_part + len);
    assert_true(
        nkey_sign((leat_bytes){issuer_seed, strlen(issuer_seed)}, signed_part, issuer, signature));
    sprintf(out, "%s.%s", signed_part, signature);
}

static void logs_in_with_credentials(void **state)
{
    NEED_SERVER();
    static char operator_jwt[4000], account_jwt[4000], system_jwt[4000], user_jwt[4000],
        config[16000], text[6000];
    static const char limits[] =
        "\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"
        "\"wildcards\":true,\"conn\":-1,\"leaf\":-1%s},\"type\":\"account\",\"version\":2}";
    char nats[500], account[NKEY_PUBLIC_SIZE], system[NKEY_PUBLIC_SIZE],
        *path = strdup(in_folder(bus, "leat.creds"));
    make_jwt(operator_seed, operator_seed, "{\"type\":\"operator\",\"version\":2}", operator_jwt);
    nats[0] = '{';
    snprintf(nats + 1, sizeof nats - 1, limits,
             ",\"mem_storage\":-1,\"disk_storage\":-1,\"streams\":-1,\"consumer\":-1");
    make_jwt(operator_seed, account_seed, nats, account_jwt);
    snprintf(nats + 1, sizeof nats - 1, limits, "");
    make_jwt(operator_seed, system_seed, nats, system_jwt);
    make_jwt(account_seed, user_seed,
             "{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\","
             "\"version\":2}",
             user_jwt);
    public_key(account_seed, account);
    public_key(system_seed, system);
    snprintf(config, sizeof config,
             "operator: %s\nsystem_account: %s\nresolver: MEMORY\n"
             "resolver_preload: { %s: \"%s\", %s: \"%s\" }",
             operator_jwt, system, account, account_jwt, system, system_jwt);
    snprintf(text, sizeof text,
             "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
             "************************* IMPORTANT *************************\n"
             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
             user_jwt, user_seed);
    bus_write_file(path, text);
    reconfigure(bus, config);
    static const char *const subjects[] = {"S.>"};
    rig->options.credentials = path;
    rig->options.create_stream = true;
    rig->options.create_subjects = (leat_strings){subjects, 1};
    assert_delivers(stage);
    /* Another seed: the signature is not the user's. */
    rig_destroy(rig);
    char *seed = strstr(text, user_seed);
    memcpy(seed, account_seed, strlen(account_seed));
    bus_write_file(path, text);
    rig_create(rig);
    assert_refused(stage, "Authorization Violation");
    free(path);
}

static void a_subject_without_permission_is_named(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    reconfigure(bus, "authorization { users = [ { user: leat, password: pw1, permissions: { "
                     "publish: { deny: [\"S.secret\"] } } } ] }");
    rig->options.user = "leat";
    rig->options.password = "pw1";
    assert_delivers(stage);
    rig->subject = "S.secret";
    while (rig->up)
        assert_true(rig_step(rig, 400));
    assert_non_null(strstr(rig->error.text, "S.secret"));
    rig->subject = "S.t";
    assert_delivers(stage);
    assert_honest(stage);
}

static void a_user_without_the_fences_permission_goes_on(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    reconfigure(bus, "authorization { users = [ { user: leat, password: pw1, permissions: { "
                     "publish: [\"S.>\", \"$JS.API.>\"], subscribe: [\"_INBOX.>\"] } } ] }");
    rig->options.user = "leat";
    rig->options.password = "pw1";
    assert_delivers(stage);
    assert_int_equal(rig->restarts, 0);
}

static void a_user_who_may_not_read_directly_goes_on(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", "\"allow_direct\":true,\"duplicate_window\":100000000");
    reconfigure(bus, "authorization { users = [ { user: leat, password: pw1, permissions: { "
                     "publish: [\"S.>\", \"$JS.API.STREAM.>\", \"_INBOX.>\"], "
                     "subscribe: [\"_INBOX.>\"] } }, { user: reader, password: pw2 } ] }");
    natsOptions_Destroy(bus->options);
    natsOptions_Create(&bus->options);
    natsOptions_SetURL(bus->options, bus->url);
    natsOptions_SetUserInfo(bus->options, "reader", "pw2");
    rig->options.user = "leat";
    rig->options.password = "pw1";
    rig_create(rig);
    assert_true(rig_run(rig, 500, 20000));
    rig_forget(rig);
    outlive_window(bus);
    rig_create(rig);
    rig->held = true; /* all of it is known from the stream alone */
    assert_true(rig_run(rig, 700, 20000));
    assert_int_equal(rig->restarts, 0);
    assert_stream(stage, 700);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void make_certificates(struct bus *bus)
{
    char command[2000];
    snprintf(
        command, sizeof command,
        "cd '%s' && exec 2>/dev/null; "
        "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=$1 -keyout $1.key -out $1.pem; }; "
        "leaf() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$1 "
        "-keyout $1.key -out $1.csr && printf 'subjectAltName=%%s' $2 > $1.ext && "
        "openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
        "-extfile $1.ext -out $1.pem; }; "
        "ca ca && ca other && leaf server IP:127.0.0.1,DNS:bus.example && leaf client DNS:client",
        bus->folder);
    bus_run(command);
}

static void tls(struct stage *stage, const char *more)
{
    struct bus *bus = &stage->bus;
    char config[1000];
    bus_stream(bus, "S", NULL);
    make_certificates(bus);
    snprintf(config, sizeof config,
             "tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\", ca_file: "
             "\"%s/ca.pem\" %s }",
             bus->folder, bus->folder, bus->folder, more);
    reconfigure(bus, config);
    stage->rig.options.tls_ca = strdup(in_folder(bus, "ca.pem"));
}

static void delivers_over_tls(void **state)
{
    NEED_SERVER();
    tls(stage, "");
    rig->value_size = 100000;
    assert_delivers(stage);
    bus_kill(bus);
    bus_begin(bus);
    assert_delivers(stage);
    free((void *)(uintptr_t)rig->options.tls_ca);
}

static void refuses_a_server_of_another_authority(void **state)
{
    NEED_SERVER();
    tls(stage, "");
    free((void *)(uintptr_t)rig->options.tls_ca);
    rig->options.tls_ca = in_folder(bus, "other.pem");
    assert_refused(stage, "TLS with 127.0.0.1 failed");
}

static void refuses_a_server_of_another_name(void **state)
{
    NEED_SERVER();
    tls(stage, "");
    rig->options.tls_name = "elsewhere.example";
    assert_refused(stage, "TLS with elsewhere.example failed");
    rig->options.tls_name = "bus.example";
    assert_delivers(stage);
    free((void *)(uintptr_t)rig->options.tls_ca);
}

static void refuses_a_server_without_tls_where_tls_is_wanted(void **state)
{
    NEED_SERVER();
    char url[100];
    snprintf(url, sizeof url, "tls://127.0.0.1:%d", bus->port);
    rig->url[0] = url;
    assert_refused(stage, "the server offers none");
}

static void shows_its_own_certificate(void **state)
{
    NEED_SERVER();
    tls(stage, ", verify: true");
    assert_refused(stage, "");
    rig->options.tls_cert = in_folder(bus, "client.pem");
    rig->options.tls_key = in_folder(bus, "client.key");
    assert_delivers(stage);
    free((void *)(uintptr_t)rig->options.tls_ca);
}

static void begins_with_tls_where_asked(void **state)
{
    NEED_VERSION(2, 11);
    tls(stage, ", handshake_first: true");
    rig->options.connect_timeout_ms = 300;
    assert_refused(stage, "tls.first");
    rig->options.tls_first = true;
    rig->options.connect_timeout_ms = 2000;
    assert_delivers(stage);
    free((void *)(uintptr_t)rig->options.tls_ca);
}

/* ---- a cluster
 * ----------------------------------------------------------------------------------- */

static void start_node(struct bus *node, int index, const int ports[3])
{
    char config[1000];
    snprintf(config, sizeof config,
             "server_name: n%d\ncluster { name: c, listen: \"127.0.0.1:%d\", routes: ["
             "\"nats://127.0.0.1:%d\",\"nats://127.0.0.1:%d\",\"nats://127.0.0.1:%d\"] }",
             index, ports[index], ports[0], ports[1], ports[2]);
    bus_start(node, program, config);
}

static int leader_of(struct bus *node)
{
    char *info = bus_api(node, "STREAM.INFO.S", NULL);
    const char *p = strstr(info, "\"leader\":\"n");
    int leader = p ? p[11] - '0' : -1;
    free(info);
    return leader;
}

static void a_killed_leader_costs_nothing(void **state)
{
    struct stage *stage = *state;
    struct rig *rig = &stage->rig;
    struct bus nodes[3] = {0};
    int ports[3];
    if (!program) {
        print_message("no such server here\n");
        skip();
    }
    for (int i = 0; i < 3; i++)
        ports[i] = bus_free_port();
    for (int i = 0; i < 3; i++)
        start_node(&nodes[i], i, ports);
    if (!bus_at_least(&nodes[0], 2, 10)) {
        /* A consumer reads the replica it lives on; test_brokers.py reads the leader's instead. */
        print_message("replicas of server %s can differ after an election: docs/adr/0102\n",
                      nodes[0].version);
        for (int i = 0; i < 3; i++)
            bus_stop(&nodes[i]);
        skip();
    }
    for (;;) { /* until the cluster has met */
        char *answer = bus_api(&nodes[0], "STREAM.CREATE.S",
                               "{\"name\":\"S\",\"subjects\":[\"S.>\"],\"storage\":\"file\","
                               "\"retention\":\"limits\",\"num_replicas\":3,"
                               "\"duplicate_window\":100000000}");
        bool made = !strstr(answer, "\"error\"") || strstr(answer, "in use");
        free(answer);
        if (made)
            break;
    }
    int leader;
    while ((leader = leader_of(&nodes[0])) < 0)
        ;
    rig_init(rig, &nodes[0]);
    for (int i = 0; i < 3; i++)
        rig->url[i] = nodes[i].url;
    rig->options.url.count = 3;
    rig->options.ack_timeout_ms = 3000;
    assert_delivers(stage);
    assert_non_null(strstr(fake_host_log(rig->fake, "connected")->fields, "confirm_hold_ms=0"));
    for (int i = 0; i < 3; i++)
        assert_true(rig_step(rig, 2000));
    bus_kill(&nodes[leader]);
    assert_true(rig_run(rig, 2000, 90000));
    assert_honest(stage);
    struct stage reader = {.bus = nodes[(leader + 1) % 3], .rig = *rig};
    assert_stream(&reader, 2000);
    nodes[(leader + 1) % 3] = reader.bus;
    rig_destroy(rig);
    for (int i = 0; i < 3; i++)
        bus_stop(&nodes[i]);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(logs_in_with_a_password),
        T(logs_in_with_the_password_of_the_url),
        T(logs_in_with_a_token),
        T(reads_a_changed_password_at_the_next_connection),
        T(logs_in_with_an_nkey),
        T(logs_in_with_credentials),
        T(a_subject_without_permission_is_named),
        T(a_user_without_the_fences_permission_goes_on),
        T(a_user_who_may_not_read_directly_goes_on),
        T(delivers_over_tls),
        T(refuses_a_server_of_another_authority),
        T(refuses_a_server_of_another_name),
        T(refuses_a_server_without_tls_where_tls_is_wanted),
        T(shows_its_own_certificate),
        T(begins_with_tls_where_asked),
        cmocka_unit_test_setup_teardown(a_killed_leader_costs_nothing, begin_without_server, end),
    };
    if (stage_main(argc, argv))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_CloseAndWait(2000);
    return failed;
}
