// SPDX-License-Identifier: Apache-2.0
// The layers of a model on a device: tokens in, logits out, one step for a batch of sequences.
//
// Products, norms, rotations and prefill attention are the xPU's; decode attention is Logic-PIM's; experts go
// to both sides by the device's policy. The logits of a sequence depend on its own tokens alone: not on what
// else is in the batch, on chunks of its prompt, policy, stacks, channels, back end, firmware or threads
// (docs/model_numerics.md). Only DUPLEX_PARTIALS_F32 breaks that.
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include "duplex/device_attention.h"
#include "model/weights.h"

struct network;           // a model whose weights are resident
struct network_sequence;  // one request: its keys and values

struct network_options {
  const char *backend;                  // "cmodel" or "rtl"
  struct duplex_device_options device;  // its xPU has to be NULL
  // Room for keys and values: of all sequences that decode, and of all that are being prefilled. 0: as much
  // as one sequence of the model's largest length, at most 4096.
  size_t decode_positions, prefill_positions;
  size_t sequences;  // at once, at most; 0: 1
  bool untimed;      // no stacks: the same bits on the host alone, without clocks; then `backend` is not read
  // Told of the tokens of each expert of an MoE layer, [experts], and of the rows of the residual stream
  // behind each block of a layer (unit 0: attention, 1: FFN), token by token. NULL: nobody.
  void (*routed)(void *context, size_t step, unsigned layer, const uint16_t *tokens);
  void (*passed)(void *context, unsigned layer, unsigned unit, uint64_t number, size_t position,
                 const duplex_f32 *row);
  void *context;
};

// Brings the weights to the device. The model stays the caller's, and has to live as long. Errors, after
// which *network is NULL: those of model_matrix_read and duplex_device_open.
int network_open(const struct model *model, const struct network_options *options, struct network **network,
                 struct model_error *error);
void network_close(struct network *network);  // its sequences have to be ended; NULL: nothing

// A sequence without tokens. number: the caller's name for it; expected: its length at last, as far as known.
int network_begin(struct network *network, uint64_t number, size_t expected,
                  struct network_sequence **sequence, struct model_error *error);
void network_end(struct network_sequence *sequence);  // NULL: nothing
size_t network_length(const struct network_sequence *sequence);

// What one sequence gets in a step: a chunk of its prompt, or, behind the prompt, one token.
struct network_piece {
  struct network_sequence *sequence;  // in one piece of a step
  const uint32_t *tokens;             // [count]
  size_t count;                       // 1 or more; 1 behind the prompt
  bool prompt_ends;                   // with this chunk: K and V move to where decoding sequences lie
  duplex_f32 *logits;                 // [vocabulary] behind the last token; NULL: not wanted
};

// All pieces at once. Errors: ARGUMENT (an empty piece, a token beyond the vocabulary, a length beyond the
// model's positions or its sliding window), OUT_OF_SPACE, NO_MEMORY, and those of the device. After an error
// sequences of the pieces can only be ended.
int network_step(struct network *network, const struct network_piece *pieces, size_t count,
                 struct model_error *error);

// Times of the last step, by the models of the device.
struct network_times {
  uint64_t xpu_ps;            // products, norms and head, launches too
  uint64_t attention_clocks;  // mixed stages, migration
  uint64_t moe_clocks;        // MoE layers
};
struct network_statistics {
  struct network_times times;
  uint64_t overflows;  // finite numbers that became infinite as binary16, since network_open
  uint64_t moe_layers, moe_bound_clocks;
  uint64_t logic_pim_experts, xpu_experts, shared_experts;
};
const struct network_statistics *network_last_statistics(const struct network *network);

const struct model_config *network_config(const struct network *network);
struct duplex_device *network_device(struct network *network);

#endif
