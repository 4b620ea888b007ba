/* SPDX-License-Identifier: Apache-2.0
 *
 * support.h -- what the configuration's tests share: a folder of their own with test plugins in it.
 */
#ifndef TEST_CONFIG_SUPPORT_H
#define TEST_CONFIG_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The working directory becomes a new folder with plugins.d/ and plugins/; leave removes it. */
int enter_folder(void **state);
int leave_folder(void **state);

void write_text(const char *path, const char *text);
void make_folder(const char *path);

/* Copies a variant of plugin_variant.c to `path`, mode 0755. */
void put_library(const char *variant, const char *path);

/* plugins.d/NAME.yaml and plugins/VARIANT.so. */
void put_plugin(const char *name, const char *kind, const char *variant);

#endif
