// SPDX-License-Identifier: Apache-2.0
// The messages that register a layer and its experts.
#include <stddef.h>

#include "duplex/arithmetic.h"
#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct layer_message, member)
#define EXPERTS_AT(member) (uint32_t) offsetof(struct layer_experts_message, member)
_Static_assert(PROTOCOL_LAYER_PIECES *PROTOCOL_LAYER_EXPERTS <= PROTOCOL_LAYER_ENTRIES, "any layer fits");

// A matrix of gate and up of a piece, with so many rows of h, joins those before it.
static bool lay_out_up(const struct client *client, const struct layer_message *m, uint32_t index,
                       uint32_t inner, struct layer_record *record) {
  const bool products = (m->flags & LAYER_PRODUCTS) != 0;
  struct weight_layout layout;
  layer_up_layout(m, index, inner, &layout);
  if (!weight_layout(&layout, m->hidden, client->channels)) return false;
  record->piece[index].up_row_sets += layout.row_sets;
  if (products) record->piece[index].product_row_sets += layer_product_row_sets(&layout, m->hidden);
  // h of rows behind the end has to fit the shared buffer too.
  return products || layout_columns(&layout) <= DUPLEX_K_TILES_MAX * DUPLEX_WIDTH;
}

// Row sets of the parts of a piece and of its down matrix; false if a part is not one that a kernel can run.
static bool lay_out_piece(const struct client *client, const struct layer_message *m, uint32_t index,
                          struct layer_record *record) {
  const struct layer_piece_words *piece = &m->piece[index];
  const bool joined = (m->flags & LAYER_JOINED(index)) != 0;
  uint32_t inner = 0;
  for (uint32_t part = 0; part < piece->parts; part++) {
    if (piece->inner[part] == 0 || piece->inner[part] > DUPLEX_K_TILES_MAX * DUPLEX_WIDTH) return false;
    if (joined ? inner % (2 * client->channels) : !lay_out_up(client, m, index, piece->inner[part], record))
      return false;
    inner += piece->inner[part];
  }
  if (!piece->parts) return true;
  if (joined && !lay_out_up(client, m, index, inner, record)) return false;
  struct weight_layout *down = &record->piece[index].down;
  *down = (struct weight_layout){.rows = m->hidden, .exponents = (m->flags & LAYER_DOWN_EXPONENTS) != 0};
  if (!(m->flags & LAYER_PRODUCTS) && !weight_layout(down, inner, client->channels)) return false;
  return record->piece[index].up_row_sets <= DUPLEX_BUNDLES * DUPLEX_BANK_ROWS;
}

// The numbers of a layer; its entries lie in the queue's table.
static enum completion_status check_layer(const struct layer_message *m, uint32_t *detail) {
  if (*detail = AT(layer), m->layer >= PROTOCOL_LAYERS) return COMPLETION_ARGUMENT;
  if (*detail = AT(experts), m->experts == 0 || m->experts > PROTOCOL_LAYER_EXPERTS)
    return COMPLETION_ARGUMENT;
  if (*detail = AT(pieces), m->pieces == 0 || m->pieces > PROTOCOL_LAYER_PIECES) return COMPLETION_ARGUMENT;
  const uint32_t entries = m->pieces * m->experts;  // at most as many as the table has
  if (*detail = AT(first), m->first > PROTOCOL_LAYER_ENTRIES - entries) return COMPLETION_ARGUMENT;
  if (*detail = AT(flags), m->flags >= LAYER_JOINED(m->pieces)) return COMPLETION_ARGUMENT;
  return COMPLETION_DONE;
}

// Whether two layers differ in nothing but their experts and where they lie.
static bool same_form(const struct layer_message *a, const struct layer_message *b) {
  bool same = a->hidden == b->hidden && a->flags == b->flags && a->pieces == b->pieces;
  for (uint32_t i = 0; i < a->pieces && same; i++) {
    same = a->piece[i].parts == b->piece[i].parts;
    for (uint32_t part = 0; part < a->piece[i].parts && same; part++)
      same = a->piece[i].inner[part] == b->piece[i].inner[part];
  }
  return same;
}

// The form of a layer whose message is checked: that of another one of the queue, or a new one.
static uint32_t form_of(const struct client *client, const struct layer_message *m) {
  struct layer_tables *tables = client->protocol->tables;
  for (uint32_t layer = 0; layer < PROTOCOL_LAYERS; layer++) {
    const struct layer_record *other = layer_find(client, layer);
    if (other && same_form(&other->shape, m)) return other->form;
  }
  return ++tables->forms;
}

