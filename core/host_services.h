/* SPDX-License-Identifier: Apache-2.0
 *
 * host_services.h -- what leat_host.extension answers: optional services by name.  [any]
 *
 * "leat.secrets/1"  leat_secrets: an option's value as the environment and the files are now
 * "leat.status/1"   leat_reporting: for sources: the state of the connection, for `leat status`
 * "leat.guard/1"    leat_guard: for sources: drop the sink that holds the confirmation back
 * "leat.metrics/1"  leat_metrics: figures of an instance's own, for /status and /metrics
 * "leat.stage/1"    leat_stages: debug builds only, see stage.h
 */
#ifndef LEAT_HOST_SERVICES_H
#define LEAT_HOST_SERVICES_H

#include <leat/plugin.h>

const void *host_services_for_source(const leat_host *host, const char *id);
const void *host_services_for_sink(const leat_host *host, const char *id);

#endif
