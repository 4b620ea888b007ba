/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_elfnote.c -- any bytes as a shared library, as far as it is read before it is loaded.
 */
#include "elfnote.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elfnote note = {0};
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    (void)elfnote_read(fd, &note);
    return 0;
}
