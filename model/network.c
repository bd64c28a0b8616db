// SPDX-License-Identifier: Apache-2.0
// Opens a model on a device: weights of every layer, room for keys and values; and its sequences.
#include "model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/arithmetic.h"
#include "duplex/hbm.h"
#include "model/network_sinks.h"
#include "model/network_untimed.h"

#define GROUP_MOST 16u     // query heads to a KV head
#define HEAD_STEP 16u      // values of a head come in whole 16,
#define HEAD_MOST 256u     // and are so many at most
#define P32_GROUP_MOST 4u  // softmax weights of two parts up to this group
#define PAGE_POSITIONS 64u
#define POSITIONS_MOST 4096u  // of the default room
#define SPARE_PAGES 8u        // of a channel: stacks and channels are not equally full

int network_device_failed(const struct network *network, int error, struct model_error *error_text) {
  return model_fail(error_text, error, "%s", duplex_device_last_error(network->device));
}

static int read_vector(const struct network *network, enum model_part part, unsigned layer,
                       duplex_f32 **vector, struct model_error *error) {
  size_t rows, columns;
  if (!model_part_shape(network->model, part, layer, &rows, &columns)) return DUPLEX_OK;
  *vector = malloc(columns * sizeof **vector);
  if (!*vector) return model_no_memory(error);
  return model_row_read(network->model, part, layer, 0, 0, *vector, error);
}

// A matrix that a layer may have.
static int read_matrix(const struct network *network, enum model_part part, unsigned layer,
                       struct model_matrix *matrix, struct model_error *error) {
  size_t rows, columns;
  if (!model_part_shape(network->model, part, layer, &rows, &columns)) return DUPLEX_OK;
  return model_matrix_read(network->model, part, layer, 0, matrix, error);
}

// Reads norms, biases and matrices of one layer's attention; optional ones that are not there stay empty.
static int read_attention(const struct network *network, unsigned number, struct model_error *error) {
  struct network_layer *layer = &network->layers[number];
  const struct {
    enum model_part part;
    duplex_f32 **vector;
  } vectors[] = {{MODEL_ATTENTION_NORM, &layer->attention_norm},
                 {MODEL_FFN_NORM, &layer->ffn_norm},
                 {MODEL_Q_BIAS, &layer->q_bias},
                 {MODEL_K_BIAS, &layer->k_bias},
                 {MODEL_V_BIAS, &layer->v_bias},
                 {MODEL_O_BIAS, &layer->o_bias},
                 {MODEL_Q_NORM, &layer->q_norm},
                 {MODEL_K_NORM, &layer->k_norm},
                 {MODEL_Q_A_NORM, &layer->q_a_norm},
                 {MODEL_Q_A_BIAS, &layer->q_a_bias},
                 {MODEL_KV_A_NORM, &layer->kv_a_norm},
                 {MODEL_KV_A_BIAS, &layer->kv_a_bias},
                 {MODEL_SINKS, &layer->sinks}};
  const struct {
    enum model_part part;
    struct model_matrix *matrix;
  } matrices[] = {{MODEL_Q, &layer->q},      {MODEL_K, &layer->k},     {MODEL_V, &layer->v},
                  {MODEL_O, &layer->o},      {MODEL_Q_A, &layer->q_a}, {MODEL_KV_A, &layer->kv_a},
                  {MODEL_KV_B, &layer->kv_b}};
  int status = DUPLEX_OK;
  for (unsigned i = 0; i < sizeof vectors / sizeof *vectors && !status; i++)
    status = read_vector(network, vectors[i].part, number, vectors[i].vector, error);
  for (unsigned i = 0; i < sizeof matrices / sizeof *matrices && !status; i++)
    status = read_matrix(network, matrices[i].part, number, matrices[i].matrix, error);
  return status || !layer->sinks ? status : network_make_sinks(network, layer, error);
}

