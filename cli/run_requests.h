// SPDX-License-Identifier: Apache-2.0
// The requests of `duplex run`: one of the options, or those of a JSON Lines file.
#ifndef DUPLEX_CLI_RUN_REQUESTS_H
#define DUPLEX_CLI_RUN_REQUESTS_H

#include "cli/options.h"
#include "model/generation.h"
#include "model/tokenizer.h"

struct run_requests {
  struct generation_request *request;  // [count], with memory for their tokens, in the order of arrival
  bool *text;                          // of each request's number: its prompt is a text
  struct model_tokenizer *tokenizer;   // NULL: no prompt is a text
  size_t count;
  size_t longest;       // prompt and new tokens of one
  uint32_t vocabulary;  // of the model
};

// Reads and checks them against the model, whose tokenizer is opened if a prompt is a text. Returns 0 or an
// exit status; run_requests_free has to follow.
int run_requests_read(const struct option *options, const struct model_config *config,
                      struct run_requests *requests);
void run_requests_free(struct run_requests *requests);

#endif
