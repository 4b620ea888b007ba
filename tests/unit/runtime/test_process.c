/* SPDX-License-Identifier: Apache-2.0
 *
 * test_process.c -- a process gets the cores of the main thread, and the thread that begins it keeps
 * its own.
 */
#include "process.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static cpu_set_t all, one;

/* Begins a process that ends with the number of its cores. */
static void *begin_from_one_core(void *argument)
{
    char *words[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exit $(nproc)"}, NULL};
    char *variables[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
    int *status = argument;
    cpu_set_t after;
    pid_t pid;

    *status = -1;
    if (sched_setaffinity(0, sizeof one, &one) != 0 ||
        process_begin(&pid, "/bin/sh", NULL, NULL, words, variables) != 0 ||
        waitpid(pid, status, 0) != pid)
        return NULL;
    if (sched_getaffinity(0, sizeof after, &after) != 0 || !CPU_EQUAL(&after, &one))
        *status = -1;
    return NULL;
}

static void a_process_gets_the_cores_of_the_main_thread(void **state)
{
    pthread_t thread;
    int status;

    (void)state;
    if (CPU_COUNT(&all) < 2)
        skip();
    assert_int_equal(pthread_create(&thread, NULL, begin_from_one_core, &status), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CPU_COUNT(&all) & 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_gets_the_cores_of_the_main_thread),
    };

    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return 1;
    CPU_ZERO(&one);
    for (size_t core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; core++)
        if (CPU_ISSET(core, &all))
            CPU_SET(core, &one);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
