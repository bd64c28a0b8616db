// SPDX-License-Identifier: Apache-2.0
// The projections kernel: one LOAD, then a GEMM for each matrix.
#include <stddef.h>

#include "examples/projections/projections.h"
#include "firmware/kernels/ring.h"

#define AT(member) (uint32_t) offsetof(struct projections_message, member)

struct projections_job {
  uint32_t count;
  enum duplex_result_format format;
  struct region x;
  struct weight_layout layout[PROJECTIONS_MOST];
  struct region weights[PROJECTIONS_MOST], results[PROJECTIONS_MOST];
};

// One LOAD, then a GEMM for each matrix.
static void run(const struct hal *hal, const struct projections_job *job, struct firmware_report *report) {
  struct ring ring;
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  ring_start(&ring, hal, report);
  describe_load(d, job->x, 1, 0, job->layout[0].k_tiles);
  if (!ring_push(&ring, d, false)) return;
  for (uint32_t i = 0; i < job->count; i++) {
    describe_gemm(d, &job->layout[i], job->weights[i], 1);
    describe_loaded_activations(d, 0, 1);
    describe_results(d, &job->layout[i], job->results[i], job->format, 1);
    if (!ring_push(&ring, d, i + 1 == job->count)) return;
  }
  ring_finish(&ring);
}

// Nothing runs before everything is checked: each number in range, each region in the client's allotment.
static enum completion_status serve(struct client *client, const void *payload,
                                    struct firmware_report *report, uint32_t *detail) {
  const struct projections_message *m = payload;
  struct projections_job job = {
      .count = m->count, .format = (enum duplex_result_format)m->format, .x = {m->x.base, m->x.stripe}};
  if (*detail = AT(count), m->count == 0 || m->count > PROJECTIONS_MOST) return COMPLETION_ARGUMENT;
  if (*detail = AT(format), m->format > DUPLEX_RESULT_FORMAT_ACC) return COMPLETION_ARGUMENT;
  for (uint32_t i = 0; i < m->count; i++) {
    *detail = AT(weights) + i * (uint32_t)sizeof m->weights[0];
    const enum completion_status status =
        client_matrix(client, &m->weights[i], 0, &job.layout[i], &job.weights[i]);
    if (status != COMPLETION_DONE) return status;
    if (m->weights[i].k != m->weights[0].k) return COMPLETION_ARGUMENT;
    *detail = AT(results) + i * (uint32_t)sizeof m->results[0];
    job.results[i] = (struct region){m->results[i].base, m->results[i].stripe};
    if (!client_owns(client, job.results[i], result_row_sets(&job.layout[i], job.format, 1)))
      return COMPLETION_REGION;
  }
  *detail = AT(x);
  if (!client_owns(client, job.x, activation_row_sets(job.layout[0].k_tiles, client->channels)))
    return COMPLETION_REGION;
  *detail = 0;
  run(&client->protocol->hal, &job, report);
  return COMPLETION_DONE;
}

const struct kernel user_kernel = {MESSAGE_USER, sizeof(struct projections_message), serve};
