// SPDX-License-Identifier: Apache-2.0
// duplex run --check-invariance: the requests in many ways, one hash of all logits.
#ifndef DUPLEX_CLI_RUN_INVARIANCE_H
#define DUPLEX_CLI_RUN_INVARIANCE_H

#include "cli/run_requests.h"

#define INVARIANCE_RTL_TOKENS 2u  // of a request, unless told otherwise: a step on the RTL takes seconds

struct invariance_wanted {
  bool ignore_end_tokens;
  size_t rtl_tokens;  // new ones of a request on the RTL, at most
};

// Runs the requests under other batches, orders, chunks, policies, numbers of stacks and back ends than
// `network`'s, and prints a line of each on standard output. Returns 0, or 1 with a line on standard error if
// one differs.
int check_invariance(const struct model *model, const struct run_requests *requests,
                     const struct network_options *network, const struct invariance_wanted *wanted);

#endif