static int read_dense(const struct network *network, unsigned number, struct model_error *error) {
  struct network_layer *layer = &network->layers[number];
  int status = read_vector(network, MODEL_GATE_BIAS, number, &layer->gate_bias, error);
  if (!status) status = read_vector(network, MODEL_UP_BIAS, number, &layer->up_bias, error);
  if (!status) status = read_vector(network, MODEL_DOWN_BIAS, number, &layer->down_bias, error);
  if (!status) status = model_matrix_read(network->model, MODEL_GATE, number, 0, &layer->gate, error);
  if (!status) status = model_matrix_read(network->model, MODEL_UP, number, 0, &layer->up, error);
  if (!status) status = model_matrix_read(network->model, MODEL_DOWN, number, 0, &layer->down, error);
  return status;
}

// One matrix of all experts, one behind the other.
static int read_experts_of(const struct network *network, enum model_part part, unsigned layer,
                           duplex_f16 **values, int8_t **exponents, struct model_error *error) {
  const unsigned experts = network->config->experts;
  size_t rows, columns;
  if (!model_part_shape(network->model, part, layer, &rows, &columns))
    return model_fail(error, DUPLEX_ERROR_FORMAT, "layer %u has no %s", layer, model_part_name(part));
  *values = malloc(experts * rows * columns * sizeof **values);
  *exponents = malloc(experts * rows);
  int status = *values && *exponents ? DUPLEX_OK : model_no_memory(error);
  for (unsigned expert = 0; expert < experts && !status; expert++) {
    struct model_matrix one;
    status = model_matrix_read(network->model, part, layer, expert, &one, error);
    if (status) break;
    memcpy(*values + expert * rows * columns, one.values, rows * columns * sizeof **values);
    memcpy(*exponents + expert * rows, one.exponents, rows);
    model_matrix_free(&one);
  }
  return status;
}

static int read_biases_of(const struct network *network, enum model_part part, unsigned layer,
                          duplex_f32 **biases, struct model_error *error) {
  size_t rows, columns;
  if (!model_part_shape(network->model, part, layer, &rows, &columns)) return DUPLEX_OK;
  *biases = malloc(network->config->experts * columns * sizeof **biases);
  int status = *biases ? DUPLEX_OK : model_no_memory(error);
  for (unsigned expert = 0; expert < network->config->experts && !status; expert++)
    status = model_row_read(network->model, part, layer, expert, 0, *biases + expert * columns, error);
  return status;
}

static void free_experts(struct network_layer *layer) {
  free(layer->experts.gate_bias);
  free(layer->experts.up_bias);
  free(layer->experts.down_bias);
  free(layer->experts.gate);
  free(layer->experts.up);
  free(layer->experts.down);
  free(layer->experts.gate_exponents);
  free(layer->experts.up_exponents);
  free(layer->experts.down_exponents);
  layer->experts = (struct expert_matrices){0};
  model_matrix_free(&layer->router);
}

// The device has copies of its own.
static int load_experts(struct network *network, struct network_layer *layer, struct model_error *error) {
  const struct model_config *config = network->config;
  const struct duplex_moe_shape shape = {config->experts, config->hidden, config->expert_inner};
  const struct expert_matrices *experts = &layer->experts;
  const struct duplex_moe_weights weights = {.router = layer->router.values,
                                             .gate = experts->gate,
                                             .up = experts->up,
                                             .down = experts->down,
                                             .router_exponents = layer->router.exponents,
                                             .gate_exponents = experts->gate_exponents,
                                             .up_exponents = experts->up_exponents,
                                             .down_exponents = experts->down_exponents};
  const int status =
      duplex_device_load_moe(network->device, &shape, &weights, network->activation, &layer->moe);
  free_experts(layer);
  return status ? network_device_failed(network, status, error) : DUPLEX_OK;
}

