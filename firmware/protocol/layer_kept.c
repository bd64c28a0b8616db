// SPDX-License-Identifier: Apache-2.0
// What is kept of a job of a layer for the next one of the same form.
#include "firmware/protocol.h"

void layer_up_layout(const struct layer_message *shape, uint32_t piece, uint32_t inner,
                     struct weight_layout *layout) {
  const bool gated = (shape->flags & LAYER_GATED) != 0;
  *layout = (struct weight_layout){.rows = inner * (gated ? 2 : 1),
                                   .gated = gated,
                                   .exponents = (shape->flags & LAYER_UP_EXPONENTS) != 0,
                                   .interleaved = (shape->flags & LAYER_JOINED(piece)) != 0};
}

// Gate and up of all parts of a joined piece.
static void lay_out_joined(const struct client *client, const struct layer_message *shape, uint32_t piece,
                           struct weight_layout *layout) {
  uint32_t inner = 0;
  for (uint32_t part = 0; part < shape->piece[piece].parts; part++) inner += shape->piece[piece].inner[part];
  layer_up_layout(shape, piece, inner, layout);
  weight_layout(layout, shape->hidden, client->channels);  // as when the layer was registered
}

// The place of what is kept by a key, or of what has not been used for longest.
static uint32_t find_place(const struct layer_tables *tables, uint32_t key) {
  uint32_t oldest = 0;
  for (uint32_t i = 0; i < LAYERS_KEPT; i++) {
    if (tables->kept[i].key == key) return i;
    if (tables->kept[i].used < tables->kept[oldest].used) oldest = i;
  }
  return oldest;
}

// The job of a registered piece, of which nothing is kept.
static void describe_job(const struct client *client, const struct layer_record *record, uint32_t piece,
                         enum duplex_result_format format, struct layer_kept *kept) {
  const struct layer_message *shape = &record->shape;
  struct layer_job *job = &kept->job;
  job->hidden = shape->hidden;
  job->parts = shape->piece[piece].parts;
  job->gated = (shape->flags & LAYER_GATED) != 0;
  job->exponents = (shape->flags & LAYER_UP_EXPONENTS) != 0;
  job->products = (shape->flags & LAYER_PRODUCTS) != 0;
  job->joined = (shape->flags & LAYER_JOINED(piece)) != 0;
  if (job->joined) lay_out_joined(client, shape, piece, &job->up_layout);
  job->channels = client->channels;
  job->format = format;
  layer_sizes(job, record->piece[piece].product_row_sets);
  layer_work_begin(job, &kept->work);
}

// The same job with results of another format, which the kernel describes anew. Products have one format.
static void turn_to_format(const struct layer_record *record, uint32_t piece,
                           enum duplex_result_format format, struct layer_kept *kept) {
  kept->job.format = format;
  layer_sizes(&kept->job, record->piece[piece].product_row_sets);
}

// What of a kept job is the layer's own.
static inline void point_at(const struct layer_record *record, uint32_t piece, struct layer_job *job) {
  job->inner = record->shape.piece[piece].inner;
  job->down_layout = &record->piece[piece].down;
}

// What is kept of the piece, for these channels and this format, where there is something else.
__attribute__((cold, noinline)) static struct layer_kept *turn_kept(const struct client *client,
                                                                    struct layer_record *record,
                                                                    uint32_t piece,
                                                                    enum duplex_result_format format,
                                                                    uint32_t key) {
  const uint32_t place = find_place(client->protocol->tables, key);
  struct layer_kept *kept = &client->protocol->tables->kept[place];
  record->kept[piece] = (uint8_t)place;
  point_at(record, piece, &kept->job);
  if (kept->key != key || kept->job.channels != client->channels) {
    kept->key = key;
    describe_job(client, record, piece, format, kept);
  } else if (kept->job.format != format) {
    turn_to_format(record, piece, format, kept);
  }
  return kept;
}

struct layer_kept *layer_kept_of(const struct client *client, struct layer_record *record, uint32_t piece,
                                 enum duplex_result_format format) {
  struct layer_tables *tables = client->protocol->tables;
  const uint32_t key = record->form * PROTOCOL_LAYER_PIECES + piece;
  struct layer_kept *kept = &tables->kept[record->kept[piece]];
  KEEP_PLACE(kept);
  if (kept->key != key || kept->job.channels != client->channels || kept->job.format != format)
    kept = turn_kept(client, record, piece, format, key);
  kept->used = ++tables->used;
  point_at(record, piece, &kept->job);
  return kept;
}

// Of the results of a layer's jobs.
static enum duplex_result_format expected_format(const struct layer_message *shape) {
  const uint32_t binary32 = LAYER_PRODUCTS | LAYER_ROUNDED;
  return shape->flags & binary32 ? DUPLEX_RESULT_FORMAT_F32 : DUPLEX_RESULT_FORMAT_ACC;
}

void layer_keep(const struct client *client, struct layer_record *record) {
  for (uint32_t piece = 0; piece < record->shape.pieces; piece++) {
    if (!record->shape.piece[piece].parts) continue;
    struct layer_kept *kept = layer_kept_of(client, record, piece, expected_format(&record->shape));
    layer_prepare(&kept->job, &kept->work);
  }
}