// Registers a layer. As serve_attention sets `detail`.
__attribute__((cold)) static enum completion_status serve_layer(struct client *client, const void *payload,
                                                                struct firmware_report *report,
                                                                uint32_t *detail) {
  const struct layer_message *m = payload;
  (void)report;
  const enum completion_status status = check_layer(m, detail);
  if (status != COMPLETION_DONE) return status;
  struct protocol *p = client->protocol;
  struct layer_record *record = &p->tables->layer[client->queue][m->layer];
  *record = (struct layer_record){.shape = *m};
  for (uint32_t piece = 0; piece < m->pieces; piece++) {
    *detail = AT(piece) + piece * (uint32_t)sizeof *m->piece;
    if (m->piece[piece].parts > LAYER_PARTS || !lay_out_piece(client, m, piece, record))
      return COMPLETION_ARGUMENT;
    record->piece[piece].low = UINT32_MAX;
  }
  for (uint32_t i = 0; i < m->pieces * m->experts; i++)
    p->tables->entry[client->queue][m->first + i] = LAYER_ABSENT;
  *detail = 0;
  record->form = form_of(client, m);
  record->generation = client->allotment.generation;
  layer_keep(client, record);
  return COMPLETION_DONE;
}

// Row sets of an expert's piece join those of the others.
static void widen(struct layer_record *record, uint32_t piece, uint32_t entry) {
  const uint32_t up = entry & 0xffff;
  const uint32_t down = record->shape.flags & LAYER_PRODUCTS ? up : entry >> 16;
  const uint32_t up_end = up + record->piece[piece].up_row_sets;
  const uint32_t down_end = down + record->piece[piece].down.row_sets;
  const uint32_t low = up < down ? up : down;
  const uint32_t high = up_end > down_end ? up_end : down_end;
  if (low < record->piece[piece].low) record->piece[piece].low = low;
  if (high > record->piece[piece].high) record->piece[piece].high = high;
}

bool layer_owned(const struct client *client, const struct layer_record *record, uint32_t piece) {
  const uint32_t low = record->piece[piece].low;
  const uint32_t high = record->piece[piece].high;
  return high == 0 ||
         client_owns(client, (struct region){low, record->shape.piece[piece].stripe}, high - low);
}

void layer_tables_clear(struct layer_tables *tables) {
  tables->forms = 0;
  tables->used = 0;
  for (uint32_t i = 0; i < LAYERS_KEPT; i++) tables->kept[i].key = tables->kept[i].used = 0;
  for (uint32_t q = 0; q < PROTOCOL_QUEUES; q++) {
    for (uint32_t layer = 0; layer < PROTOCOL_LAYERS; layer++) tables->layer[q][layer].generation = 0;
    tables->schedule[q].words = 0;
    tables->schedule[q].times_generation = tables->schedule[q].decision_generation = 0;
  }
}

struct layer_record *layer_find(const struct client *client, uint32_t layer) {
  if (layer >= PROTOCOL_LAYERS) return NULL;
  struct layer_record *record = &client->protocol->tables->layer[client->queue][layer];
  return record->generation == client->allotment.generation ? record : NULL;
}

// Registers experts. A list that names what is not the client's takes the layer away. As serve_attention sets
// `detail`.
static enum completion_status serve_experts(struct client *client, const void *payload,
                                            struct firmware_report *report, uint32_t *detail) {
  const struct layer_experts_message *m = payload;
  struct protocol *p = client->protocol;
  volatile const uint32_t *list = p->box->queue[client->queue].list;
  struct layer_record *record = layer_find(client, m->layer);
  (void)report;
  if (*detail = EXPERTS_AT(layer), !record) return COMPLETION_ARGUMENT;
  const uint32_t entries = record->shape.pieces * record->shape.experts;
  if (*detail = EXPERTS_AT(count), m->count == 0 || m->count > PROTOCOL_LIST_WORDS || m->count > entries)
    return COMPLETION_ARGUMENT;
  if (*detail = EXPERTS_AT(first), m->first > entries - m->count) return COMPLETION_ARGUMENT;
  for (uint32_t i = 0; i < m->count; i++) {
    const uint32_t entry = list[i];
    p->tables->entry[client->queue][record->shape.first + m->first + i] = entry;
    if (entry != LAYER_ABSENT) widen(record, (m->first + i) / record->shape.experts, entry);
  }
  for (uint32_t piece = 0; piece < record->shape.pieces; piece++)
    if (!layer_owned(client, record, piece)) {
      record->generation = 0;
      return COMPLETION_REGION;
    }
  *detail = 0;
  return COMPLETION_DONE;
}

const struct kernel layer_kernel = {MESSAGE_LAYER, sizeof(struct layer_message), serve_layer};
const struct kernel layer_experts_kernel = {MESSAGE_LAYER_EXPERTS, sizeof(struct layer_experts_message),
                                            serve_experts};