// Reads the router and the experts of one layer, and brings them to the device if it runs them.
static int read_sparse(struct network *network, unsigned number, struct model_error *error) {
  struct network_layer *layer = &network->layers[number];
  struct expert_matrices *experts = &layer->experts;
  int status = model_matrix_read(network->model, MODEL_ROUTER, number, 0, &layer->router, error);
  if (!status)
    status = read_experts_of(network, MODEL_GATE, number, &experts->gate, &experts->gate_exponents, error);
  if (!status)
    status = read_experts_of(network, MODEL_UP, number, &experts->up, &experts->up_exponents, error);
  if (!status)
    status = read_experts_of(network, MODEL_DOWN, number, &experts->down, &experts->down_exponents, error);
  if (!status) status = read_biases_of(network, MODEL_GATE_BIAS, number, &experts->gate_bias, error);
  if (!status) status = read_biases_of(network, MODEL_UP_BIAS, number, &experts->up_bias, error);
  if (!status) status = read_biases_of(network, MODEL_DOWN_BIAS, number, &experts->down_bias, error);
  if (!status) status = read_vector(network, MODEL_ROUTER_BIAS, number, &layer->router_bias, error);
  if (!status) status = read_vector(network, MODEL_CHOICE_BIAS, number, &layer->choice_bias, error);
  if (!status) status = read_matrix(network, MODEL_SHARED_GATE, number, &layer->shared_gate, error);
  if (!status) status = read_matrix(network, MODEL_SHARED_UP, number, &layer->shared_up, error);
  if (!status) status = read_matrix(network, MODEL_SHARED_DOWN, number, &layer->shared_down, error);
  if (!status && network_has_stacks_for_experts(network)) status = load_experts(network, layer, error);
  return status;
}

// All rows of the embedding are finite, also those of tokens that come late. A head that is the embedding was
// read already.
static int check_embedding(const struct network *network, struct model_error *error) {
  if (network->config->tied_embeddings) return DUPLEX_OK;
  duplex_f32 *row = malloc(network->config->hidden * sizeof *row);
  int status = row ? DUPLEX_OK : model_no_memory(error);
  for (unsigned token = 0; token < network->config->vocabulary && !status; token++)
    status = model_row_read(network->model, MODEL_EMBEDDING, 0, 0, token, row, error);
  free(row);
  return status;
}

static int read_layers(struct network *network, struct model_error *error) {
  int status = DUPLEX_OK;
  for (unsigned i = 0; i < network->config->layers && !status; i++) {
    status = read_attention(network, i, error);
    if (!status)
      status =
          network->config->layer[i].sparse ? read_sparse(network, i, error) : read_dense(network, i, error);
  }
  if (!status) status = read_vector(network, MODEL_FINAL_NORM, 0, &network->final_norm, error);
  if (!status) status = model_matrix_read(network->model, MODEL_HEAD, 0, 0, &network->head, error);
  if (!status) status = check_embedding(network, error);
  return status;
}

static unsigned rounded_up(unsigned value, unsigned step) { return (value + step - 1) / step * step; }

// What a head takes on the device; 0: too much. Sums of sizes from files fit 32 bits.
static unsigned head_size_of(const struct model_config *config) {
  const unsigned size = duplex_larger(config->head_size, config->value_size);
  const unsigned padded = rounded_up(size + (config->sinks ? NETWORK_SINK_VALUES : 0), HEAD_STEP);
  return padded <= HEAD_MOST ? padded : 0;
}

// Sets KV heads and query heads of the stacks: the smallest number of copies of a KV head with which no more
// than GROUP_MOST query heads share one, and groups that are all as large as the largest has to be.
static void set_heads(struct network *network) {
  const struct model_config *config = network->config;
  const unsigned group = config->heads / config->kv_heads;
  const unsigned copies = (group + GROUP_MOST - 1) / GROUP_MOST;
  network->kv_heads = config->kv_heads * copies;
  network->q_heads = network->kv_heads * ((group + copies - 1) / copies);
  network->wide = group <= P32_GROUP_MOST;
}

