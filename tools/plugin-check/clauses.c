/* SPDX-License-Identifier: Apache-2.0
 *
 * clauses.c -- see clauses.h.  docs/plugins.md has the same sentences; a test compares them.
 */
#include "clauses.h"

#include <stddef.h>

static const char *const texts[] = {
    [C_DESCRIPTOR] = "The exported constant is whole: magic, ABI, size, kind, texts and "
                     "operations, and the note in "
                     "the file says the same.",
    [C_OPTIONS] = "Every row of the option table is sound: name, place, default, range, help; what "
                  "is secret is "
                  "marked so.",
    [C_LOADING] = "Loading the library does nothing: no output, no thread, no open file.",
    [C_CREATE] = "create makes an instance and does no I/O; without memory it fails with an error.",
    [C_DESTROY] = "destroy may come after any call, takes NULL and a half-made instance, and frees "
                  "everything.",
    [C_STATUS] = "Each call returns only a status that is meant for it.",
    [C_TEXT] = "An error has a text of one line: what failed, on what, why.",
    [C_ONCE] = "A batch is given back once, and only one that submit has taken.",
    [C_ANSWER] = "Every batch that was taken is given back in the end.",
    [C_DURABLE] =
        "OK means durable: what was given back with OK is there after the process was killed.",
    [C_READ_ONLY] = "What is lent is never written to.",
    [C_LIFE] = "What was given back is never touched again.",
    [C_BOUNDS] = "Nothing beside what was lent is touched.",
    [C_FREE] = "The side that allocated frees: a plugin never frees what the host made.",
    [C_AGAIN] = "AGAIN from submit takes nothing: no pointer is kept, and no answer comes.",
    [C_ORDER] =
        "After an error for one batch every later lent one is given back with an error, too.",
    [C_COUNT] = "durable_count and the identities that start reports are possible ones.",
    [C_RETRY] =
        "After ERETRY, and after stop and start, the same records are taken and delivered once.",
    [C_STOP] = "stop comes back by its deadline, may come at any time, and start may follow.",
    [C_SILENCE] = "After stop the host hears and feels nothing of the plugin until start.",
    [C_WAITING] = "Only poll waits, as long as it is told; it drives the work with 0, too.",
    [C_RETURN] = "poll returns soon when wake_fd becomes readable.",
    [C_ENDING] = "A plugin never ends the process: no exit, no abort, no crash; it never forks.",
    [C_PROCESS] = "Signals, locale, umask, folder and environment are left as they are.",
    [C_OUTPUT] = "Nothing is written to standard output or standard error.",
    [C_DESCRIPTORS] = "destroy gives back every file descriptor.",
    [C_THREADS] =
        "destroy ends every thread of the instance; calls may come from different threads.",
    [C_MEMORY] = "destroy gives back all memory.",
    [C_SECRETS] = "No row data in a log line, an error or a result's text.",
    [C_GROWING] = "Growing structs are read by their size and stepped by their stride, and carry "
                  "their own size.",
    [C_EXTENSION] =
        "extension answers NULL to names that it does not know; check keeps its deadline.",
    [C_BEGIN] = "begin is called once a connection, before its first batch, with a whole origin.",
    [C_WRITER] = "At most one batch is open; what is taken of it was reserved before.",
    [C_CALLBACK] = "A source calls the host for batches only from within its own start and poll.",
    [C_IDENTITY] =
        "Identities ascend in stream order; a transaction's first and last change say so.",
    [C_VALUE] = "Every value is what its kind says, and lies in its batch.",
    [C_SAFE] = "safe_position never goes back, and never passes a transaction that is not whole.",
    [C_PRESSURE] = "AGAIN from the host loses nothing: the stream goes on where it was.",
    [C_RESUME] = "Started at a safe position, the stream goes on behind it, the same as before.",
    [C_RELATION] =
        "A relation is whole, and stays until every batch that refers to it was given back.",
};

const char *clause_text(enum clause clause)
{
    size_t index = (size_t)clause;
    return index < sizeof texts / sizeof *texts && texts[index] ? texts[index] : "?";
}
