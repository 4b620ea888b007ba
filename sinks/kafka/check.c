/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- `leat check`: tries everything that the configuration names and changes nothing.
 * [main]
 */
#include "sink.h"

#include <stdio.h>
void kafka_check(const void *config, leat_check *check)
{
    (void)config;
    (void)check;
}