// Sets head size, copies of KV heads, scale and rotary angles.
static void set_geometry(struct network *network) {
  const struct model_config *config = network->config;
  const struct xpu_rotary_options rope = {.kind = (enum xpu_rotary_kind)config->rope.type,
                                          .theta = config->rope.theta,
                                          .factor = config->rope.factor,
                                          .low_frequency = config->rope.low_freq_factor,
                                          .high_frequency = config->rope.high_freq_factor,
                                          .original_positions = config->rope.original_positions,
                                          .beta_fast = config->rope.beta_fast,
                                          .beta_slow = config->rope.beta_slow,
                                          .attention_factor = config->rope.attention_factor,
                                          .mscale = config->rope.mscale,
                                          .mscale_all_dimensions = config->rope.mscale_all_dim,
                                          .whole_corrections = config->rope.truncate};
  network->pinned = config->sinks;
  network->head_size = head_size_of(config);
  set_heads(network);
  const exact_mode saved = exact_begin(config);
  network->scale = 1 / sqrt(config->head_size);
  // The class of latent attention scales the scores as yarn scales sines and cosines, once for q and once for
  // k.
  if (config->kv_rank && config->rope.type != MODEL_ROPE_DEFAULT && config->rope.mscale_all_dim != 0) {
    const double magnitude = xpu_rotary_magnitude(config->rope.factor, config->rope.mscale_all_dim);
    network->scale *= magnitude * magnitude;
  }
  exact_end(saved, network);
  xpu_rotary_begin(&network->rotary, &rope, config->kv_rank ? config->rope_size : config->head_size);
}

// Pages of each channel for that many positions, in sequences of their own: all layers of a KV head of a
// sequence lie in the same channels, those of sequences with one prefix too, and channels are not equally
// full where there are several sequences.
static size_t pages_for(const struct network *network, size_t positions, size_t sequences, size_t channels,
                        bool shares) {
  const size_t of_head = network->config->layers * (positions / sequences / PAGE_POSITIONS + 1);
  const size_t heads = shares ? sequences : network->kv_heads * sequences / channels + 1;
  return (sequences > 1 && !shares ? 2 : 1) * heads * of_head + SPARE_PAGES;
}

// Opens the KV cache with pages for the sequences and positions wanted.
static int open_kv(struct network *network, const struct network_options *options, size_t channels,
                   struct model_error *error) {
  const struct model_config *config = network->config;
  const size_t sequences = options->sequences ? options->sequences : 1;
  const size_t usual = config->positions < POSITIONS_MOST ? config->positions : POSITIONS_MOST;
  const size_t pinned = sequences * network->pinned;
  const size_t decode = (options->decode_positions ? options->decode_positions : usual) + pinned;
  const size_t prefill = (options->prefill_positions ? options->prefill_positions : usual) + pinned;
  uint32_t *windows = malloc(config->layers * sizeof *windows);
  if (!windows) return model_no_memory(error);
  for (unsigned i = 0; i < config->layers; i++) windows[i] = network_window(network, i);
  const struct duplex_device_kv_options kv = {
      .heads = network->kv_heads,
      .head_size = network->head_size,
      .layers = config->layers,
      .page_positions = PAGE_POSITIONS,
      .pages = pages_for(network, decode, sequences, channels, options->shares),
      .prefill_pages = pages_for(network, prefill, sequences, channels, options->shares),
      .p32 = network->wide,
      .windows = windows,
      .pinned = network->pinned};
  const int status = duplex_device_open_kv(network->device, &kv, &network->kv);
  free(windows);
  return status ? network_device_failed(network, status, error) : DUPLEX_OK;
}

