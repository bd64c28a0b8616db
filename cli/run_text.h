// SPDX-License-Identifier: Apache-2.0
// What `duplex run` prints of a request: text where its prompt was one, otherwise token numbers.
#ifndef DUPLEX_CLI_RUN_TEXT_H
#define DUPLEX_CLI_RUN_TEXT_H

#include "cli/run_requests.h"

// A whole request, a line: numbers with commas between them; a text as it is, or, if there are several
// requests, as a JSON string.
void run_print_request(const struct run_requests *requests, const struct generation_request *request);

// The latest token, as soon as it is there; run_print_end ends the line.
void run_print_token(const struct run_requests *requests, const struct generation_request *request,
                     struct model_stream *stream);
void run_print_end(const struct run_requests *requests, struct model_stream *stream);

#endif
