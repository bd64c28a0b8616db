// SPDX-License-Identifier: Apache-2.0
// How the times of measured kernels came about: between those of a table, or from outside of it.
#ifndef DUPLEX_CLI_SERVE_KERNELS_H
#define DUPLEX_CLI_SERVE_KERNELS_H

#include <jansson.h>

#include "serving/serving.h"

// Nothing without tables.
json_t *serve_kernels_json(const struct serving_result *result);
// A line for each table.
void serve_kernels_print(const struct serving_result *result);

#endif