// What the device has to know of all MoE layers before it decides how often it keeps their experts: how many
// there are, and the pairs of the largest step, in which all tokens of the prefill space may be, and a token
// of each sequence.
static void expect_layers(const struct network *network, struct duplex_device_options *device) {
  const struct model_config *config = network->config;
  const struct network_options *options = &network->options;
  const size_t positions =
      options->prefill_positions ? options->prefill_positions + options->sequences : MOE_TOKENS_MOST;
  device->moe_layers = 0;
  for (unsigned i = 0; i < config->layers; i++) device->moe_layers += config->layer[i].sparse;
  device->most_pairs = duplex_smaller(positions, MOE_TOKENS_MOST) * config->chosen;
}

// Opens xPU, device and KV cache and loads the layers; untimed networks have the xPU alone. Keys and values
// come first, so that no second copy of experts takes their room.
static int open_device(struct network *network, const struct network_options *options,
                       struct model_error *error) {
  struct duplex_device_options device = options->device;
  const unsigned stacks = device.stacks ? device.stacks : DUPLEX_STACKS_DEFAULT;
  const unsigned channels =
      stacks * (device.stack.backend.channels ? device.stack.backend.channels : DUPLEX_CHANNELS);
  network->clock_khz = duplex_dram_clock_khz(device.stack.backend.dram_preset);
  const struct duplex_xpu_options xpu = {.channels = channels,
                                         .threads = device.threads,
                                         .clock_khz = network->clock_khz,
                                         .gemm_table = device.xpu_times};
  network->channels = channels;
  int status = duplex_xpu_open(&xpu, &network->xpu, error->text, sizeof error->text);
  if (status) return status;
  device.xpu = network->xpu;
  device.xpu_times = NULL;
  expect_layers(network, &device);
  if (!options->untimed)
    status = duplex_device_open(options->backend, &device, &network->device, error->text, sizeof error->text);
  if (!status && !options->untimed) status = open_kv(network, options, channels, error);
  if (!status) status = read_layers(network, error);
  return status;
}

int network_check_split(const struct model_config *config, unsigned parts, struct model_error *error) {
  bool dense = false;
  for (unsigned i = 0; i < config->layers; i++) dense = dense || !config->layer[i].sparse;
  if (parts && !dense)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%u parts of a dense FFN: the model has none", parts);
  if (parts && config->ffn_bias)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%u parts of a dense FFN: expected one without biases",
                      parts);
  if (parts > config->inner)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "%u parts of a dense FFN: it has %u inner columns", parts,
                      config->inner);
  return DUPLEX_OK;
}

// More experts than a device takes, or larger heads.
static int check_sizes(const struct model_config *config, struct model_error *error) {
  if (config->experts > DUPLEX_EXPERTS_MOST)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "the model has %u experts a layer, a device takes %u",
                      config->experts, DUPLEX_EXPERTS_MOST);
  if (!head_size_of(config))
    return model_fail(error, DUPLEX_ERROR_ARGUMENT, "the model has heads of %u values, a device takes %u",
                      (unsigned)duplex_larger(config->head_size, config->value_size), HEAD_MOST);
  return DUPLEX_OK;
}

int network_open(const struct model *model, const struct network_options *options, struct network **made,
                 struct model_error *error) {
  const struct model_config *config = model_config_of(model);
  *made = NULL;
  error->text[0] = 0;
  int status = check_sizes(config, error);
  if (!status) status = network_check_split(config, options->split_ffn, error);
  if (status) return status;
  struct network *network = calloc(1, sizeof *network);
  if (network) network->layers = calloc(config->layers, sizeof *network->layers);
  if (!network || !network->layers) {
    free(network);
    return model_no_memory(error);
  }
  network->model = model;
  network->config = config;
  network->options = *options;
  network->activation = duplex_activation_builtin(config->act);
  set_geometry(network);
  status = open_device(network, options, error);
  if (status)
    network_close(network);
  else
    *made = network;
  return status;
}

