// The message of the attention kernel and its list.
#include <stddef.h>

#include "duplex/params.h"
#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct attention_message, member)

_Static_assert(sizeof(struct attention_sequence) == 4 && sizeof(struct attention_segment) == 8, "words of the list");
_Static_assert(ATTENTION_SEQUENCES + 2 * ATTENTION_SEGMENTS <= PROTOCOL_LIST_WORDS, "the list has room for a job");

// One job is served at a time; too large for the stack.
static struct attention_job job;

static void copy_list(const struct client *client, uint32_t sequences, uint32_t segments) {
  volatile const uint32_t *list = client->protocol->box->queue[client->queue].list;
  uint32_t *to = (uint32_t *)(void *)job.sequence;
  for (uint32_t i = 0; i < sequences; i++) to[i] = list[i];
  to = (uint32_t *)(void *)job.segment;
  for (uint32_t i = 0; i < 2 * segments; i++) to[i] = list[sequences + i];
}

// What else is wrong with a sequence or a segment, the stack refuses.
static bool sequences_fit(uint32_t segments) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < job.sequences; i++) {
    if (job.sequence[i].segments == 0 || job.sequence[i].lanes > 3) return false;
    sum += job.sequence[i].segments;
  }
  return sum == segments;
}

// K and V of every slot lie in the message's region: strides only lead upwards.
static bool segments_lie_in(const struct attention_message *m, uint32_t segments) {
  const uint32_t tiles = kv_tiles(job.head_size), end = m->kv.base + m->kv_row_sets;
  const uint32_t to_slot = (kv_slots(job.heads, job.channels) - 1) * job.slot_stride,
                 to_block = to_slot + (tiles - 1) * job.v_block_stride;
  for (uint32_t i = 0; i < segments; i++) {
    const struct attention_segment *segment = &job.segment[i];
    const uint32_t length = segment_length(segment), blocks = (length + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH;
    if (length == 0 || length > DUPLEX_POSITIONS_MAX || segment->k_base < m->kv.base || segment->v_base < m->kv.base)
      return false;
    if (segment->k_base + to_slot + blocks * tiles > end || segment->v_base + to_block + blocks > end) return false;
  }
  return true;
}

static enum completion_status serve_attention(struct client *client, const void *payload, struct firmware_report *report,
                                              uint32_t *detail) {
  const struct attention_message *m = payload;
  job.head_size = m->head_size, job.heads = m->heads, job.scale = m->scale;
  job.kv_stripe = m->kv.stripe, job.slot_stride = m->slot_stride, job.v_block_stride = m->v_block_stride;
  job.q = (struct region){m->q.base, m->q.stripe};
  job.o = (struct region){m->o.base, m->o.stripe};
  job.channels = client->channels, job.sequences = m->sequences;
  const uint32_t row_sets = m->sequences * kv_slots(m->heads, client->channels);
  if (*detail = AT(head_size), m->head_size == 0 || m->head_size > DUPLEX_HEAD_SIZE_MAX || m->head_size % 16)
    return COMPLETION_ARGUMENT;
  if (*detail = AT(heads), m->heads == 0 || m->heads > DUPLEX_KV_HEADS_MAX) return COMPLETION_ARGUMENT;
  if (*detail = AT(slot_stride), m->slot_stride > UINT16_MAX) return COMPLETION_ARGUMENT;
  if (*detail = AT(v_block_stride), m->v_block_stride > UINT16_MAX) return COMPLETION_ARGUMENT;
  if (*detail = AT(sequences), m->sequences == 0 || m->sequences > ATTENTION_SEQUENCES) return COMPLETION_ARGUMENT;
  if (*detail = AT(segments), m->segments == 0 || m->segments > ATTENTION_SEGMENTS) return COMPLETION_ARGUMENT;
  if (*detail = AT(kv), !client_owns(client, (struct region){m->kv.base, m->kv.stripe}, m->kv_row_sets)) return COMPLETION_REGION;
  if (*detail = AT(q), m->q.stripe != m->o.stripe || !client_owns(client, job.q, row_sets)) return COMPLETION_REGION;
  if (*detail = AT(o), !client_owns(client, job.o, row_sets)) return COMPLETION_REGION;
  copy_list(client, m->sequences, m->segments);
  if (*detail = AT(sequences), !sequences_fit(m->segments)) return COMPLETION_ARGUMENT;
  if (*detail = AT(segments), !segments_lie_in(m, m->segments)) return COMPLETION_REGION;
  *detail = 0;
  firmware_attention(&client->protocol->hal, &job, report);
  return COMPLETION_DONE;
}

const struct kernel attention_kernel = {MESSAGE_ATTENTION, sizeof(struct attention_message), serve_attention};
