// SPDX-License-Identifier: Apache-2.0
// Results of the serving simulator, as JSON and on standard output.
#ifndef DUPLEX_CLI_SERVE_REPORT_H
#define DUPLEX_CLI_SERVE_REPORT_H

#include <jansson.h>

#include "serving/serving.h"

// Of enum serving_part, as the JSON names it.
const char *serve_part_name(unsigned part);

json_t *serve_json(const struct serving_options *options, const struct serving_result *result);

// The rate that a search with this share of good requests found; nothing with a share of 0.
json_t *serve_rate_json(double share, double rate);

// host: seconds that the simulation took.
void serve_print(const struct serving_options *options, const struct serving_result *result, double host);

#endif
