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
  // Each dense FFN in as many parts of its inner columns, experts that are all active with weight 1: their
  // sums are added exactly and rounded once. 0: whole. At most the inner columns. The same bits.
  unsigned split_ffn;
  bool shares;   // there are prefixes (network_share): all sequences of one lie in the same channels
  bool untimed;  // no stacks: the same bits on the host alone, without clocks; then `backend` is not read
  // Told of the tokens of each expert of an MoE layer, [experts], and of the rows of the residual stream
  // behind each block of a layer (unit 0: attention, 1: FFN), token by token. NULL: nobody.
  void (*routed)(void *context, size_t step, unsigned layer, const uint16_t *tokens);
  void (*passed)(void *context, unsigned layer, unsigned unit, uint64_t number, size_t position,
                 const duplex_f32 *row);
  // Told of each thing that a processor does, in clocks of 650 MHz from the beginning of the first step.
  // Tracks: 0 the xPU, then the stacks, then NETWORK_LAYERS and NETWORK_STEPS. layer: -1 outside of layers.
  void (*happened)(void *context, size_t step, int layer, const struct duplex_event *event);
  void *context;
};

// Tracks behind those of the stacks, whose events are blocks of layers and whole steps.
#define NETWORK_LAYERS (DUPLEX_STACKS_MOST + 1)
#define NETWORK_STEPS (DUPLEX_STACKS_MOST + 2)

// Whether the dense FFNs, of which there have to be some, can be cut into so many parts; 0: they are whole.
// Errors: ARGUMENT (none, biases, fewer inner columns).
int network_check_split(const struct model_config *config, unsigned parts, struct model_error *error);

// Brings the weights to the device. The model stays the caller's, and has to live as long. Errors, after
// which *network is NULL: ARGUMENT (more experts than a device takes, heads of more than 256
// values), those of network_check_split, model_matrix_read and duplex_device_open.
int network_open(const struct model *model, const struct network_options *options, struct network **network,
                 struct model_error *error);
void network_close(struct network *network);  // its sequences have to be ended; NULL: nothing

// A sequence without tokens. number: the caller's name for it; expected: its length at last, as far as known.
int network_begin(struct network *network, uint64_t number, size_t expected,
                  struct network_sequence **sequence, struct model_error *error);
// A sequence that begins with all tokens of a prefix: stored once on a device, copied on the host alone. The
// rest of its prompt follows. The prefix has to live until that has ended. Errors: ARGUMENT (a sequence that
// is no prefix), OUT_OF_SPACE, NO_MEMORY.
int network_share(struct network_sequence *prefix, uint64_t number, size_t expected,
                  struct network_sequence **shared, struct model_error *error);
void network_end(struct network_sequence *sequence);  // NULL: nothing
size_t network_length(const struct network_sequence *sequence);

// What one sequence gets in a step: a chunk of its prompt, or, behind the prompt, one token.
struct network_piece {
  struct network_sequence *sequence;  // in one piece of a step
  const uint32_t *tokens;             // [count]
  size_t count;                       // 1 or more; 1 behind the prompt
  bool prompt_ends;                   // with this chunk: K and V move to where decoding sequences lie
  duplex_f32 *logits;                 // [vocabulary] behind the last token; NULL: not wanted
  bool prefix_ends;                   // with this chunk: K and V get a copy there, and others begin with it
  unsigned logit_reads;               // how often the choice of a token reads them: its time is the step's
};

// All pieces at once. Errors: ARGUMENT (an empty piece, a token beyond the vocabulary, a length beyond the
// model's positions), OUT_OF_SPACE, NO_MEMORY, and those of the device. After an error
// sequences of the pieces can only be ended.
int network_step(struct network *network, const struct network_piece *pieces, size_t count,
                 struct model_error *error);

// Nothing is done for so long, between two steps. 0 to NETWORK_SECONDS_MOST, together with all waits before:
// the device's time is counted in parts of a picosecond.
#define NETWORK_SECONDS_MOST 1e6
void network_wait(struct network *network, double seconds);

// Times of the last step, by the models of the device.
struct network_times {
  uint64_t xpu_ps;            // products, head, work on elements, launches too
  uint64_t elements_ps;       // of that, work on elements
  uint64_t attention_clocks;  // mixed stages, migration
  uint64_t moe_clocks;        // MoE layers
  unsigned clock_khz;         // of these clocks
};
double network_clock_seconds(const struct network_times *times, uint64_t clocks);
struct network_statistics {
  struct network_times times;
  uint64_t overflows;  // finite numbers that became infinite as binary16, since network_open
  uint64_t moe_layers, moe_bound_clocks;
  uint64_t logic_pim_experts, xpu_experts, shared_experts;
  // Of FFNs that were split: outputs, and how many the combination of MoE layers (rule N7: binary32 sums of
  // rounded y_e) would have changed: its sums, and these rounded to binary16.
  uint64_t split_outputs, split_changed_f32, split_changed_f16;
  // For the energy: Logic-PIM's act, rd and wr, and useful MACs; bytes that the xPU read and wrote, its MACs.
  struct duplex_dram_commands commands;
  uint64_t logic_pim_macs, xpu_bytes, xpu_macs;
  // K and V that decode attention reads, what is shared once; and what it would be if nothing were shared.
  uint64_t kv_bytes, unshared_kv_bytes;
};
// sum += step; overflows are counted since network_open.
void network_statistics_add(struct network_statistics *sum, const struct network_statistics *step);
const struct network_statistics *network_last_statistics(const struct network *network);

// K and V that decode attention streams at most, in bytes per second: a column of 256 bytes in two clocks
// from every channel.
double network_stream_rate(const struct network *network);

const struct model_config *network_config(const struct network *network);
struct duplex_device *network_device(struct network *network);

#endif