static void free_layer(struct network_layer *layer) {
  duplex_f32 *const vectors[] = {layer->attention_norm, layer->ffn_norm,   layer->q_bias,    layer->k_bias,
                                 layer->v_bias,         layer->o_bias,     layer->q_norm,    layer->k_norm,
                                 layer->gate_bias,      layer->up_bias,    layer->down_bias, layer->sinks,
                                 layer->router_bias,    layer->q_a_norm,   layer->kv_a_norm, layer->q_a_bias,
                                 layer->kv_a_bias,      layer->choice_bias};
  struct model_matrix *const matrices[] = {
      &layer->q,           &layer->k,         &layer->v,          &layer->o,    &layer->gate,
      &layer->up,          &layer->down,      &layer->q_a,        &layer->kv_a, &layer->kv_b,
      &layer->shared_gate, &layer->shared_up, &layer->shared_down};
  for (unsigned i = 0; i < sizeof vectors / sizeof *vectors; i++) free(vectors[i]);
  for (unsigned i = 0; i < sizeof matrices / sizeof *matrices; i++) model_matrix_free(matrices[i]);
  free(layer->sink_queries);
  free_experts(layer);
}

// The device takes its layers, cache and sequences with it.
void network_close(struct network *network) {
  if (!network) return;
  duplex_device_close(network->device);
  if (network->xpu) network->xpu->ops->close(network->xpu);
  for (unsigned i = 0; i < network->config->layers; i++) free_layer(&network->layers[i]);
  model_matrix_free(&network->head);
  free(network->final_norm);
  free(network->layers);
  free(network);
}

int network_begin(struct network *network, uint64_t number, size_t expected, struct network_sequence **made,
                  struct model_error *error) {
  struct network_sequence *sequence = calloc(1, sizeof *sequence);
  *made = NULL;
  if (!sequence) return model_no_memory(error);
  sequence->network = network;
  sequence->number = number;
  int status = network->device
                   ? duplex_device_begin_sequence(network->kv, DUPLEX_KV_PREFILL, expected, &sequence->kv)
                   : untimed_begin(network, expected, &sequence->untimed);
  if (!status && network->pinned) status = network_pin_sinks(sequence);
  if (!status) {
    *made = sequence;
    return DUPLEX_OK;
  }
  if (network->device) network_device_failed(network, status, error);
  network_end(sequence);
  return network->device ? status : model_no_memory(error);
}

int network_share(struct network_sequence *prefix, uint64_t number, size_t expected,
                  struct network_sequence **shared, struct model_error *error) {
  struct network *network = prefix->network;
  *shared = NULL;
  if (!prefix->is_prefix)
    return model_fail(error, DUPLEX_ERROR_ARGUMENT,
                      "a shared prefix: expected a sequence whose prefix ended");
  const size_t positions = prefix->length + network->pinned;
  struct network_sequence *made = calloc(1, sizeof *made);
  if (!made) return model_no_memory(error);
  *made = (struct network_sequence){
      .network = network, .base = prefix, .number = number, .length = prefix->length};
  const int status = network->device
                         ? duplex_device_share_sequence(prefix->kv, positions, expected, &made->kv)
                         : untimed_share(network, prefix->untimed, positions, expected, &made->untimed);
  if (!status) {
    *shared = made;
    return DUPLEX_OK;
  }
  free(made);
  return network->device ? network_device_failed(network, status, error) : model_no_memory(error);
}

void network_end(struct network_sequence *sequence) {
  if (!sequence) return;
  duplex_device_free_sequence(sequence->kv);
  duplex_device_free_sequence(sequence->spaces);
  untimed_end(sequence->network, sequence->untimed);
  free(sequence);
}

size_t network_length(const struct network_sequence *sequence) { return sequence->length; }

const struct network_statistics *network_last_statistics(const struct network *network) {
  return &network->statistics;
}

const struct model_config *network_config(const struct network *network) { return network->config; }

struct duplex_device *network_device(struct network *network) {
  return network->device;
}
