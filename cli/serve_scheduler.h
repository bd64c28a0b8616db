// SPDX-License-Identifier: Apache-2.0
// Scheduler and routing of a simulation: options, and what they did.
#ifndef DUPLEX_CLI_SERVE_SCHEDULER_H
#define DUPLEX_CLI_SERVE_SCHEDULER_H

#include <jansson.h>

#include "cli/options.h"
#include "serving/serving.h"

// --scheduler and what it takes, each value by itself. Returns 0 or an exit status.
int serve_scheduler_read(const struct option *options, struct serving_options *serving);
// How these agree with one another and with all other options. Returns 0 or an exit status.
int serve_scheduler_check(const struct option *options, const struct serving_options *serving);

json_t *serve_scheduler_json(const struct serving_options *serving, const struct serving_result *result);

#endif
