/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h -- checks a mapping of the tree against option tables and fills the structs that the
 * tables describe.  [main], but for options_expand.
 *
 * A mapping may be read against several tables at once (a sink's: the core's rows and the
 * plugin's), each filling a struct of its own; a key that is in none of them is an error.  Nothing
 * stops at the first error.  Texts and lists that a struct points at are the region's.
 */
#ifndef LEAT_OPTIONS_H
#define LEAT_OPTIONS_H

#include <leat/plugin.h>

struct problems;
struct region;
struct tree_node;

/* A type for the core's own tables: const struct tree_node *, any shape, checked by who reads it.
 */
enum { OPTION_NODE = 100 };

#define OPTION_NODE_ROW(name_, T, m, flags_, help_)                                                \
    {                                                                                              \
        name_, NULL, help_, NULL, 0, 0, LEAT_OFFSET(T, m, const struct tree_node *), OPTION_NODE,  \
            flags_, 0                                                                              \
    }

/* The text, as written, of the values that can change while the daemon runs: every secret, and
 * whatever has a ${file:} or ${credential:} in it.  Immutable; owned by the configuration. */
struct option_template {
    struct option_template *next;
    const char *option; /* "password"; an entry of a mapping is "properties.sasl.password" */
    const char *text;
};

struct option_templates {
    const char *folder; /* of the configuration: relative paths begin here */
    struct option_template *first;
};

struct options_target {
    const leat_option *rows;
    size_t count;
    void *into;
};

struct options_reader {
    struct region *region;
    struct problems *problems;
    const char *folder; /* for ${file:relative} */
};

enum { OPTIONS_LAX = 1u << 0 }; /* a plugin's table is missing: pass over unknown keys */

/* Fills every target: defaults first, then what the mapping says.  `what` names the mapping in
 * messages: sink "bus".  templates may be NULL.  False when something was wrong. */
bool options_fill(const struct options_reader *reader, const struct tree_node *mapping,
                  const struct options_target *targets, size_t target_count, const char *what,
                  unsigned flags, struct option_templates *templates);

/* [any] Expands an option's template as the environment and the files are now, without allocating.
 * OK; ERETRY: a file or variable is missing now; ECONFIG: no such secret, or no room. */
leat_status options_expand(const struct option_templates *templates, const char *option, char *out,
                           size_t out_size);

/* A table as a plugin brought it: rows that overlap, types nobody knows, defaults out of range.
 * NULL when it is sound, else what is wrong, in `why`. */
const char *options_check_table(const leat_option *rows, size_t count, size_t struct_size,
                                char *why, size_t why_size);

#endif
