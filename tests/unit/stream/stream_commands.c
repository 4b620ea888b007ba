/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_commands.c -- leat check, slot and setup of the source against a real PostgreSQL.
 */
#include "real.h"
#include "check.h"
#include "setup.h"
#include "slot_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct findings {
    leat_check check; /* first */
    int errors, exit_code;
    char text[16384];
};

static void note(leat_check *check, int32_t severity, int32_t exit_code, const char *text,
                 const char *fix)
{
    struct findings *found = (struct findings *)(void *)check;
    if (severity == LEAT_FINDING_ERROR) {
        found->errors++;
        found->exit_code = exit_code;
    }
    size_t used = strlen(found->text);
    (void)snprintf(found->text + used, sizeof found->text - used, "%s | %s\n", text,
                   fix ? fix : "");
}

static void look(struct findings *found)
{
    *found = (struct findings){
        .check = {.size = sizeof(leat_check), .deadline_ms = 9000, .report = note}};
    check_run(&real_options, &found->check);
}

static void check_names_what_is_wrong_and_what_mends_it(void **state)
{
    (void)state;
    static struct findings found;
    real_defaults("s_check");
    look(&found);
    if (found.errors)
        fail_msg("%s", found.text);
    assert_non_null(strstr(found.text, "the very first leat run creates it"));
    assert_non_null(strstr(found.text, "public.nokey: no replica identity"));
    assert_non_null(strstr(found.text, "ALTER TABLE public.nokey REPLICA IDENTITY FULL;"));
    real_publications[0] = "nosuch";
    look(&found);
    assert_int_equal(found.exit_code, 78);
    assert_non_null(strstr(found.text, "CREATE PUBLICATION \"nosuch\""));
    real_defaults("s_check");
    real_options.dsn = "host=/nonexistent dbname=shop user=postgres password=geheim";
    look(&found);
    assert_int_equal(found.exit_code, 69);
    assert_null(strstr(found.text, "geheim"));
    real_options.dsn = "host=/nonexistent dbname=shop geheim'";
    look(&found);
    assert_int_equal(found.exit_code, 78);
    assert_null(strstr(found.text, "geheim"));
    real_options.dsn = real_dsn;
}

static void check_names_what_no_client_can_mend(void **state)
{
    (void)state;
    static struct findings found;
    real_defaults("s_check");
    real_publications[0] = "viaroot";
    look(&found);
    assert_non_null(strstr(found.text, "a TRUNCATE of one of its partitions is not sent"));
    assert_non_null(strstr(found.text, "falsely null"));
    assert_non_null(strstr(found.text, "generated column"));
}

static char printed[8192];

static void gather(leat_output *output, const char *text, size_t len)
{
    (void)output;
    (void)strncat(printed, text, len);
}

static const char *command(const char *verb, bool json, leat_status expected)
{
    leat_output output = {.size = sizeof output, .json = json, .write = gather};
    leat_error error = {.size = sizeof error};
    printed[0] = '\0';
    leat_status status = strcmp(verb, "setup") == 0
                             ? setup_print(&real_options, &output, &error)
                             : slot_command(&real_options, verb, &output, &error);
    if (status != expected)
        fail_msg("%s: %d %s", verb, status, error.text);
    return printed;
}

static void the_slot_can_be_made_shown_and_dropped(void **state)
{
    (void)state;
    real_defaults("s_command");
    assert_non_null(strstr(command("show", false, LEAT_OK), "does not exist"));
    assert_non_null(strstr(command("create", true, LEAT_OK), "\"created\":true"));
    (void)command("create", false, LEAT_EREJECT);
    assert_non_null(strstr(command("show", true, LEAT_OK), "\"plugin\":\"pgoutput\""));
    assert_non_null(strstr(command("show", false, LEAT_OK), "wal_status           reserved"));
    assert_non_null(strstr(command("drop", false, LEAT_OK), "dropped slot s_command"));
    assert_non_null(strstr(command("show", true, LEAT_OK), "\"exists\":false"));
}

static void setup_prints_sql_that_runs(void **state)
{
    (void)state;
    char own[512];
    real_defaults("s_setup");
    real_publications[0] = "new \"pub'";
    (void)snprintf(own, sizeof own, "host=%s dbname=shop user='le\"at' password=geheim",
                   real_server.directory);
    real_options.dsn = own;
    const char *text = command("setup", false, LEAT_OK);
    assert_null(strstr(text, "geheim"));
    /* One statement at a time, as psql would. */
    char *copy = strdup(text), *save = NULL;
    assert_non_null(copy);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, "--", 2) != 0)
            assert_true(pg_server_sql(&real_server, "shop", line));
    free(copy);
    assert_non_null(
        strstr(command("setup", true, LEAT_OK), "\"CREATE ROLE \\\"le\\\"\\\"at\\\" LOGIN"));
    /* The role that it makes is enough to stream. */
    struct stream_host *host = real_fresh();
    stream_host_run(host, &real_options, NULL);
    UNTIL(host, host->begins == 1);
    real_done(host);
    real_drop_slots();
    real_sql("DROP PUBLICATION \"new \"\"pub'\"");
    real_options.dsn = real_dsn;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_names_what_is_wrong_and_what_mends_it),
        cmocka_unit_test(check_names_what_no_client_can_mend),
        cmocka_unit_test(the_slot_can_be_made_shown_and_dropped),
        cmocka_unit_test(setup_prints_sql_that_runs),
    };
    return real_run(tests);
}
