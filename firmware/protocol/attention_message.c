// SPDX-License-Identifier: Apache-2.0
// The message of the attention kernel and its list.
#include <stddef.h>

#include "duplex/descriptor.h"
#include "duplex/geometry.h"
#include "duplex/params.h"
#include "duplex/registers.h"
#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct attention_message, member)

_Static_assert(sizeof(struct attention_sequence) == 4 && sizeof(struct attention_segment) == 8,
               "words of the list");
_Static_assert(ATTENTION_SEQUENCES + 2 * ATTENTION_SEGMENTS <= PROTOCOL_LIST_WORDS,
               "the list has room for a job");

// Ends the list: what is wrong, and where in the message.
static const struct attention_segment *wrong(struct attention_list *list, enum completion_status status,
                                             uint32_t detail) {
  list->status = status;
  list->detail = detail;
  return NULL;
}

// `shift`: binary logarithm of the positions of which a channel has 64.
static inline bool segment_lies_in(const struct attention_list *list, const struct attention_segment *segment,
                                   uint32_t shift) {
  const uint32_t last = segment_length(segment) - 1;
  const uint32_t block = last >> shift;
  return last < DUPLEX_POSITIONS_MAX && segment->k_base >= list->first && segment->v_base >= list->first &&
         (int32_t)(segment->k_base + block * list->tiles) <= list->k_last &&
         (int32_t)(segment->v_base + block) <= list->v_last;
}

// What else is wrong with a sequence or a segment, the stack refuses.
static const struct attention_segment *next_sequence(void *context, uint32_t i,
                                                     struct attention_sequence *sequence) {
  struct attention_list *list = context;
  const uint32_t word = *list->sequence++;
  const uint32_t count = word & 0xffff;
  const uint32_t shift = DUPLEX_WIDTH_BITS + (word >> 21 & 7);
  *sequence = (struct attention_sequence){(uint16_t)count, (uint8_t)(word >> 16), (uint8_t)(word >> 24)};
  if (count == 0 || count > list->segments || (i + 1 == list->sequences && count != list->segments) ||
      word >> 24 > DUPLEX_LANE_BITS)
    return wrong(list, COMPLETION_ARGUMENT, AT(sequences));
  list->segments -= count;
  for (uint32_t n = 0; n < count; n++) {
    const uint32_t bases = *list->segment++;
    const uint32_t length_and_lanes = *list->segment++;
    const struct attention_segment segment = {(uint16_t)bases, (uint16_t)(bases >> 16), length_and_lanes};
    if (!segment_lies_in(list, &segment, shift)) return wrong(list, COMPLETION_REGION, AT(segments));
    list->copy[n] = segment;
  }
  return list->copy;
}

// Before the first sequence is read: where the list of the client's queue begins, and what its segments may
// name.
static struct attention_list *open_list(const struct client *client, const struct attention_message *m,
                                        uint32_t tiles) {
  struct attention_list *list = &client->protocol->list;
  list->sequence = client->protocol->box->queue[client->queue].list;
  list->segment = list->sequence + m->sequences;
  list->sequences = m->sequences;
  list->segments = m->segments;
  list->tiles = tiles;
  list->first = m->kv.base;
  list->k_last = (int32_t)(m->kv.base + m->kv_row_sets - tiles -
                           (duplex_kv_slots(m->heads, client->channels) - 1) * m->slot_stride);
  list->v_last = list->k_last + (int32_t)(tiles - 1 - (tiles - 1) * m->v_block_stride);
  list->status = COMPLETION_DONE;
  list->detail = 0;
  return list;
}

// The numbers of a message are in their ranges.
static enum completion_status check_numbers(const struct attention_message *m, uint32_t head_size,
                                            uint32_t *detail) {
  if (head_size == 0 || head_size > DUPLEX_HEAD_SIZE_MAX || head_size % 16)
    return *detail = AT(head_size), COMPLETION_ARGUMENT;
  if (m->heads == 0 || m->heads > DUPLEX_KV_HEADS_MAX) return *detail = AT(heads), COMPLETION_ARGUMENT;
  if (m->slot_stride > UINT16_MAX) return *detail = AT(slot_stride), COMPLETION_ARGUMENT;
  if (m->v_block_stride > UINT16_MAX) return *detail = AT(v_block_stride), COMPLETION_ARGUMENT;
  if (m->sequences == 0 || m->sequences > ATTENTION_SEQUENCES)
    return *detail = AT(sequences), COMPLETION_ARGUMENT;
  if (m->segments == 0 || m->segments > ATTENTION_SEGMENTS)
    return *detail = AT(segments), COMPLETION_ARGUMENT;
  return COMPLETION_DONE;
}

// Checks a message of attention and runs it; its list is checked sequence by sequence as it is read. Another
// status than DONE sets `detail` to the offset of what is wrong.
static enum completion_status serve_attention(struct client *client, const void *payload,
                                              struct firmware_report *report, uint32_t *detail) {
  const struct attention_message *m = payload;
  const uint32_t head_size = m->head_size & ~DUPLEX_DESCRIPTOR_FIELD(WIDE, 1);
  const struct region qo = {m->qo.base, m->qo.stripe};
  const struct region scores = {m->scores.base, m->scores.stripe};
  const uint32_t row_sets = m->sequences * duplex_kv_slots(m->heads, client->channels);
  const enum completion_status status = check_numbers(m, head_size, detail);
  if (status != COMPLETION_DONE) return status;
  if (!client_owns(client, (struct region){m->kv.base, m->kv.stripe}, m->kv_row_sets))
    return *detail = AT(kv), COMPLETION_REGION;
  if (!client_owns(client, qo, 2 * row_sets)) return *detail = AT(qo), COMPLETION_REGION;
  if (m->score_row_sets && (scores.stripe != qo.stripe || !client_owns(client, scores, m->score_row_sets)))
    return *detail = AT(scores), COMPLETION_REGION;
  struct attention_list *list = open_list(client, m, duplex_kv_tiles(head_size));
  const struct attention_job job = {.head_size = head_size,
                                    .heads = m->heads,
                                    .scale = m->scale,
                                    .form = m->head_size,
                                    .kv_stripe = m->kv.stripe,
                                    .slot_stride = m->slot_stride,
                                    .v_block_stride = m->v_block_stride,
                                    .qo = qo,
                                    .scores = scores,
                                    .score_room = m->score_row_sets,
                                    .channels = client->channels,
                                    .sequences = m->sequences};
  firmware_attention(&client->protocol->hal, &job, next_sequence, list, report);
  // Only scores without room are refused here and not by the stack.
  if (list->status == COMPLETION_DONE && report->result == FIRMWARE_REFUSED &&
      report->error_code == DUPLEX_STACK_ERROR_NONE)
    return *detail = AT(scores), COMPLETION_REGION;
  *detail = list->detail;
  return list->status;
}

const struct kernel attention_kernel = {MESSAGE_ATTENTION, sizeof(struct attention_message), serve_attention};
