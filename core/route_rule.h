/* SPDX-License-Identifier: Apache-2.0
 *
 * route_rule.h -- one entry of `routes`, or the template behind them all: which changes it is for,
 * and where they go.  Made on [main], asked by its router's [worker].
 *
 * A rule matches by schema and table (globs), operation, and columns whose value changed.  A rule
 * that names schemas or tables matches no message outside of a table.  `changed` matches updates
 * only, in which one of its columns differs:
 *   - with the old row (REPLICA IDENTITY FULL): where old and new value differ in kind or bytes; a
 *     value that was not sent (unchanged, stored out of line) is equal;
 *   - without it: a key column where the old key was sent and differs; any other column whose value
 *     was sent counts as changed, because nobody can know.  So exactness needs FULL.
 * Names come from the source: a column that the relation lacks never changed.
 */
#ifndef LEAT_ROUTE_RULE_H
#define LEAT_ROUTE_RULE_H

#include "config.h"

#define ROUTE_OPS 8u /* more than any LEAT_INSERT... */

struct route_template;

struct route_rule {
    leat_strings schema, table, changed; /* of the configuration, which outlives the router */
    uint32_t ops;                        /* a bit each; 0: any */
    struct route_template *route;        /* owned; NULL: of no use */
};

/* [main] Compiles an entry.  False with `error` where it is wrong, or without memory; rule is to be
 * finished either way. */
bool route_rule_init(struct route_rule *rule, const struct config_route *from,
                     const leat_route_rules *rules, char *error, size_t error_size);
void route_rule_fini(struct route_rule *rule); /* of zeros, too */

/* [worker] All that the relation and the operation decide: the same for every such change. */
bool route_rule_matches(const struct route_rule *rule, const leat_change *change);

/* [worker] For a change that matches, and a rule with `changed`: did one of those columns? */
bool route_rule_changed(const struct route_rule *rule, const leat_change *change);

#endif
