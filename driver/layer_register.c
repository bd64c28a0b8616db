// SPDX-License-Identifier: Apache-2.0
// Tells the firmware of a layer: its shape, and where its experts lie.
#include <string.h>

#include "driver/layer.h"
#include "driver/messages.h"
#include "driver/queue.h"
#include "duplex/arithmetic.h"

#define UNIT_ENTRIES (PROTOCOL_LAYER_ENTRIES / PROTOCOL_LAYERS)

static bool has_slot(const struct duplex_layer *layer) {
  return layer->stack->layer_slots.owner[layer->slot] == layer;
}

void layer_forget(struct duplex_layer *layer) {
  struct layer_slots *slots = &layer->stack->layer_slots;
  for (unsigned i = 0; i < PROTOCOL_LAYERS; i++)
    if (slots->owner[i] == layer) slots->owner[i] = NULL;
  layer->registered = 0;
}

// The next units of the table, in turn; layers that had them are registered again when they are needed.
static void take_slot(struct duplex_layer *layer) {
  struct layer_slots *slots = &layer->stack->layer_slots;
  const unsigned units = (unsigned)duplex_divide_up(layer->pieces * layer->experts, UNIT_ENTRIES);
  layer->slot = slots->next + units > PROTOCOL_LAYERS ? 0 : slots->next;
  slots->next = (layer->slot + units) % PROTOCOL_LAYERS;
  for (unsigned i = layer->slot; i < layer->slot + units; i++) {
    if (slots->owner[i]) layer_forget(slots->owner[i]);
    slots->owner[i] = layer;
  }
}

// Tells the firmware a layer's shape, and the place and parts of each piece; entries follow. A piece that no
// job runs is an empty one to it, wherever its experts lie.
static int register_shape(struct duplex_layer *layer) {
  struct layer_message message = {
      .layer = layer->slot,
      .first = layer->slot * UNIT_ENTRIES,
      .experts = layer->experts,
      .pieces = layer->pieces,
      .hidden = layer->hidden,
      .flags = (layer->gated ? LAYER_GATED : 0u) | (layer->up_exponents ? LAYER_UP_EXPONENTS : 0u) |
               (layer->down_exponents ? LAYER_DOWN_EXPONENTS : 0u) | (layer->products ? LAYER_PRODUCTS : 0u) |
               (layer->rounded ? LAYER_ROUNDED : 0u)};
  for (unsigned i = 0; i < layer->pieces; i++) {
    const struct layer_piece *piece = &layer->piece[i];
    message.piece[i].stripe = piece->stripe;
    if (piece->read_only) continue;
    if (piece->joined) message.flags |= LAYER_JOINED(i);
    message.piece[i].parts = piece->parts;
    memcpy(message.piece[i].inner, piece->inner_of, sizeof piece->inner_of);
  }
  return message_run_beside(layer->stack, MESSAGE_LAYER, &message, sizeof message);
}

// Entries `first` to first + count - 1.
static int register_experts(struct duplex_layer *layer, uint32_t first, uint32_t count) {
  const struct layer_experts_message message = {.layer = layer->slot, .first = first, .count = count};
  uint32_t *list = queue_list(layer->stack);
  for (uint32_t i = 0; i < count; i++) {
    const struct layer_place *place = &layer->places[first + i];
    list[i] = place->there ? place->up.base | place->down.base << 16 : LAYER_ABSENT;
  }
  return message_run_beside(layer->stack, MESSAGE_LAYER_EXPERTS, &message, sizeof message);
}

int layer_register(struct duplex_layer *layer) {
  const uint32_t entries = layer->pieces * layer->experts;
  if (has_slot(layer) && layer->registered == queue_allotment(layer->stack)->generation) return 0;
  if (!has_slot(layer)) take_slot(layer);
  layer->registered = 0;
  int error = register_shape(layer);
  for (uint32_t first = 0; first < entries && !error; first += PROTOCOL_LIST_WORDS)
    error = register_experts(layer, first, (uint32_t)duplex_smaller(entries - first, PROTOCOL_LIST_WORDS));
  if (!error) layer->registered = queue_allotment(layer->stack)->generation;
  return error;
}
