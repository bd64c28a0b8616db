// SPDX-License-Identifier: Apache-2.0
// The message of the expert kernel.
#include <stddef.h>

#include "duplex/params.h"
#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct expert_message, member)

// The parts of a message that name matrices, activations and results.
static enum completion_status check_tokens(const struct client *client, const struct expert_message *m,
                                           struct expert_job *job, uint32_t *detail) {
  *detail = AT(up);
  enum completion_status status =
      client_matrix(client, &m->up, MATRIX_GATED | MATRIX_EXPONENTS | MATRIX_PAIR, &job->up_layout, &job->up);
  if (status != COMPLETION_DONE) return status;
  *detail = AT(down);
  status = client_matrix(client, &m->down, MATRIX_EXPONENTS | MATRIX_PAIR, &job->down_layout, &job->down);
  if (status != COMPLETION_DONE) return status;
  const uint32_t inner = job->up_layout.rows / (job->up_layout.gated ? 2 : 1);
  if (m->down.k != inner || job->up_layout.two_streams != job->down_layout.two_streams)
    return COMPLETION_ARGUMENT;
  if (*detail = AT(format), m->format > DUPLEX_RESULT_FORMAT_ACC) return COMPLETION_ARGUMENT;
  if (*detail = AT(groups), job->up_layout.two_streams && m->groups % 2) return COMPLETION_ARGUMENT;
  const uint32_t most = expert_groups_of_pass(&job->up_layout, &job->down_layout);
  const uint32_t passes = (m->groups + most - 1) / most;
  if (*detail = AT(x),
      !client_owns(client, job->x,
                   passes * activation_row_sets(most * job->up_layout.k_tiles, job->channels)))
    return COMPLETION_REGION;
  if (*detail = AT(results),
      !client_owns(client, job->results, passes * result_row_sets(&job->down_layout, job->format, most)))
    return COMPLETION_REGION;
  return COMPLETION_DONE;
}

// Checks a message of an expert and runs it; loads the table unless the stack has it. As serve_attention sets
// `detail`.
static enum completion_status serve_expert(struct client *client, const void *payload,
                                           struct firmware_report *report, uint32_t *detail) {
  const struct expert_message *m = payload;
  struct expert_job job;
  if (m->groups == 0)
    job.up_layout.k_tiles = job.down_layout.k_tiles = 1;  // no tokens, so no matrices either
  job.x = (struct region){m->x.base, m->x.stripe};
  job.results = (struct region){m->results.base, m->results.stripe};
  job.table = (struct region){m->table.base, m->table.stripe};
  job.table_tiles = m->table_tiles;
  job.format = (enum duplex_result_format)m->format;
  job.channels = client->channels;
  job.groups = m->groups;
  if (*detail = AT(groups), m->groups > PROTOCOL_TOKEN_GROUPS) return COMPLETION_ARGUMENT;
  enum completion_status status = client_table(client, job.table, job.table_tiles);
  *detail = status == COMPLETION_REGION ? AT(table) : AT(table_tiles);
  if (status == COMPLETION_DONE && m->groups) status = check_tokens(client, m, &job, detail);
  if (status != COMPLETION_DONE) return status;
  *detail = 0;
  if (client_table_loaded(client, m->table_serial)) job.table_tiles = 0;
  if (job.table_tiles == 0 && job.groups == 0) return COMPLETION_DONE;
  firmware_expert(&client->protocol->hal, &job, report);
  client_note_table(client, m->table_serial, report->result == FIRMWARE_DONE);
  return COMPLETION_DONE;
}

const struct kernel expert_kernel = {MESSAGE_EXPERT, sizeof(struct expert_message), serve_expert};
