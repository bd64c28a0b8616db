// SPDX-License-Identifier: Apache-2.0
// The message of the GEMM kernel.
#include <stddef.h>

#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct gemm_message, member)

// Checks a message of a GEMM and runs it. As serve_attention sets `detail`.
static enum completion_status serve_gemm(struct client *client, const void *payload,
                                         struct firmware_report *report, uint32_t *detail) {
  const struct gemm_message *m = payload;
  struct gemm_job job = {.x = {m->x.base, m->x.stripe},
                         .results = {m->results.base, m->results.stripe},
                         .format = (enum duplex_result_format)m->format,
                         .channels = client->channels,
                         .groups = m->groups};
  *detail = AT(weights);
  const enum completion_status status =
      client_matrix(client, &m->weights, MATRIX_EXPONENTS | MATRIX_PAIR, &job.weights_layout, &job.weights);
  if (status != COMPLETION_DONE) return status;
  if (*detail = AT(format), m->format > DUPLEX_RESULT_FORMAT_ACC) return COMPLETION_ARGUMENT;
  if (*detail = AT(groups), m->groups == 0 || m->groups > PROTOCOL_TOKEN_GROUPS) return COMPLETION_ARGUMENT;
  if (job.weights_layout.two_streams && m->groups % 2) return COMPLETION_ARGUMENT;
  const uint32_t k_tiles = job.weights_layout.k_tiles;
  const uint32_t most = groups_of_pass(k_tiles);
  const uint32_t passes = (m->groups + most - 1) / most;
  if (*detail = AT(x),
      !client_owns(client, job.x, passes * activation_row_sets(most * k_tiles, client->channels)))
    return COMPLETION_REGION;
  if (*detail = AT(results),
      !client_owns(client, job.results, passes * result_row_sets(&job.weights_layout, job.format, most)))
    return COMPLETION_REGION;
  *detail = 0;
  firmware_gemm(&client->protocol->hal, &job, report);
  return COMPLETION_DONE;
}

const struct kernel gemm_kernel = {MESSAGE_GEMM, sizeof(struct gemm_message), serve_gemm};
